"""What physics says of the designs that an agent found: the best of a run, priced again on the levels above."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.oracle import Verdict, ranked, sign_of, verdicts
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, check_name, whole_number
from voltgym.experiments import configs
from voltgym.experiments.files import plain, write_text
from voltgym.experiments.progress import Progress, terminal
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym verdict RUN [top=20] [levels=[xtb,dft]]

RUN is the run folder of an agent that searched designs. Its best ones are priced again with every property_model of
`levels`; left out, with all above the one that it searched on (for molecules xtb takes a second each and dft some
minutes, for cathodes the twin's tiers take half a minute to some; what was computed before is found on the disk).
Writes RUN/verdicts.jsonl and RUN/verdicts.html."""

DEFAULTS: dict[str, Any] = {"top": 20, "levels": []}
KEPT = 0.9
"""A design passes a level if it is feasible there and keeps this share of the score that it was chosen for."""
VERDICTS_FILE = "verdicts.jsonl"


class Judged(NamedTuple):
    """One design on one level."""

    design: str
    level: str
    value: float | None
    feasible: bool
    failure: int
    promised: float
    """What the level that the agent trained on says."""
    passes: bool
    measured: dict[str, float | None]


def judge(problem: EditProblem, level: str, designs: Sequence[str], promised: Sequence[float]) -> list[Judged]:
    """``designs`` (n keys) on the level of ``problem``, compared with what was ``promised`` (n)."""
    measured, failure = problem.twin.price(designs)
    found = problem.evaluate(designs)
    judged = verdicts(designs, found, problem.objective, 1)
    sign = sign_of(problem.objective)
    out = []
    for i, verdict in enumerate(judged):
        numbers = {name: float(column[i]) for name, column in measured.items()}
        out.append(
            Judged(
                verdict.key,
                level,
                verdict.value,
                verdict.feasible,
                int(failure[i]),
                float(promised[i]),
                passes(verdict, promised[i], sign),
                {name: value if np.isfinite(value) else None for name, value in numbers.items()},
            )
        )
    return out


def passes(verdict: Verdict, promised: float, sign: float) -> bool:
    """Whether a design still is what it was chosen for."""
    if not verdict.feasible or verdict.value is None:
        return False
    return verdict.value >= KEPT * promised if sign > 0 else verdict.value <= promised / KEPT


def best_designs(run: RunFolder, problem: EditProblem, top: int) -> list[Verdict]:
    """The best feasible designs of a run, at most ``top``."""
    file = run.path / DESIGNS_FILE
    if not file.exists():
        raise VoltGymError(f"there is no {file}: `voltgym verdict` takes the run of an agent that searches designs")
    try:
        found = [Verdict(**line) for line in read_json_lines(file)]
    except TypeError as error:
        raise VoltGymError(f"{file} is damaged ({error}); run the training again") from None
    good = [verdict for verdict in ranked(found, sign_of(problem.objective)) if verdict.feasible][:top]
    if not good:
        raise VoltGymError(f"no design in {file} is feasible: there is nothing to judge")
    return good


def run_verdicts(run: RunFolder, top: int, levels: Sequence[str], quiet: bool = False) -> list[Judged]:
    """Judge the best designs of a run on every level, keep and return it; best first, level by level."""
    env = run.config()["env"]
    known = EditProblem(env["id"], **{**env["kwargs"], "split": "nominal"})
    best = best_designs(run, known, top)
    promised = [float(verdict.value or 0.0) for verdict in best]
    keys = [verdict.key for verdict in best]
    rows = judge(known, str(env["kwargs"].get("property_model", "surrogate")), keys, promised)
    with Progress(terminal(f"verdicts on {run.path.name}", quiet)) as bar:
        for number, level in enumerate(levels):
            problem = problem_on(env, level)
            for i, key in enumerate(keys):  # one at a time: a minute each on the highest level
                rows += judge(problem, level, [key], promised[i : i + 1])
                bar.update(number * len(keys) + i + 1, len(levels) * len(keys))
                write_text(run.path / VERDICTS_FILE, "".join(json.dumps(plain(row._asdict())) + "\n" for row in rows))
    return rows


def chosen_levels(run: RunFolder, asked: Sequence[Any]) -> list[str]:
    """The levels ``asked`` for, or all above the one that the run searched on.

    Raises:
        VoltGymError: there is no such level, or none above.
    """
    env = run.config()["env"]
    known = EditProblem(env["id"], **{**env["kwargs"], "split": "nominal"})
    ladder = list(getattr(known.twin.model, "ladder", ()))
    for level in asked if ladder else ():
        check_name("level", level, ladder)
    on = str(env["kwargs"].get("property_model", ladder[0] if ladder else ""))
    above = list(asked) or ladder[ladder.index(on) + 1 :] if on in ladder else list(asked)
    if not above:
        raise VoltGymError(f"{run.path} searched on {on!r}, and no level above it can judge what it found")
    return above


def problem_on(env: Mapping[str, Any], level: str) -> EditProblem:
    """The environment of a run with another property model."""
    return EditProblem(env["id"], **{**env["kwargs"], "property_model": level, "split": "nominal"})


def shares(rows: Sequence[Judged]) -> dict[str, float]:
    """The share of designs that pass, by level."""
    levels = dict.fromkeys(row.level for row in rows)
    return {level: float(np.mean([row.passes for row in rows if row.level == level])) for level in levels}


def rank_correlations(rows: Sequence[Judged]) -> dict[str, tuple[float, int]]:
    """Spearman's correlation of what was promised with what each level says, and of how many designs, by level.

    Designs that have no value on a level are left out; NaN of fewer than three, or where all are alike.
    """
    from scipy.stats import spearmanr

    out = {}
    for level in dict.fromkeys(row.level for row in rows):
        pairs = [(row.promised, row.value) for row in rows if row.level == level and row.value is not None]
        varied = len(pairs) > 2 and all(len(set(column)) > 1 for column in zip(*pairs, strict=True))
        out[level] = (float(spearmanr(*zip(*pairs, strict=True)).statistic) if varied else float("nan"), len(pairs))
    return out


def main(argv: list[str]) -> None:
    """Judge RUN and print the table."""
    from voltgym.experiments.report_designs import write_designs

    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which run?\n{USAGE}")
    run, settings = RunFolder(Path(argv[0])), configs.merge(DEFAULTS, argv[1:])
    top = whole_number("top", settings["top"])
    rows = run_verdicts(run, top, chosen_levels(run, settings["levels"]))
    for row in rows:
        value = "-" if row.value is None else f"{row.value:.3f}"
        print(f"{row.level:10s} {row.design:40s} {value:>6s}  {'passes' if row.passes else 'fails'}")
    print(", ".join(f"{level}: {share:.0%} pass" for level, share in shares(rows).items()))
    ranks = rank_correlations(rows)
    print("rank correlation with what was promised: ", end="")
    print(", ".join(f"{level} {r:.2f} ({n} designs)" for level, (r, n) in ranks.items()))
    print(write_designs(run, rows))


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("verdict", sys.argv[1:])
