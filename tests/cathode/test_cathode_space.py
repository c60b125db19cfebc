"""The masked edits of cathodes against the definition of the grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.envs.cathode.composition import parse
from voltgym.envs.cathode.metals import METALS
from voltgym.envs.cathode.space import EDITS, SWAPS, CathodeSpace, nearest
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.base import Failure

SPACE = CathodeSpace()
EVERYTHING = set(SPACE.designs)


def test_every_design_is_there_once() -> None:
    assert len(SPACE.designs) == len(EVERYTHING) == 321 * 5 + 45 * 4


def test_the_mask_allows_exactly_the_edits_that_lead_to_another_design() -> None:
    state = SPACE.initial(SPACE.designs)
    mask = SPACE.mask(state)
    counts, removed = SPACE._ahead(state)
    for row, design in enumerate(SPACE.designs):
        for action in range(SPACE.stop):
            metals = dict(zip(METALS, counts[row, action].tolist(), strict=True))
            text = (
                "Li" + "".join(f"{m}{n / 10:g}" for m, n in metals.items() if n) + f"O2@{removed[row, action] / 10:g}"
            )
            good = min(metals.values()) >= 0
            if good:
                try:
                    key = parse(text).key
                except VoltGymError:
                    good = False
                else:
                    good = key != design and key in EVERYTHING
            assert mask[row, action] == good, (design, SPACE.describe(action, state, row))
    assert mask[:, SPACE.stop].all()


@given(st.sampled_from(SPACE.designs), st.integers(-3, SPACE.n_actions + 3))
def test_an_edit_leads_to_a_design_or_fails_and_changes_nothing(design: str, action: int) -> None:
    state = SPACE.initial([design])
    listed = 0 <= action < SPACE.n_actions
    allowed = listed and bool(SPACE.mask(state)[0, action])
    new, failure = SPACE.apply(state, np.array([action]))
    assert failure[0] == (Failure.NONE if allowed else Failure.ACTION)
    assert (new["key"][0] != design) == (allowed and action != SPACE.stop)
    again = SPACE.initial([new["key"][0]])
    for name in ("counts", "removed"):
        np.testing.assert_array_equal(new[name], again[name])


@given(st.sampled_from(SPACE.designs), st.sampled_from(SPACE.designs), st.integers(0, 2**32 - 1))
def test_children_and_mutants_are_designs(a: str, b: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert SPACE.crossover(a, b, rng) in EVERYTHING
    assert SPACE.mutate(a, rng) in EVERYTHING
    assert SPACE.mutate(a, rng) in SPACE.neighbours(a)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_any_shares_have_a_nearest_composition(shares: list[float]) -> None:
    if sum(shares) <= 0:
        with pytest.raises(VoltGymError, match="cannot be divided"):
            nearest(np.array(shares))
        return
    assert sum(nearest(np.array(shares)).counts) == 10


def test_what_is_on_the_grid_is_its_own_nearest() -> None:
    for design in SPACE.designs[::40]:
        composition = parse(design).composition
        assert nearest(np.array(composition.counts) / 10) == composition


def test_every_design_can_be_reached_from_any_other() -> None:
    found, edge = {"LiCoO2@0.5"}, ["LiCoO2@0.5"]
    while edge:
        edge = [n for design in edge for n in SPACE.neighbours(design) if n not in found and not found.add(n)]
    assert found == EVERYTHING


def test_edits_are_described() -> None:
    state = SPACE.initial(["LiNi0.8Mn0.1Co0.1O2@0.7"])
    assert SPACE.describe(0, state) == "one tenth of Ni becomes Mn"
    assert SPACE.describe(len(EDITS), state) == f"{SWAPS[0][1]} takes the place of {SWAPS[0][0]}"
    assert SPACE.describe(SPACE.stop, state) == "stop"
    with pytest.raises(VoltGymError, match="action is 99"):
        SPACE.describe(99, state)
