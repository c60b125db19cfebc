"""The page of a loop: best so far over calls of the physics, how wrong the surrogate was, and every verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.experiments import page
from voltgym.experiments.files import write_text
from voltgym.experiments.loop_engine import LoopProblem, best
from voltgym.experiments.loop_log import Verdict
from voltgym.experiments.making import make_env
from voltgym.experiments.svg import Chart, Series, draw
from voltgym.surrogates.base import Failure

PAGE = "loop.html"
"""Beside ``report.html``, which `voltgym report` makes of the policy's episodes."""
HIGH = 130.0
MOST = 200
"""Verdicts in the table: the best ones."""
Z90 = 1.645
"""Standard deviations to either side of a 90 % interval of a normal distribution."""
GO_ON = ("loop resume=", "validate ", "evaluate ", "report ")
"""Commands that take the folder."""
CAPTION = (
    "Left: the best feasible value that the physics confirmed, over what was asked of it. Right: what the surrogate "
    "had expected of each design or episode less what the physics said, with a band of 90 %."
)


def write_page(folder: Path, verdicts: Sequence[Verdict], problem: LoopProblem, config: Mapping[str, Any]) -> Path:
    """Write ``loop.html`` into ``folder``, and say where it is."""
    name = str(config["env"]["id"]).rpartition("/")[2]
    top, spent = best(verdicts, problem.direction), sum(v.spent for v in verdicts)
    said = "nothing feasible yet" if top is None else f"best {float(top.value or 0.0):.4g}"
    rounds = 1 + max((v.round for v in verdicts), default=0)
    html = page.render(
        f"The loop on {name}",
        f"{spent:g} {problem.unit} on the physics in {rounds} rounds, seed {config['seed']}; {said}. "
        "Values are the physics'; what a surrogate expected stands beside them.",
        page.Cell(said, "" if top is None else "good"),
        [
            page.Section("How it went", [page.Figures(_charts(verdicts, problem), CAPTION)]),
            page.Section("Rounds", [_rounds(verdicts, problem)]),
            *_pictures(verdicts, problem, config),
            page.Section("Verdicts of the physics, best first", [_table(verdicts, problem)]),
            page.Section("Go on", [page.Commands([f"voltgym {command}{folder}" for command in GO_ON])]),
        ],
    )
    file = folder / PAGE
    write_text(file, html)
    return file


def so_far(verdicts: Sequence[Verdict], direction: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) calls spent and (n,) the best feasible value by then, NaN before there is one."""
    sign = {"max": 1.0, "min": -1.0}[direction]
    values = [sign * float(v.value) if v.feasible and v.value is not None else -np.inf for v in verdicts]
    found = np.maximum.accumulate(values) if values else np.zeros(0)
    return np.cumsum([v.spent for v in verdicts]), sign * np.where(np.isfinite(found), found, np.nan)


def _charts(verdicts: Sequence[Verdict], problem: LoopProblem) -> list[str]:
    calls, values = so_far(verdicts, problem.direction)
    steps = np.repeat(calls, 2)[1:], np.repeat(values, 2)[:-1]
    last = "" if not len(values) or np.isnan(values[-1]) else f"Ends at {values[-1]:.4g}."
    out = [draw(Chart("Best so far", f"{problem.unit} on the physics", [Series("best", *steps)], last, height=HIGH))]
    told = [(c, v) for c, v in zip(calls, verdicts, strict=True) if v.predicted is not None and v.value is not None]
    if told:
        x = np.array([c for c, _ in told])
        off = np.array([float(v.predicted or 0.0) - float(v.value or 0.0) for _, v in told])
        wide = Z90 * np.array([float(v.std or 0.0) for _, v in told])
        about = f"Root mean square {np.sqrt(np.mean(off**2)):.3g}."
        series = [Series("expected less true", x, off, 1, between=(off - wide, off + wide))]
        out.append(
            draw(Chart("Expected less true", f"{problem.unit} on the physics", series, about, height=HIGH, goal=0.0))
        )
    return out


def _rounds(verdicts: Sequence[Verdict], problem: LoopProblem) -> page.Table:
    lines: list[list[str]] = []
    for k in sorted({v.round for v in verdicts}):
        mine, until = [v for v in verdicts if v.round == k], [v for v in verdicts if v.round <= k]
        told = [v for v in mine if v.predicted is not None and v.value is not None]
        off = [abs(float(v.predicted or 0.0) - float(v.value or 0.0)) for v in told]
        inside = [o <= Z90 * float(v.std or 0.0) for o, v in zip(off, told, strict=True)]
        top = best(until, problem.direction)
        lines.append([
            str(k), f"{sum(v.spent for v in until):g}", f"{sum(v.feasible for v in mine)} of {len(mine)}",
            f"{np.mean(off):.3g}" if off else "", f"{sum(inside)} of {len(inside)}" if inside else "",
            "" if top is None else f"{float(top.value or 0.0):.4g}",
        ])  # fmt: skip
    columns = ["round", f"{problem.unit} spent", "feasible", "mean error of the surrogate", "within its 90 %", "best"]
    return page.Table("What each round asked and learned", columns, lines)


def _pictures(verdicts: Sequence[Verdict], problem: LoopProblem, config: Mapping[str, Any]) -> list[page.Section]:
    """The best designs, where the environment draws designs."""
    ranked = [v for v in _ranked(verdicts, problem) if v.feasible and isinstance(v.design, str)][:6]
    if not ranked:
        return []
    env = make_env(config["env"]["id"], {**config["env"]["kwargs"], "split": "nominal"})
    draw_design = getattr(getattr(env.unwrapped, "viewer", None), "design_svg", None)
    env.close()
    if draw_design is None:
        return []
    cards = [
        page.Card(f"{i}. {v.design}", f"{float(v.value or 0.0):.3f}", "good", _expected(v), [draw_design(v.design)])
        for i, v in enumerate(ranked, 1)
    ]
    return [page.Section("The best", [page.Cards(cards, "Values on the physics.", small=True)])]


def _expected(v: Verdict) -> str:
    return (
        "To begin with." if v.predicted is None else f"Expected: {v.predicted:.3f} ± {Z90 * float(v.std or 0.0):.2g}."
    )


def _ranked(verdicts: Sequence[Verdict], problem: LoopProblem) -> list[Verdict]:
    """Those with a value, best first; then the others, what failed last."""
    sign = {"max": 1.0, "min": -1.0}[problem.direction]

    def merit(v: Verdict) -> tuple[bool, bool, bool, float]:
        has = v.value is not None
        return has, v.feasible, v.failure == Failure.NONE, sign * float(v.value or 0.0) if has else 0.0

    return sorted(verdicts, key=merit, reverse=True)


def text(design: Any) -> str:
    """A design in a line; of a description what is a word or a number."""
    if isinstance(design, Mapping):
        told = {name: f"{x:.3g}" if isinstance(x, float) else x for name, x in design.items()}
        return ", ".join(f"{name} {x}" for name, x in told.items() if isinstance(x, str | int))
    return design if isinstance(design, str) else json.dumps(design)


def _table(verdicts: Sequence[Verdict], problem: LoopProblem) -> page.Table:
    lines: list[list[str | page.Cell]] = []
    shown = [v for v in _ranked(verdicts, problem) if v.value is not None or v.failure]
    for v in shown[:MOST]:
        said = text(v.design)
        value = f"failed ({Failure(v.failure).name})" if v.value is None else f"{v.value:.4g}"
        expected = "" if v.predicted is None else f"{v.predicted:.4g} ± {Z90 * float(v.std or 0.0):.2g}"
        lines.append([said, page.Cell(value, "good" if v.feasible else "bad"), expected, str(v.round), v.why])
    notes = [f"The best {MOST} of {len(shown)}."] if len(shown) > MOST else []
    if len(shown) < len(verdicts):
        notes.append(
            f"{len(verdicts) - len(shown)} more were asked for to learn from: they have no value of their own."
        )
    return page.Table("", ["design", "value", "expected", "round", "why"], lines, notes)
