"""What the leaderboard says in words, about tracks, badges and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from voltgym.experiments.results import TRUST
from voltgym.experiments.scores import Hypervolume, Times, Values
from voltgym.experiments.standing import RANKED, UNTRUSTED, Standing
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.standing_table import number, thousands
from voltgym.experiments.tracks import Track

CLASSES = {
    "bms": "Sees what a battery-management system measures",
    "full": "Sees states and parameters",
    "lookahead": "May look ahead on the twin",
}
TRUSTS = {
    "self-reported": "The author computed the records.",
    "replayed": "Trusted code computed the records again from the author's actions or designs, whoever chose them.",
    "re-run": "Trusted code ran the author's policy, on episodes that nobody had seen.",
}
GLOSSARY = (
    ("Score", "0 is the track's baseline and 1 its reference; more is possible. A run's score is the mean over its "
     "episodes, in which an infeasible one counts as the worst; an entry's is the interquartile mean over its runs."),
    ("Interval", "95 %, by a bootstrap over runs. One run has none."),
    ("Rank", "An interval too: a paired bootstrap draws the same episodes and seeds for all. Overlapping ranks are not "
     "told apart, but overlapping is not transitive: there are no ties."),
    ("Feasible", "No step breaks a limit, and the goal is reached. Entries under 95 % rank below all others."),
    ("Provisional", "Fewer than 10 training seeds: the interval is rough. Fixed entries have no seed."),
    ("Fingerprint", "Which golden numbers an installation gives. Records of another fingerprint are shown apart."),
)  # fmt: skip


def class_text(information: str, track: Track) -> str:
    """What an information class sees; a design is judged by itself, whatever its agent saw."""
    if not is_control(track):
        return "Entries" if information == "full" else f"Entries, class {information}"
    return CLASSES.get(information, f"Sees: {information}")


def anchors_text(track: Track) -> str:
    """What scores of 0 and 1 are. Proven is said only where the track says so."""
    score, best = track.score, "the proven optimum" if track.optimum == "proven" else "the best known"
    if isinstance(score, Times):
        return f"A score of 0 is {score.baseline}, 1 is {score.reference}, {best}."
    if isinstance(score, Values):
        zero, one = number(score.baseline), number(score.reference)
        of = "raw score" if score.value == "Score" else score.value
        return f"A score of 0 is {zero} ({of}), 1 is {one}, {best}."
    if isinstance(score, Hypervolume):
        front = "the proven front" if track.optimum == "proven" else "the best-known front"
        return f"A score of 1 is the hypervolume of {front}, {thousands(score.reference)}."
    return f"A score of 1 is {best}."


def track_facts(found: Sequence[Standing], track: Track) -> list[tuple[str, str]]:
    """What the track fixes."""
    budgets = ", ".join(f"{thousands(most)} {unit.replace('_', ' ')}" for unit, most in track.budget.items())
    prints = sorted({s.fingerprint for s in found if s.section == RANKED})
    judged = f"the best {track.hand_in} designs of a run" if track.hand_in else f"{track.episodes} episodes"
    if not track.hand_in and track.episodes == 1:
        judged = "one episode"
    return [
        ("Environment", track.env_id.rpartition(":")[2]),
        ("Judged on", f"{judged}, split {track.split}"),
        ("Budget", f"at most {budgets}"),
        ("Seeds", str(track.seeds)),
        ("Version", str(track.version)),
        ("Fingerprint", ", ".join(prints) or "none"),
    ]


def notices(found: Sequence[Standing], track: Track, left_out: int) -> list[str]:
    """What must be known before the tables are read."""
    out = []
    ranked = [s for s in found if s.section == RANKED]
    own = sorted({s.information for s in ranked if s.trust != TRUST[-1]})
    if is_control(track) and not ranked and any(s.section == UNTRUSTED for s in found):
        out.append("Everybody can see these episodes: the ranks are those on private ones.")
    if is_control(track) and own:
        where = "" if len(own) == len({s.information for s in ranked}) else f" (class {', '.join(own)})"
        out.append(f"These are the authors' own runs{where}: nobody's policy has been run again on this track yet.")
    if any(s.provisional for s in ranked):
        out.append("Entries with fewer than 10 seeds are provisional: their dots are hollow.")
    if left_out:
        out.append(f"{left_out} runs of other versions of this track are not shown.")
    return out
