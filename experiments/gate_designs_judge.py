"""What physics from several sides says of a design: limits, windows, expected score, and what was promised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.edits import START
from voltgym.envs.levels import SURROGATE
from voltgym.envs.plotting import margin_text
from voltgym.experiments.doctor import golden
from voltgym.experiments.gate_parts import Check, Judgement, Row, Share, Value, kept_promise, unit_of, wilson
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.manifest import fingerprint
from voltgym.surrogates.base import Failure

if TYPE_CHECKING:
    from voltgym.experiments.gate_designs import DesignGate

SCORE, AT_MEAN = "Score", "Score at the mean"
METHOD = "mean over the draws; the interval holds 95 % of them"
NOTHING = Share(0, 0, math.nan, math.nan, math.nan)


def refused(gate: DesignGate, subject: Subject) -> Judgement:
    """The verdict on what is no design of the environment."""
    said = f"it is no design that {subject.env_id.rpartition('/')[2]} can judge: {subject.note}"
    return _nothing(gate, [Check("Design", False, said, kind="design")], {})


def _nothing(gate: DesignGate, checks: Sequence[Check], made_by: Mapping[str, Any]) -> Judgement:
    """Where physics has no value there is neither a share nor a score."""
    value = Value(SCORE, "max", math.nan, math.nan, math.nan, 0, METHOD)
    gap = {"of": None, "text": "there is nothing on physics to compare it with"}
    return Judgement(gate.physics.level, "design", gate.about, checks, NOTHING, value, gap, [], [], made_by)


def judge(gate: DesignGate, subject: Subject, rows: Sequence[Row]) -> Judgement:
    """The verdict's parts."""
    design = subject.design or ""
    searched = gate.problem(subject, False)
    said, failed = searched.twin.price([design])
    mark = golden(subject.env_id)
    made_by = {**fingerprint(searched.twin), **({} if mark is None else {"golden": mark})}
    checks = [Check("Design", True, "it is a design of the environment", kind="design"), *_computed(rows)]
    missing = [row for row in rows if row["needed"] and row["values"] is None]
    if missing:
        screens = [] if failed[0] else _screens(searched, design, said, list(searched.objective.scales))
        return _nothing(gate, [*checks, *screens, *gate.physics.checks(design, rows)], made_by)
    judging = gate.problem(subject, True)
    base, wrong = judging.twin.price([design])
    if wrong[0]:
        kind = Failure(int(wrong[0])).name
        text = f"{gate.physics.level} has no value ({kind})"
        return _nothing(gate, [*checks, Check("Physics", False, text, kind="validity")], made_by)
    made_by |= {f"judging {name}": value for name, value in fingerprint(judging.twin).items()}
    found = _drawn(gate, design, rows, judging, base)
    promised = {} if failed[0] else _numbers(searched.objective.value(said), said)
    physical = _numbers(judging.objective.value(base), base)
    checks += [
        *_screens(judging, design, base, found["fixed"]),
        *_within(gate, found),
        _altogether(gate, found),
        _worth(gate, found["value"]),
        *_promise(gate, promised, physical),
        *gate.physics.checks(design, rows),
    ]
    gap = _gap(gate, subject, promised, physical, said)
    return Judgement(
        gate.physics.level,
        "design",
        gate.about,
        checks,
        found["share"],
        found["value"],
        gap,
        found["told"],
        [],
        made_by,
    )


def _computed(rows: Sequence[Row]) -> list[Check]:
    bad = [row for row in rows if row["values"] is None and row["needed"]]
    if not bad:
        return [Check("Physics", True, f"all of {len(rows)} computations have a result", kind="validity")]
    said = f"the physics has no result for {bad[0]['label']}: {bad[0]['reason']}"
    return [Check("Physics", False, said, bad[0]["label"], threshold=0, kind="validity")]


def _screens(problem: Any, design: str, measured: Mapping[str, np.ndarray], names: Sequence[str]) -> list[Check]:
    """The environment's own slacks ``names``, which no draw changes; with its words for those that are broken."""
    slacks = problem.objective.slacks(measured)
    why = str(problem.twin.reasons(problem.twin.initial({START: [design]}))[0])
    out = []
    for name, slack in ((name, slacks[name]) for name in names if name in slacks):
        fine = bool(slack[0] >= -problem.objective.tolerances.get(name, 0.0))
        text = f"{name}: {margin_text(name, float(slack[0]))} left"
        text = text if fine else f"{name}: {margin_text(name, float(slack[0]))}{f' ({why})' if why else ''}"
        out.append(Check(name, fine, text, margin=float(slack[0]), unit=unit_of(name), threshold=0.0))
    return out


def _drawn(gate: DesignGate, design: str, rows: Sequence[Row], problem: Any, base: Any) -> dict[str, Any]:
    """Every draw with its score and its margins."""
    from voltgym.experiments.gate_designs import drawn, window_margins

    spread = {name.removesuffix(" std"): float(v[0]) for name, v in base.items() if name.endswith(" std")}
    rng = np.random.default_rng(gate.seed)
    draws = gate.physics.draws(design, rows, spread, rng, gate.count)
    measured = drawn(base, draws)
    values = problem.objective.value(measured)
    windows = window_margins(gate.physics.windows(problem.objective), values)
    slacks = problem.objective.slacks(measured)
    margins = {**slacks, **windows}
    fixed = [name for name, slack in slacks.items() if name not in windows and np.ptp(slack) == 0]
    good = np.all([margin >= 0 for margin in margins.values()], axis=0)
    score = values[SCORE]
    low, high = np.quantile(score, [0.025, 0.975])
    told = [
        {
            "case": str(i),
            "label": draw.label,
            "drawn": True,
            "feasible": bool(good[i]),
            "value": float(score[i]),
            "margins": {name: float(margin[i]) for name, margin in margins.items()},
        }
        for i, draw in enumerate(draws)
    ]
    value = Value(SCORE, "max", float(score.mean()), float(low), float(high), len(draws), METHOD)
    share = wilson(int(good.sum()), len(draws))
    return {"told": told, "margins": margins, "fixed": fixed, "share": share, "value": value}


def _within(gate: DesignGate, found: Mapping[str, Any]) -> list[Check]:
    out = []
    for name, margin in found["margins"].items():
        if name in found["fixed"]:
            continue  # the screens have said it
        worst, inside = int(np.argmin(margin)), float(np.mean(margin >= 0))
        where, least = found["told"][worst]["label"], gate.least_within
        said = f"{name}: within its window in {100 * inside:.0f} % of the draws ({100 * least:.0f} % asked for)"
        text = f"{said}, {margin_text(name, float(margin[worst]))} at the worst, {where}"
        out.append(Check(name, inside >= least, text, where, float(margin[worst]), unit_of(name), least))
    return out


def _altogether(gate: DesignGate, found: Mapping[str, Any]) -> Check:
    share = found["share"]
    said = f"{share.passed} of {share.of} draws are within everything, {100 * gate.least_share:.0f} % asked for"
    fine = share.value >= gate.least_share
    return Check("Feasible", fine, said, margin=share.value - gate.least_share, threshold=gate.least_share)


def _worth(gate: DesignGate, value: Value) -> Check:
    fine = value.mean >= gate.least_value
    said = f"a score of {value.mean:.3f} is expected, {gate.least_value:g} is the least that is worth making"
    margin = value.mean - gate.least_value
    return Check("Expected value", fine, said, margin=margin, threshold=gate.least_value, kind="value")


def _promise(gate: DesignGate, promised: Mapping[str, float], found: Mapping[str, float]) -> list[Check]:
    """Both at the mean: pessimism is the agent's."""
    least = gate.least_promise
    fine, share = kept_promise(promised.get(AT_MEAN), found.get(AT_MEAN), "max", least)
    if not promised:
        said = "the level that it was searched on has no value for it"
        return [Check("Promise", False, said, threshold=least, kind="promise")]
    said = f"{promised[AT_MEAN]:.3f} was promised, {found[AT_MEAN]:.3f} found, at the mean"
    out = [Check("Promise", fine, said, margin=_finite(share - least), threshold=least, kind="promise")]
    for name, most in gate.most_gap.items():
        off = promised[name] - found[name]
        text = f"{name}: {promised[name]:.3g} was promised, {found[name]:.3g} found, at most {most:g} apart allowed"
        left = most - abs(off)
        out.append(Check(f"Gap: {name}", left >= 0, text, "", left, unit_of(name), most, "promise"))
    return out


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _gap(
    gate: DesignGate,
    subject: Subject,
    promised: Mapping[str, float],
    found: Mapping[str, float],
    said: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    level = _searched(str(subject.env_kwargs.get("property_model", SURROGATE)))
    if not promised:
        return {"of": level, "text": f"{level} has no value for it"}
    off = {name: {"promised": promised[name], "found": found[name], "off": promised[name] - found[name],
                  "promised std": _std(said, name)} for name in found if name in promised}  # fmt: skip
    text = f"{level} promised a score of {promised[AT_MEAN]:.3f} at the mean, physics has {found[AT_MEAN]:.3f}"
    return {"of": level, "against": gate.physics.level, "values": off, "text": text}


def _searched(level: str) -> str:
    """What was searched on, in words: a level by its name, or somebody's weights by their folder's."""
    if level == SURROGATE:
        return "the surrogate"
    return f"the surrogate in {Path(level).name}" if Path(level).is_dir() else level


def _std(measured: Mapping[str, np.ndarray], name: str) -> float | None:
    return float(measured[f"{name} std"][0]) if f"{name} std" in measured else None


def _numbers(values: Mapping[str, np.ndarray], measured: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The named results of one design, and what is measured of it."""
    more = {n: v for n, v in measured.items() if not n.endswith(" std")}
    return {name: float(column[0]) for name, column in {**more, **values}.items()}
