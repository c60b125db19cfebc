"""What data can say of parameters: sensitivities, Fisher information, intervals, and which parameters look alike.

With a residual's standard deviation s and the sensitivities J of n readings, the Fisher matrix is J'J / s^2, and no
unbiased estimate has a smaller covariance than its inverse (C. R. Rao, Bull. Calcutta Math. Soc. 37 (1945) 81-91;
H. Cramer, Mathematical Methods of Statistics, 1946). Errors are taken to be independent from row to row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALIKE = 0.95
"""Above this cosine between two parameters' sensitivities, the other imitates all but a third of what one does to the
data (sqrt(1 - 0.95^2) = 0.31), and an error of the model that large would pass for the difference."""
CONDITION = 1000.0
"""Of the scaled Fisher matrix: beyond it some combination changes the data 30 times less than each parameter."""
VAGUE = 0.5
"""The widest 95 % half interval, relative."""
Z95 = 1.959964

_CONTACT, _ELECTROLYTE, _EXCHANGE = "contact-resistance", "electrolyte-conductivity", "-exchange"
ADVICE: Mapping[frozenset[str], str] = {
    frozenset((_CONTACT, _ELECTROLYTE)): "both are a voltage in proportion to the current: measure the electrolyte's "
    "conductivity, or take an impedance spectrum",
    frozenset(
        (_CONTACT, "positive-exchange")
    ): "a fast reaction is a resistance: take an impedance spectrum, or pulses "
    "in the cold and at several states of charge",
    frozenset(
        (_CONTACT, "negative-exchange")
    ): "a fast reaction is a resistance: take an impedance spectrum, or pulses "
    "in the cold and at several states of charge",
}
OTHERWISE = "other excitation (pulses, rests of hours, the whole range of charge, other temperatures)"


@dataclass(frozen=True)
class Information:
    """What the data say of the parameters."""

    names: tuple[str, ...]
    half: np.ndarray
    """(k,) half widths of the 95 % intervals, of values that are 1 each (relative)."""
    alike: np.ndarray
    """(k, k) cosines between sensitivities, the start voltage taken out."""
    correlation: np.ndarray
    """(k, k) between the errors of the estimates."""
    condition: float
    """Of the Fisher matrix, all that is fitted beside taken out, scaled to ones on its diagonal."""

    def closest(self) -> tuple[float, str, str]:
        """The two parameters that look most alike, and their cosine; none if there is but one."""
        if len(self.names) < 2:
            return 0.0, self.names[0], self.names[0]
        size = np.abs(self.alike - np.diag(np.diag(self.alike)))
        i, j = np.unravel_index(int(size.argmax()), size.shape)
        return float(size[i, j]), self.names[min(i, j)], self.names[max(i, j)]


def information(names: Sequence[str], sensitivities: np.ndarray, beside: np.ndarray) -> Information:
    """What data say.

    Args:
        names: k parameters.
        sensitivities: (n, k), to relative changes, over the residuals' deviation.
        beside: (n, m) the same of what is fitted beside; the last is the start voltage.
    """
    alike, _ = _cosines(_without(sensitivities, beside[:, -1:]))
    scaled, size = _cosines(_without(sensitivities, beside))
    values, vectors = np.linalg.eigh(scaled)
    floor = max(float(values.max()), 1e-12) * 1e-13
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    deviation = np.sqrt(np.diag(inverse))
    with np.errstate(divide="ignore"):
        half = Z95 * deviation / size
    condition = float(values.max() / max(float(values.min()), floor))
    return Information(tuple(names), half, alike, inverse / np.outer(deviation, deviation), condition)


def _without(columns: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What of ``columns`` the ``others`` cannot imitate."""
    basis, _ = np.linalg.qr(others)
    left: np.ndarray = columns - basis @ (basis.T @ columns)
    return left


def _cosines(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, k) between columns, and (k,) their lengths."""
    size = np.linalg.norm(columns, axis=0)
    unit = columns / np.where(size > 0, size, 1.0)
    return unit.T @ unit, size


def refusals(info: Information) -> list[str]:
    """Why these parameters cannot be fitted together to these data; nothing if they can."""
    out = []
    k = len(info.names)
    for i in range(k):
        for j in range(i + 1, k):
            if abs(info.alike[i, j]) > ALIKE:
                out.append(_pair(info.names[i], info.names[j], float(info.alike[i, j])))
    if not out and info.condition > CONDITION:
        _, a, b = info.closest()
        out.append(
            f"the condition number of the scaled Fisher matrix is {info.condition:.3g}, above {CONDITION:g}; "
            f"the most alike are {a} and {b}: fit fewer parameters, or get {OTHERWISE}"
        )
    if not out:
        out += [
            f"{name} can be off by {100 * half:.0f} % and the data would look the same (the limit is "
            f"{100 * VAGUE:.0f} %): leave it out, or get {OTHERWISE}"
            for name, half in zip(info.names, info.half, strict=True)
            if not half <= VAGUE
        ]
    return out


def _pair(a: str, b: str, cosine: float) -> str:
    advice = ADVICE.get(frozenset((a, b)), OTHERWISE)
    return (
        f"{a} and {b} cannot be told apart: their effects on these data are {abs(cosine):.4f} alike (the limit is "
        f"{ALIKE}). To tell them apart: {advice}. Or fix one to a measured value and fit the other"
    )
