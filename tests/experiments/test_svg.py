"""A line in few letters is the line, to a third of a pixel."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voltgym.experiments import svg
from voltgym.experiments.svg import Scale

PIXELS = Scale((0.0, 400.0), (0.0, 400.0))


def followed(path: str) -> list[tuple[float, float]]:
    """The corners of a path of M, l, h and v."""
    out = [(0.0, 0.0)]
    for letter, numbers in re.findall(r"([Mlhv])([^Mlhv]*)", path):
        first, *rest = (float(text) for text in numbers.split())
        right, down = {"h": (first, 0.0), "v": (0.0, first)}.get(letter, (first, *rest))
        x, y = (0.0, 0.0) if letter == "M" else out[-1]
        out.append((x + right, y + down))
    return out[1:]


@settings(max_examples=60, deadline=None)
@given(arrays(float, st.integers(2, 60), elements=st.floats(0, 400)))
def test_a_path_goes_through_every_point(y: np.ndarray) -> None:
    x = 5.0 * np.arange(len(y))  # whole tenths: what is rounded is the height
    corners = np.array(followed(svg._path(x, y, PIXELS, PIXELS)))
    assert np.all(np.diff(corners[:, 0]) >= 0)
    assert np.abs(np.interp(x, corners[:, 0], corners[:, 1]) - y).max() < 0.5


def test_what_is_not_there_is_a_gap() -> None:
    path = svg._path(np.arange(5.0), np.array([1.0, 1.0, np.nan, 9.0, 9.0]), PIXELS, PIXELS)
    assert followed(path) == [(0, 1), (1, 1), (3, 9), (4, 9)]
    assert path.count("M") == 2
