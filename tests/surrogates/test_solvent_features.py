"""Fingerprints, similarities and groups of molecules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.surrogates.solvent_features import battery_like, features, group_of
from voltgym.surrogates.tanimoto import Known, min_max, tanimoto


def test_a_text_that_is_no_molecule_has_zeros_and_says_so() -> None:
    counts, numbers, good = features(["CCO", "no", "", "C1CC"])
    assert good.tolist() == [True, False, False, False]
    assert counts[0].sum() > 0
    assert not counts[1:].any()
    assert not numbers[1:].any()


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_similarities_agree_with_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.poisson(0.4, (n, 24)).astype(np.uint8) for n in (4, 6))
    least = np.minimum(a[:, None], b[None]).sum(axis=2)
    most = np.maximum(a[:, None], b[None]).sum(axis=2)
    np.testing.assert_allclose(min_max(a, b), np.where(most > 0, least / np.maximum(most, 1), 1), rtol=1e-6)
    np.testing.assert_allclose(Known(b).similarity(a), tanimoto(a, b), rtol=1e-5)
    np.testing.assert_allclose(np.diag(tanimoto(a, a)), 1.0, rtol=1e-6)


def test_the_similarity_of_a_row_does_not_depend_on_the_others() -> None:
    counts, _, _ = features(["CCO", "CCOC(=O)OC", "O=C1OCCO1"])
    known = Known(counts)
    np.testing.assert_array_equal(known.similarity(counts)[1], known.similarity(counts[1:2])[0])


def test_homologues_are_one_group() -> None:
    assert group_of("CCOC(=O)OC") == group_of("CCCCOC(=O)OC")
    assert group_of("COCCOC") != group_of("CCOC(C)=O")
    assert group_of("CC1COC(=O)O1") == group_of("O=C1OCCO1") == "O=C1OCCO1"


@pytest.mark.parametrize(
    ("smiles", "expected"), [("O=C1OCCO1", True), ("CCO", False), ("c1ccccc1", False), ("CCCl", False), ("CC#N", True)]
)
def test_battery_like(smiles: str, expected: bool) -> None:
    assert battery_like(smiles) is expected
