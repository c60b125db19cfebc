"""The correction of the twin's voltages is fitted on other materials than it is scored on."""

from __future__ import annotations

import numpy as np
import pytest

from voltgym.experiments.cathode_agreement import Window, left_out, line

MATERIALS = ("a", "b", "c")
WINDOWS = [
    Window(name, high, high - 0.2, 3.5 - high + k / 10, 3.6 - 0.5 * high + k / 10)
    for k, name in enumerate(MATERIALS)
    for high in (0.9, 0.7, 0.5)
]


def test_a_line_is_found_and_corrects_what_it_never_saw() -> None:
    offset, slope = line(WINDOWS)
    assert slope == pytest.approx(0.5)
    assert offset == pytest.approx(0.1 + 0.5 * 0.1)
    np.testing.assert_allclose(left_out(WINDOWS), [w.measured for w in WINDOWS])


def test_a_material_does_not_correct_itself() -> None:
    odd = [w._replace(twin=w.twin - 1) if w.material == "c" else w for w in WINDOWS]
    errors = np.array(left_out(odd)) - np.array([w.measured for w in odd])
    alone = [abs(e) for e, w in zip(errors, odd, strict=True) if w.material == "c"]
    np.testing.assert_allclose(alone, 1.0)
