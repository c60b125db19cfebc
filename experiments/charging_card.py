"""The learned twin's model card: errors, coverage and speed, beside what was aimed at."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.charging.scenario import NOMINAL
from voltgym.surrogates.base import put, take
from voltgym.surrogates.charging_runs import Runs
from voltgym.surrogates.charging_scores import SPREAD, Residuals, residuals
from voltgym.surrogates.charging_scores import scores as scored
from voltgym.surrogates.charging_step import Weights

AIMS = {"Voltage [V]": 0.010, "Temperature [K]": 1.0, "Anode potential [V]": 0.005}
"""The largest RMSE that was aimed at, over whole episodes in open loop."""
COVERED = (0.85, 0.95)
UNSEEN = ("ramp", "waves")
"""Kinds of protocols that no training set has."""
BATCHES = (1, 64, 1024)
TEST = "test, 10 to 35 C"


def scores(
    w: Weights,
    factor: np.ndarray,
    base: np.ndarray,
    ranges: Mapping[str, Any],
    held: Residuals,
    regions: Mapping[str, np.ndarray],
    judged: Mapping[str, tuple[Runs, Mapping[str, np.ndarray]]],
) -> dict[str, Any]:
    """By what it was judged on; ``held`` and ``regions`` are of held-out episodes of the set that was learned from."""
    out: dict[str, Any] = {}
    for name, (data, rows) in judged.items():
        found = residuals(w, data, ranges)
        label = TEST if name == "test" else f"{name} than anything learned"
        out[label] = scored(found, factor, base)
        if name == "test":
            unseen = np.isin(rows["protocol"].astype(str), UNSEEN)[found.episode]
            kept = np.array([str(aim) == "nothing" for aim in rows["aim"]])[found.episode]
            out["test, protocols of kinds never learned"] = scored(found.of(unseen), factor, base)
            out["test, episodes within the limits"] = scored(found.of(kept), factor, base)
            out["test, after step 60"] = scored(found.of(found.step >= 60), factor, base)
    for name, inside in regions.items():
        out[f"held out, {name}"] = scored(held.of(inside[held.episode]), factor, base)
    return out


def failures(twin: Any, data: Runs, rows: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many episodes leave the domain of the physics' equations, and what the twin makes of them."""
    n = len(data.steps)
    numeric = {name: values for name, values in rows.items() if name in NOMINAL}
    state, said = twin.initial(numeric), np.full(n, -1)
    for k in range(data.rates.shape[1]):
        go = np.flatnonzero((said < 0) & (k < data.steps + data.failed))
        if go.size:
            new, failure = twin.advance(take(state, go), data.rates[go, k])
            state = put(state, go, new)
            said[go[failure != 0]] = k
    fell = data.failed
    return {
        "episodes": n,
        "of the physics": int(fell.sum()),
        "seen at the same step": int((said[fell] == data.steps[fell]).sum()),
        "seen earlier": int(((said[fell] >= 0) & (said[fell] < data.steps[fell])).sum()),
        "not seen": int((said[fell] < 0).sum()),
        "of the twin alone": int((said[~fell] >= 0).sum()),
    }


def speed(twin: Any, cell: str, fidelity: str) -> dict[str, dict[str, float]]:
    """Steps a second on one core of the learned twin and of the physics, by the size of the batch."""
    from voltgym.envs.charging.twins import make_twin

    return {
        name: {str(n): _speed(one, n) for n in BATCHES}
        for name, one in {"learned": twin, "physics": make_twin(cell=cell, fidelity=fidelity)}.items()
    }


def _speed(twin: Any, n: int, seconds: float = 1.0) -> float:
    rng = np.random.default_rng(0)
    start = twin.initial({"Ambient temperature [K]": np.full(n, 298.15), "Initial SOC": rng.uniform(0.05, 0.3, n)})
    rates, done, spent = rng.uniform(0.2, 1.5, (20, n)), 0, 0.0
    twin.advance(start, rates[0])
    while spent < seconds:
        state, begin = start, time.process_time()
        for rate in rates:
            state, _ = twin.advance(state, rate)
        spent, done = spent + time.process_time() - begin, done + n * len(rates)
    return done / spent


def card(about: Mapping[str, Any], digest: str) -> str:
    """The model card as Markdown."""
    rows, cell, plan = about["fitted on"]["rows"], about["cell"], about["plan"]
    hidden = " x ".join(map(str, plan["hidden"]))
    return "\n".join(
        [
            "# Learned twin of a cell",
            "",
            f"Weights `{digest}`, of {cell['name']} as {cell['fidelity']} has it. Made by `voltgym fit "
            f"surrogate=charging` from {rows['steps']:,} steps of {rows['episodes']:,} episodes (`voltgym data`).",
            "",
            f"{plan['members']} networks of {hidden} units predict a step of 30 s. They are **no physics**: this is "
            "agreement with the twin that they were fitted on, not with a cell. What "
            "an agent learns here counts only after it was evaluated on the physics.",
            "",
            *_verdict(about["scores"][TEST]),
            "",
            "## Open loop over whole episodes",
            "",
            "From the state at rest and the currents alone; nothing is corrected on the way. Root mean square errors, "
            "and the share of steps within the 90 % interval.",
            "",
            *_table(about["scores"]),
            "",
            "## Largest errors",
            "",
            *_largest(about["scores"]),
            "",
            "## Where the equations end",
            "",
            "Episodes of the test set in which the electrolyte runs empty somewhere: the physics fails (`DOMAIN`).",
            "",
            *_failures(about["failures"]),
            "",
            "## Steps a second on one core",
            "",
            "CPU time, while other programs ran beside it.",
            "",
            *_speeds(about["speed"]),
            "",
            "## What it does not say",
            "",
            "- Steps of 30 s, charging or at rest, up to 3C; parts of a step are taken as if all went evenly within.",
            "- An aged cell has less capacity, slower kinetics and diffusion, and more resistance; nothing ages here.",
            "- Where the equations of the physics end (`DOMAIN`) is judged by what is predicted, so a step too late or "
            "too early.",
            "- Outside its range `Domain` is negative and the standard deviation grows, but intervals need not cover.",
            "- Intervals are calibrated over the steps of many episodes; errors of one episode go together.",
            "",
        ]
    )


def _verdict(found: Mapping[str, Any]) -> list[str]:
    out = ["| on held-out cells and protocols | RMSE | aim | 90 % interval covers | aim |", "|---|---|---|---|---|"]
    for name, aim in AIMS.items():
        error, share = found[name]["RMSE"], found[name]["coverage"]
        good, covers = error <= aim, COVERED[0] <= share <= COVERED[1]
        said = ["met" if ok else "**missed**" for ok in (good, covers)]
        out.append(f"| {name} | {error:.4f} | {aim:g}: {said[0]} | {share:.1%} | 85 to 95 %: {said[1]} |")
    return out


HEADS = ("V [mV]", "T [K]", "anode [mV]", "max V [mV]", "min anode [mV]", "max T [K]")
UNITS = (1e3, 1.0, 1e3, 1e3, 1e3, 1.0)


def _cells(found: Mapping[str, Any], what: str) -> list[str]:
    values = [found[name][what] * unit for name, unit in zip(SPREAD, UNITS, strict=True)]
    return [f"{value:.2f}" for value in values]


def _table(found: Mapping[str, Any]) -> list[str]:
    heads = " | ".join(HEADS)
    out = [f"| judged on | episodes | steps | {heads} | covered V / T / anode |", "|---" * (4 + len(HEADS)) + "|"]
    for name, scores_ in found.items():
        shares = " / ".join(f"{scores_[of]['coverage']:.0%}" for of in AIMS)
        numbers = " | ".join(_cells(scores_, "RMSE"))
        out.append(f"| {name} | {scores_['episodes']} | {scores_['steps']:,} | {numbers} | {shares} |")
    return out


def _largest(found: Mapping[str, Any]) -> list[str]:
    out = [f"| judged on | {' | '.join(HEADS)} |", "|---" * (1 + len(HEADS)) + "|"]
    return out + [f"| {name} | {' | '.join(_cells(scores_, 'largest'))} |" for name, scores_ in found.items()]


def _speeds(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    out = ["| cells side by side | learned twin | physics |", "|---|---|---|"]
    return out + [f"| {n} | {found['learned'][n]:,.0f} | {found['physics'][n]:,.0f} |" for n in map(str, BATCHES)]


def _failures(found: Mapping[str, int]) -> list[str]:
    names = list(found)
    return [
        "| " + " | ".join(names) + " |",
        "|---" * len(names) + "|",
        "| " + " | ".join(str(found[name]) for name in names) + " |",
    ]
