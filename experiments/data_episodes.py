"""Episodes of a set: drawn, played on the twin side by side, and drawn anew until they show what they are to show."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.charging.objective import Limits
from voltgym.envs.charging.scenario import KELVIN
from voltgym.envs.scenario import stack
from voltgym.experiments.data_protocols import KINDS, Plan, rates, stacked
from voltgym.experiments.data_schema import AFTER, EVENTS, EXTREMES, NOTHING, SLACKS, STATE
from voltgym.surrogates.base import Failure, State, take

Columns = dict[str, np.ndarray]


class Drawn(NamedTuple):
    """One episode before it is played."""

    aim: str
    protocol: str
    aged: bool
    scenario: dict[str, float]
    plan: Plan


def draw(config: Mapping[str, Any], seed: int, episode: int, again: int) -> Drawn:
    """Episode ``episode`` of the set as it is drawn the ``again``-th time. Its aim is always the same."""
    key = [zlib.crc32(str(config["name"]).encode()), seed, episode]  # sets of other names share no draws
    aim = _one_of(config["balance"], np.random.default_rng(key))
    rng = np.random.default_rng([*key, 1 + again])
    protocol = _one_of(config["protocols"], rng)
    aged = bool(rng.uniform() < config["aged"])
    scenario = {"Ambient temperature [K]": KELVIN + rng.uniform(*config["ambient_c"])}
    scenario |= {"Initial SOC": rng.uniform(*config["initial_soc"]), "Initial SOC error": 0.0}
    spread = config["aged_spread" if aged else "spread"]
    scenario |= {name: rng.uniform(low, high) for name, (low, high) in spread.items()}
    return Drawn(aim, protocol, aged, scenario, KINDS[protocol](rng, config["steps"], config["max_c_rate"]))


def _one_of(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    weight = np.array(list(shares.values()), dtype=float)
    return str(list(shares)[int(rng.choice(len(weight), p=weight / weight.sum()))])


def play(twin: Any, config: Mapping[str, Any], drawn: list[Drawn]) -> Columns:
    """The steps of ``drawn``, one row a step, ordered by episode; "episode" is the place in ``drawn``."""
    limits = Limits(voltage_limit=twin.cell.upper_voltage, target_soc=config["stop_soc"])
    state = twin.initial(stack([one.scenario for one in drawn]))
    plan, alive, held = stacked([one.plan for one in drawn]), np.arange(len(drawn)), np.ones(len(drawn))
    measured, kept = twin.measure(state), list[Columns]()
    for k in range(config["steps"]):
        part = Plan(*(values[alive] for values in plan))
        slacks = np.stack(list(limits.slacks(measured).values()), axis=1)
        action, held = rates(part, k, measured["SOC"], slacks, held)
        new, failure = twin.advance(state, action)
        after = twin.measure(new)
        failure = np.where((failure == Failure.NONE) & limits.broken(after), Failure.LIMIT, failure)
        kept.append(step_rows(alive, k, action, measured, after, limits, failure))
        go = (failure == Failure.NONE) & (after["SOC"] < config["stop_soc"])
        alive, held, state, measured = alive[go], held[go], take(new, go), take(after, go)
        if not alive.size:
            break
    whole = {name: np.concatenate([rows[name] for rows in kept]) for name in kept[0]}
    return take(whole, np.lexsort((whole["step"], whole["episode"])))


def step_rows(
    alive: np.ndarray, k: int, action: np.ndarray, before: State, after: State, limits: Limits, failure: np.ndarray
) -> Columns:
    """What step ``k`` of the episodes ``alive`` (n,) is as rows, by column of ``step_columns``."""
    lost = (failure != Failure.NONE) & (failure != Failure.LIMIT)
    out = {"episode": alive, "step": np.full(len(alive), k), "C-rate": action}
    out |= {name: before[name] for name in STATE}
    out |= {name + AFTER: np.where(lost, np.nan, after[name]) for name in STATE}
    out |= {name: np.where(lost, np.nan, after[name]) for name in EXTREMES}
    slacks = limits.slacks(after).values()
    out |= {name: np.where(lost, np.nan, slack) for name, slack in zip(SLACKS, slacks, strict=True)}
    return out | {"failure": failure}


def broken(steps: Columns, n: int) -> dict[str, np.ndarray]:
    """(n,) in how many of its steps an episode broke a limit, by the name of the event."""
    bounds = Limits.tolerances.values()
    return {
        event: np.bincount(steps["episode"][steps[slack] < -bound], minlength=n)
        for event, slack, bound in zip(EVENTS, SLACKS, bounds, strict=True)
    }


def make(twin: Any, config: Mapping[str, Any], seed: int, numbers: np.ndarray) -> tuple[Columns, Columns]:
    """Steps and episodes of the episodes ``numbers`` of a set, each drawn anew until it shows its aim."""
    again, wanting = np.zeros(len(numbers), dtype=int), np.arange(len(numbers))
    drawn: list[Any] = [None] * len(numbers)
    steps: list[Any] = [None] * len(numbers)
    shown = np.zeros(len(numbers), dtype=bool)
    for attempt in range(config["draws"]):
        for i in wanting:
            drawn[i], again[i] = draw(config, seed, int(numbers[i]), attempt), attempt
        played = play(twin, config, [drawn[i] for i in wanting])
        events = broken(played, len(wanting))
        events[NOTHING] = (np.sum(list(events.values()), axis=0) == 0).astype(int)
        edges = np.searchsorted(played["episode"], np.arange(len(wanting) + 1))
        for j, i in enumerate(wanting):
            steps[i] = take(played, np.arange(edges[j], edges[j + 1]))
            shown[i] = events[drawn[i].aim][j] > 0
        wanting = wanting[~shown[wanting]]
        if not wanting.size:
            break
    for place, part in enumerate(steps):
        part["episode"] = np.full(len(part["step"]), place)
    whole = {name: np.concatenate([part[name] for part in steps]) for name in steps[0]}
    episodes = _episodes(drawn, whole, numbers, config) | {"shown": shown, "draws": again + 1}
    return whole | {"episode": numbers[whole["episode"]]}, episodes


def _episodes(drawn: list[Drawn], steps: Columns, numbers: np.ndarray, config: Mapping[str, Any]) -> Columns:
    n, last = len(drawn), np.flatnonzero(np.diff(steps["episode"], append=len(drawn)))
    out: dict[str, Any] = {"episode": numbers, "steps": np.bincount(steps["episode"], minlength=n)}
    out |= {name: [getattr(one, name) for one in drawn] for name in ("protocol", "aim", "aged")}
    out |= stack([one.scenario for one in drawn])
    out |= {f"{event} steps": count for event, count in broken(steps, n).items()}
    first = np.concatenate([[0], last[:-1] + 1])
    for name in SLACKS:
        lowest = np.fmin.reduceat(steps[name], first)
        out[f"Lowest {name[0].lower()}{name[1:]}"] = lowest
    filled = steps["SOC" + AFTER][last] >= config["stop_soc"]
    named = [Failure(int(code)).name.lower() for code in steps["failure"][last]]
    said = zip(named, filled, strict=True)
    return out | {"end": [("full" if f else "steps") if name == "none" else name for name, f in said]}
