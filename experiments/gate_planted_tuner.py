"""A tuner of protocols that can be told something false of the cell, and the criterion of good recommendations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.charging.objective import ANODE, TEMPERATURE, TIME_TO_TARGET, VOLTAGE
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import DirectAction, run_to_end
from voltgym.envs.scenario import generator
from voltgym.experiments.gate_scenarios import Listed
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.making import make_core
from voltgym.experiments.rollout import Acting, play

PROTOCOL = "VoltGym/ProtocolDesign-v0"
SURE: Mapping[str, float] = {VOLTAGE: 0.005, TEMPERATURE: 0.5, ANODE: 0.005}
"""What a good one has left to each limit on SPMe: as much as the gate allows DFN to be beyond it."""
EPISODES, TUNED_ON, EVALUATIONS = 200, 16, 160
SCALES = (0.01, 1.0, 0.01)
LIMITS = (VOLTAGE, TEMPERATURE, ANODE)


def tuned(
    split: str,
    believed: Mapping[str, float] | None = None,
    margins: Sequence[float] = (0.0, 0.0, 0.0),
    voltage: float = 0.0,
    **kwargs: Any,
) -> list[float]:
    """C-rates of five stages by COBYQA on episodes of ``split``, as fast as the limits allow.

    Args:
        split: what it is meant for; ``validation`` is what is tuned on for the field.
        believed: factors on what a scenario says of the cell.
        margins: to voltage [V], temperature [K] and anode potential [V].
        voltage: by how much the upper voltage is believed to be higher.
        kwargs: of the environment.
    """
    from scipy.optimize import NonlinearConstraint, minimize

    core = make_core(PROTOCOL, 1, {"fidelity": "SPMe", **kwargs}, split=split)
    assert core is not None
    core.objective.voltage_limit += voltage  # type: ignore[attr-defined]
    count = 1 if split == "nominal" else TUNED_ON
    scenarios = [_changed(core.scenario(generator(PROTOCOL, split, k)), believed or {}) for k in range(count)]
    seen: dict[bytes, tuple[float, np.ndarray]] = {}

    def look(x: np.ndarray) -> tuple[float, np.ndarray]:
        rates = np.clip(x, 0.1, 3.0)
        if rates.tobytes() not in seen:
            seen[rates.tobytes()] = _played(core, scenarios, rates, np.array(margins))
        return seen[rates.tobytes()]

    limits = NonlinearConstraint(lambda x: look(x)[1], 0.0, np.inf)
    options = {"maxfev": EVALUATIONS, "initial_tr_radius": 0.2, "final_tr_radius": 1e-3}
    minimize(lambda x: look(x)[0], np.full(5, 0.5), method="COBYQA", bounds=[(0.1, 3.0)] * 5, constraints=[limits],
             options=options)  # fmt: skip
    best = min(
        (key for key, (_, slack) in seen.items() if slack.min() >= -1e-6), key=lambda key: seen[key][0], default=None
    )
    if best is None:
        raise VoltGymError(f"no protocol of {EVALUATIONS} kept every limit on {split}")
    return [round(float(x), 3) for x in np.frombuffer(best)]


def _changed(scenario: Mapping[str, Any], believed: Mapping[str, float]) -> dict[str, Any]:
    return {name: value * believed.get(name, 1.0) for name, value in scenario.items()}


def _played(
    core: Episodes, scenarios: Sequence[Mapping[str, Any]], rates: np.ndarray, margins: np.ndarray
) -> tuple[float, np.ndarray]:
    """The mean time [min], and what is left to each limit at the worst, less its margin, in units that compare."""
    one = core.resized(len(scenarios))
    one.scenario = Listed(scenarios)
    x, space = np.tile(rates, (len(scenarios), 1)), core.task.action_space
    values, slacks, failure = run_to_end(one, x, DirectAction(space), list(range(len(scenarios))))  # type: ignore[arg-type]
    minutes = np.where((failure == 0) & np.isfinite(values[TIME_TO_TARGET]), values[TIME_TO_TARGET], 200.0)
    left = np.array([slacks[name].min() for name in LIMITS]) - margins
    return float(minutes.mean()), np.clip(np.nan_to_num(left, nan=-20.0) / SCALES, -20, 20)


def sure(subject: Subject) -> bool:
    """The criterion of good ones: ``SURE`` is left to every limit, and 80 % reached, in each of ``EPISODES`` on SPMe.

    They are of the split ``test``, which no gate looks at; for the nominal use it is its one episode.
    """
    split, count = ("nominal", 1) if subject.env_kwargs.get("split") == "nominal" else ("test", EPISODES)
    kwargs = {name: value for name, value in subject.env_kwargs.items() if name != "split"}
    core = make_core(subject.env_id, count, kwargs, split=split)
    assert core is not None
    assert subject.policy is not None
    policy = subject.policy
    found = play(core, lambda played: Acting(policy, played), list(range(count)))
    kept = [o["goal_reached"] and all(o["worst_slacks"][name] >= SURE[name] for name in LIMITS) for o in found]
    return all(kept)
