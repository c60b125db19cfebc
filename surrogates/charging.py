"""The learned twin of a cell: what the physics would do, predicted a step at a time by an ensemble. Not physics.

It answers as the charging twins do (``initial``, ``advance``, ``measure``) and so stands in their place: every member
goes its own way from the start of an episode, the mean is what is measured, and how far they are apart, widened until
it covers, is the standard deviation.
"""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.base import Failure, State, put, take
from voltgym.surrogates.calibration import combined
from voltgym.surrogates.charging_files import Card, digest, load, save
from voltgym.surrogates.charging_measured import RANGED, SPREAD, failures, inner, inside, widened
from voltgym.surrogates.charging_step import BLOCK, GIVEN, OUTPUTS, Weights, at_rest, past_after, step

STANDS_FOR = {
    "Initial SOC error": 0.0,
    "Negative exchange-current factor": 1.0,
    "Negative diffusivity factor": 1.0,
    "Cooling factor": 1.0,
    "Capacity factor": 1.0,
    "Contact resistance [Ohm]": 0.0,
}
"""What a scenario may leave out, and what it is then: as the physical twins have it."""

OWN = ("z", "past", "outputs", "domain")
"""Parts of the state that are the twin's own."""


class LearnedTwin:
    """N cells stepped together by networks. A row's result depends on that row alone, bit for bit with numpy.

    ``measure`` gives (N,) arrays with the names of the physical twins, ``"<name> std"`` of what has a limit, and
    ``"Domain"``: >= 0 within the range that was learned from, in widths of that range; the lowest of the episode.

    Args:
        weights: the networks.
        card: the cell's numbers, the ranges that were learned from, the calibration, where all that is from.
        device: ``numpy``, or a device of torch such as ``cpu`` or ``cuda``, where rounding depends on the batch (1e-6).
        cell: what the environment knows of the cell; the twin does not need it.
    """

    fidelity = "learned"
    learned = True
    """It is no physics: whoever judges by it says so."""
    dt = 30.0

    def __init__(self, weights: Weights, card: Card, *, device: str = "numpy", cell: Any = None) -> None:
        self.weights, self.card, self.device = weights, card, device
        self.cell = cell
        self._low, self._high = (np.array([card["range"][name][i] for name in RANGED]) for i in (0, 1))
        self._factor, self._base = (np.array([card[kind][name] for name in SPREAD]) for kind in ("factor", "base"))

    @property
    def fingerprint(self) -> dict[str, str]:
        """Which weights: part of every record."""
        return {"cell": str(self.card["cell"]["digest"])[:16], "model": f"learned {self.digest}"}

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return digest(self.weights, self.card)

    def initial(self, scenarios: State) -> State:
        """Cells at rest at ambient temperature; (N,) arrays by name, as the physical twins take them."""
        n = len(np.atleast_1d(scenarios["Ambient temperature [K]"]))
        state = {name: np.full(n, value) for name, value in STANDS_FOR.items()}
        state |= {name: np.array(values, dtype=float).reshape(n) for name, values in scenarios.items()}
        kelvin, members = state["Ambient temperature [K]"], len(self.weights.layers[0][0])
        electrolyte, none = np.full(n, self.card["cell"]["electrolyte"]), np.zeros(n)
        rest = np.stack([kelvin, none, none, electrolyte, electrolyte], axis=1)
        volts, anode = at_rest(np, self.weights.rest, state["Initial SOC"])
        outputs = np.stack([volts, anode, volts, anode, kelvin], axis=1)
        return state | {
            "Time [s]": np.zeros(n),
            "C-rate": np.zeros(n),
            "SOC": state["Initial SOC"].copy(),
            "z": np.repeat(rest[:, None], members, axis=1).astype(np.float32),
            "outputs": np.repeat(outputs[:, None], members, axis=1).astype(np.float32),
            "past": np.zeros((n, 4), np.float32),
            "domain": inside(self._low, self._high, state, np.zeros(n), state["Initial SOC"], kelvin),
        }

    def advance(self, state: State, c_rate: np.ndarray, duration: np.ndarray | None = None) -> tuple[State, np.ndarray]:
        """Hold a current for a while.

        Steps of 30 s are what was learned. A longer time is cut into such, and of the last one a part is taken as if
        everything went evenly within it, which is less exact.

        Args:
            state: of N cells.
            c_rate: (N,), current over nominal capacity, positive on charge.
            duration: (N,) [s], default 30. A row with 0 does not move.

        Returns:
            The new state, and (N,) int8 of ``Failure``. A failed row comes back as it went in.
        """
        c_rate = np.array(c_rate, dtype=float)
        seconds = np.full(len(c_rate), self.dt) if duration is None else np.array(duration, dtype=float)
        good = np.isfinite(c_rate) & np.isfinite(seconds) & (seconds >= 0)
        failure = np.where(good, Failure.NONE, Failure.ACTION).astype(np.int8)
        if duration is None and good.all():
            new, failure = self._stepped(state, c_rate, None)
        else:
            new, left = dict(state), np.where(good, seconds, 0.0)
            while (rows := np.flatnonzero((failure == Failure.NONE) & (left > 0))).size:
                piece = np.minimum(left[rows], self.dt)
                part, failure[rows] = self._stepped(take(new, rows), c_rate[rows], piece)
                new, left[rows] = put(new, rows, part), left[rows] - piece
        lost = np.flatnonzero(failure)
        return (put(new, lost, take(state, lost)) if lost.size else new), failure

    def _stepped(self, state: State, c_rate: np.ndarray, seconds: np.ndarray | None) -> tuple[State, np.ndarray]:
        """One step of at most 30 s, and (N,) int8 of ``Failure``."""
        share = None if seconds is None else seconds / self.dt
        soc = state["SOC"] + (1.0 if share is None else share) * c_rate * self._gain / state["Capacity factor"]
        z, outputs = self._step(state, soc, c_rate, share)
        took = np.full(len(c_rate), self.dt) if seconds is None else seconds
        new = {
            "Time [s]": state["Time [s]"] + took,
            "C-rate": c_rate,
            "SOC": soc,
            "z": z,
            "outputs": outputs,
            "past": past_after(state["past"], c_rate, took).astype(np.float32),
            "domain": inside(self._low, self._high, state, c_rate, soc, z[..., 0].mean(axis=1)),
        }
        return state | new, failures(self.card["cell"], soc, z, outputs)

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """The physical quantities of N cells by name, each (N,), with standard deviations of what has a limit."""
        out = {name: values for name, values in state.items() if name not in OWN and values.ndim == 1}
        z, outputs = state["z"].astype(float), state["outputs"].astype(float)
        out |= dict(zip(OUTPUTS, outputs.mean(axis=1).T, strict=True))
        every = np.concatenate([outputs[..., :1], z[..., :1], outputs[..., 1:]], axis=-1)
        std = self._factor * combined(every.std(axis=1), self._base) * widened(state["domain"])[:, None]
        out |= {f"{name} std": std[:, j] for j, name in enumerate(SPREAD)}
        return out | inner(self.card["cell"], state, z.mean(axis=1)) | {"Domain": state["domain"].copy()}

    @property
    def _gain(self) -> float:
        """SOC of the nominal cell gained by a step at 1C."""
        return float(self.card["cell"]["nominal capacity"] * self.dt / 3600 / self.card["cell"]["capacity"])

    def _step(
        self, state: State, soc: np.ndarray, rate: np.ndarray, share: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, members, 5) twice: ``HIDDEN`` and ``OUTPUTS`` after the step."""
        n = len(rate)
        rows = np.concatenate([np.arange(n), np.zeros(-n % BLOCK, dtype=int)])
        given = np.stack([state[name] for name in GIVEN], axis=1)
        columns = [state["SOC"], soc, given, rate, state["past"], *([] if share is None else [share])]
        at = [values[rows].astype(np.float32) for values in columns]
        z = np.ascontiguousarray(state["z"][rows].transpose(1, 0, 2))
        with np.errstate(all="ignore"):  # a row that goes astray is a failure, not a warning
            found = step(np, self.weights, z, *at) if self.device == "numpy" else self._on_device(z, at)
        return found[0][:, :n].transpose(1, 0, 2), found[1][:, :n].transpose(1, 0, 2)

    def _on_device(self, z: np.ndarray, at: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        import torch

        with torch.no_grad():
            put = [torch.as_tensor(values, device=self.device) for values in (z, *at)]
            found = step(torch, self._there, *put)
        return found[0].cpu().numpy(), found[1].cpu().numpy()

    @cached_property
    def _there(self) -> Weights:
        """The weights on the device."""
        import torch

        w = self.weights
        layers = [tuple(torch.as_tensor(a, device=self.device) for a in pair) for pair in w.layers]
        mean, scale, change, rest = (
            torch.as_tensor(a, device=self.device) for a in (w.mean, w.scale, w.change, w.rest)
        )
        return Weights(layers, mean, scale, change, rest, w.ampere)  # type: ignore[arg-type]

    def save(self, path: Path) -> None:
        """Write ``weights.npz`` and ``card.json`` into the folder ``path``."""
        save(path, self.weights, self.card)

    @classmethod
    def load(cls, path: Path, *, device: str = "numpy", cell: Any = None) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        weights, card = load(path)
        return cls(weights, card, device=device, cell=cell)


def shipped() -> Path:
    """Where the weights are that come with the package."""
    return Path(str(resources.files("voltgym.surrogates") / "models" / "charging"))
