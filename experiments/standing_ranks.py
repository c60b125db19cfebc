"""Which entries are ranked, and how: classes apart, ranks as intervals, the trusted before the merely reported."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from voltgym.experiments import statistics
from voltgym.experiments.results import TRUST
from voltgym.experiments.scores import Times
from voltgym.experiments.standing import APART, OURS, RANKED, SECTIONS, UNTRUSTED, Standing
from voltgym.experiments.tracks import Track

LEAST_RANKED = 3
"""Runs: what fewer say of a rank is what the scenarios leave open, and nothing of the seeds."""


def ranked(
    found: Sequence[Standing], track: Track, fingerprint: str, elsewhere: Collection[str] = ()
) -> list[Standing]:
    """The standings in their order, with ranks among those of ``fingerprint`` that may be ranked.

    ``elsewhere``: the classes that are ranked on the private split.
    """
    return sorted(_ranked(_trusted(_apart(found, fingerprint), track, elsewhere)), key=_order)


def _apart(found: Sequence[Standing], fingerprint: str) -> list[Standing]:
    why = "made by an installation that gives other golden numbers"
    return [
        s if s.fingerprint == fingerprint else replace(s, section=APART, why=f"{why}; {s.why}" if s.why else why)
        for s in found
    ]


def _trusted(found: Sequence[Standing], track: Track, elsewhere: Collection[str]) -> list[Standing]:
    """Control is ranked from entries that were run again; until a class has one, the authors' own runs are ranked."""
    if not is_control(track):
        return list(found)
    checked = {s.information for s in found if s.section == RANKED and s.trust == TRUST[-1]}.union(elsewhere)
    why = f"{{}}: control is ranked from {TRUST[-1]} entries only, since public scenarios can be optimised off-line"
    return [
        replace(s, section=UNTRUSTED, why=why.format(s.trust))
        if s.section == RANKED and s.trust != TRUST[-1] and (s.information in checked or s.author != OURS)
        else s
        for s in found
    ]


def is_control(track: Track) -> bool:
    """Whether the track judges by times over scenarios that an agent must react to."""
    return isinstance(track.score, Times)


def _ranked(found: Sequence[Standing]) -> list[Standing]:
    out = list(found)
    for information in {s.information for s in found}:
        here = [i for i, s in enumerate(found) if s.section == RANKED and s.information == information]
        places = [i for i in here if found[i].fixed or len(found[i].runs) >= LEAST_RANKED]
        for i in set(here) - set(places):
            out[i] = replace(found[i], why=f"fewer than {LEAST_RANKED} seeds: no rank")
        if not places:
            continue
        tables = {str(i): found[i].scores for i in places}
        below = [str(i) for i in places if found[i].below]
        ranks = statistics.rank_intervals(tables, below)
        for i in places:
            out[i] = replace(found[i], rank=ranks[str(i)])
    return out


def _order(s: Standing) -> tuple[object, ...]:
    middle = s.rank.middle if s.rank else float("inf")
    score = -s.score.value if s.score.value == s.score.value else float("inf")
    return SECTIONS.index(s.section), s.information, middle, s.below, score, s.entry, s.author
