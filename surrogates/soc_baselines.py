"""What an SOC estimator is measured against: coulomb counting, and an extended Kalman filter on a fitted circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from voltgym.surrogates.soc_circuit import KNOTS, Circuit
from voltgym.surrogates.state_sensors import COUNTED, RATE, SAMPLE, TEMPERATURE, VOLTS


class Followed(NamedTuple):
    """(n, L) an estimate at every sample."""

    soc: np.ndarray
    std: np.ndarray


def counting(histories: np.ndarray, start: float) -> Followed:
    """Coulomb counting from a start that is off by at most ``start``, evenly: all that it knows of its error."""
    soc = histories[..., COUNTED].astype(float)
    return Followed(soc, np.full_like(soc, start / np.sqrt(3)))


class Kalman(NamedTuple):
    """An extended Kalman filter of SOC, the slow C-rate and a series resistance of the cell's own.

    (Plett, J. Power Sources 134 (2004) 277-292, cited from memory; the third state is our addition: cells differ in
    their contacts.) All rows of a batch at once.
    """

    circuit: Circuit
    start: float = 0.10 / np.sqrt(3)
    """Standard deviation of the start SOC."""
    resistance: float = 0.0075
    """[V] at 1C, standard deviation of what the series resistance adds."""
    drift: float = 3e-4
    """Standard deviation that a sample adds to the SOC: the current is off, and the capacity is not the nominal one."""
    volts: float = 0.02
    """[V] standard deviation of what the circuit does not explain."""

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Self:
        """The filter that an SOC estimator was judged beside, from its card."""
        kept = card["kalman"]
        parts = {name: np.array(kept[name]) for name in ("ocv", "series", "slow")}
        circuit = Circuit(**parts, tau=kept["tau"], error=kept["error"])
        return cls(circuit, volts=kept["volts"], drift=kept["drift"])

    def told(self) -> dict[str, Any]:
        """What a card keeps of it."""
        numbers = {name: np.asarray(value).tolist() for name, value in self.circuit._asdict().items()}
        return {**numbers, "volts": self.volts, "drift": self.drift}

    def follow(self, histories: np.ndarray) -> Followed:
        """Estimates of (n, L, 4) histories of ``state_sensors.COLUMNS``; NaN from where a row is not finite."""
        n, length = histories.shape[:2]
        x, p = np.zeros((n, 3)), np.zeros((n, 3, 3))
        x[:, 0] = histories[:, 0, COUNTED]
        p[:, 0, 0], p[:, 2, 2] = self.start**2, self.resistance**2
        out = Followed(np.full((n, length), np.nan), np.full((n, length), np.nan))
        move = np.diag([1.0, self.circuit.decay, 1.0])
        noise = np.diag([self.drift**2, 1e-6, 0.0])
        for j in range(length):
            volts, kelvin, rate = (histories[:, j, k].astype(float) for k in (VOLTS, TEMPERATURE, RATE))
            if j:
                x[:, 0] += rate * SAMPLE / 3600
                x[:, 1] = self.circuit.decay * x[:, 1] + (1 - self.circuit.decay) * rate
                p = move @ p @ move + noise
            x, p = self._corrected(x, p, volts, kelvin, rate if j else np.zeros(n))
            out.soc[:, j], out.std[:, j] = x[:, 0], np.sqrt(p[:, 0, 0])
        return out

    def _corrected(
        self, x: np.ndarray, p: np.ndarray, volts: np.ndarray, kelvin: np.ndarray, rate: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """States (n, 3) and their covariances (n, 3, 3) after a voltage was read."""
        said, by_soc, by_slow = self.circuit.voltage(x[:, 0], x[:, 1], rate, kelvin)
        h = np.stack([by_soc, by_slow, rate], axis=1)
        ph = np.einsum("nij,nj->ni", p, h)
        gain = ph / (np.einsum("ni,ni->n", h, ph) + self.volts**2)[:, None]
        off = volts - said - x[:, 2] * rate
        x = x + gain * off[:, None]
        x[:, 0] = np.clip(x[:, 0], KNOTS[0], KNOTS[-1])  # where the circuit is known
        return x, p - gain[:, :, None] * ph[:, None, :]


VOLTS_TRIED, DRIFTS_TRIED = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16), (1e-4, 3e-4, 1e-3, 2e-3)


def tuned(circuit: Circuit, histories: np.ndarray, soc: np.ndarray) -> Kalman:
    """The filter whose two noises give the smallest error on histories (n, L, 4) with the true SOC (n, L)."""

    def error(kalman: Kalman) -> float:
        return float(np.nanmean((kalman.follow(histories).soc - soc) ** 2))

    tried = [Kalman(circuit, volts=v, drift=d) for v in VOLTS_TRIED for d in DRIFTS_TRIED]
    return min(tried, key=error)
