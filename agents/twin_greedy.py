"""``TwinGreedy``: plan a step ahead on a learned twin that is set, at every step, to what is observed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.agents.base import Memory, Progress
from voltgym.envs.charging.objective import Limits
from voltgym.envs.charging.references import ELECTROLYTE
from voltgym.envs.charging.task import FastChargeTask
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError, number
from voltgym.envs.ledger import Ledger
from voltgym.envs.lookahead import largest_feasible
from voltgym.surrogates.base import State
from voltgym.surrogates.calibration import combined
from voltgym.surrogates.charging import LearnedTwin
from voltgym.surrogates.charging_measured import SPREAD, widened
from voltgym.surrogates.charging_runs import SURFACES
from voltgym.surrogates.charging_step import GIVEN, HIDDEN, past_after

FILE = "twin_greedy.json"


class TwinGreedy:
    """Each step, the largest C-rate after which the learned twin, ``k`` standard deviations worse, keeps the limits.

    What full-information greedy asks the environment's own twin, this asks a learned one that comes with it, from the
    full observation alone: temperature, stoichiometries and electrolyte are set to what is observed, so that errors of
    the twin do not add up over an episode. What is remembered are the means of past currents. Planning a step ahead on
    a learned model of the dynamics, an ensemble's doubt taken off: as model-based reinforcement learning does (PETS,
    Chua et al. 2018, arXiv:1805.12114; from memory).

    Args:
        twin: it is never asked for more than a step.
        settings: of the limits and the task: ``k``, ``electrolyte``, ``voltage_limit``, ``target_soc``, ``max_c_rate``.
    """

    information = "full"

    def __init__(self, twin: LearnedTwin, settings: Mapping[str, float]) -> None:
        self.twin, self.settings = twin, {name: float(value) for name, value in settings.items()}
        rest: dict[str, Any] = {name: self.settings[name] for name in ("voltage_limit", "target_soc")}
        self.limits = Limits(k=self.settings["k"], **rest)
        self.task = FastChargeTask(observation="full", max_c_rate=self.settings["max_c_rate"], **rest)

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, 1) C-rates of (N, 17) observations. The memory are past currents, (N, 4), and the number of the step."""
        n = len(observation)
        last = self.task.read(observation, "C-rate")
        past, step = np.zeros((n, 4)), np.zeros(n, dtype=int)
        if memory is not None:
            begun = np.zeros(n, dtype=bool) if first is None else first
            past = np.where(begun[:, None], 0.0, past_after(memory["past"], last))
            step = np.where(begun, 0, memory["step"] + 1)
        state = self._observed(observation, past)

        def inside(rows: np.ndarray, rates: np.ndarray) -> np.ndarray:
            ahead, failure = self.twin.advance({name: values[rows] for name, values in state.items()}, rates)
            worst = self._worst(ahead, step[rows])
            return np.where(failure != 0, np.nan, worst)

        rate = largest_feasible(inside, n, 0.0, self.settings["max_c_rate"], tolerance=2e-3)
        return rate[:, None].astype(np.float32), {"past": past, "step": step}

    def _worst(self, ahead: State, step: np.ndarray) -> np.ndarray:
        """(N,) the smallest slack after a step, in scales, ``k`` standard deviations worse than the twin says."""
        measured = self.twin.measure(ahead)
        if "one step" in self.twin.card:
            measured |= self._doubts(ahead, step)
        slacks = {name: s / self.limits.scales[name] for name, s in self.limits.slacks(measured).items()}
        slacks[ELECTROLYTE] = (measured[ELECTROLYTE] - self.settings["electrolyte"]) / 10
        return np.asarray(np.min(list(slacks.values()), axis=0))

    def _doubts(self, ahead: State, step: np.ndarray) -> dict[str, np.ndarray]:
        """Standard deviations (N,) of a single step by name, as they were calibrated at such a time of a charge."""
        about = self.twin.card["one step"]
        stretch = np.searchsorted(about["begin"], step, side="right") - 1
        z, outputs = ahead["z"].astype(float), ahead["outputs"].astype(float)
        spread = np.concatenate([outputs[..., :1], z[..., :1], outputs[..., 1:]], axis=-1).std(axis=1)
        std = np.array(about["factor"])[stretch] * combined(spread, np.array(about["base"])[stretch])
        std *= widened(ahead["domain"])[:, None]
        return {f"{name} std": std[:, j] for j, name in enumerate(SPREAD)}

    def _observed(self, observation: np.ndarray, past: np.ndarray) -> dict[str, np.ndarray]:
        """The twin's state, as it is observed."""
        read = {name: self.task.read(observation, name) for name in self.task.names}
        soc, cell = read["SOC"], self.twin.card["cell"]
        given = {name: read[name] for name in GIVEN}
        state = self.twin.initial({**given, "Initial SOC": soc, "Initial SOC error": np.zeros(len(soc))})
        ends = zip(SURFACES, ("x0", "y0"), ("x100", "y100"), strict=True)
        surfaces = [(read[name] - cell[a]) / (cell[b] - cell[a]) - soc for name, a, b in ends]
        now = np.stack([read["Temperature [K]"], *surfaces, *(read[name] for name in HIDDEN[3:])], axis=1)
        z = np.repeat(now[:, None], state["z"].shape[1], axis=1).astype(np.float32)
        return state | {"z": z, "past": past.astype(np.float32), "C-rate": read["C-rate"]}

    def save(self, path: Path) -> None:
        """Write the twin's ``weights.npz`` and ``card.json``, and ``twin_greedy.json``, into the folder ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        self.twin.save(path)
        (path / FILE).write_text(json.dumps(self.settings, indent=2))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(LearnedTwin.load(path), json.loads((path / FILE).read_text()))


class TwinGreedyAgent:
    """Nothing is learned beyond the learned twin that the environment runs on: the policy takes it along.

    Args:
        k: by how many standard deviations the limits are taken worse; None for what the environment says.
        electrolyte: the least mean concentration in the negative electrode [mol.m-3] to plan for, as ``ObserverGreedy``
            has it: below about 280 the electrolyte empties somewhere within a step, the anode's potential falls off,
            and beyond that the equations end, so that nobody has seen what happens there.
    """

    unit = "env_steps"

    def __init__(self, *, k: float | None = None, electrolyte: float = 300.0) -> None:
        self.electrolyte = number("electrolyte", electrolyte, "a concentration >= 0")
        self.k = None if k is None else number("k", k, "a number of standard deviations >= 0")
        self.default_budget = 0
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> TwinGreedy:
        """The policy; no step is taken. Raises `VoltGymError` where there is no learned twin, or too little is seen."""
        core: Any = make_episodes(env_id, 1, **env_kwargs)
        self.ledger = core.ledger.limit(env_steps=budget)
        if not isinstance(core.twin, LearnedTwin):
            raise VoltGymError(
                f"{env_id} runs on {type(core.twin).__name__}; twin_greedy plans on a learned twin: "
                "add env.kwargs.fidelity=learned, or a folder of weights"
            )
        if getattr(core.task, "observation", None) != "full":
            raise VoltGymError("twin_greedy sets its twin to what is observed: add env.kwargs.observation=full")
        objective = core.objective
        progress.update(budget, budget)
        return TwinGreedy(
            core.twin,
            {
                "k": objective.k if self.k is None else self.k,
                "electrolyte": self.electrolyte,
                "voltage_limit": objective.voltage_limit,
                "target_soc": objective.target_soc,
                "max_c_rate": float(core.task.action_space.high[0]),
            },
        )
