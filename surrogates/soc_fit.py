"""Training of the SOC estimator's networks by torch: every epoch hears other noise on the same true histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.files import read_arrays, write_arrays
from voltgym.surrogates.soc_circuit import COARSE, KNOTS, Circuit
from voltgym.surrogates.soc_network import OUT, SPREADS, TABLE, Gru, inputs
from voltgym.surrogates.state_sensors import COLUMNS, COUNTED, VOLTS, Sensors, histories

Tell = Callable[[int, int, Mapping[str, float]], None]
"""(epochs done, of how many, numbers)."""


class Plan(NamedTuple):
    """How the networks are trained."""

    hidden: int = 32
    members: int = 4
    epochs: int = 40
    batch: int = 64
    rate: float = 4e-3
    seed: int = 0


class Truth(NamedTuple):
    """True histories of n cells, (n, L) each; NaN after the end of one."""

    volts: np.ndarray
    kelvin: np.ndarray
    rate: np.ndarray
    soc: np.ndarray
    nominal: float
    """[A.h]"""

    def some(self, rows: np.ndarray) -> Truth:
        """The cells ``rows``."""
        return Truth(self.volts[rows], self.kelvin[rows], self.rate[rows], self.soc[rows], self.nominal)

    def measured(self, sensors: Sensors, rng: np.random.Generator) -> np.ndarray:
        """(n, L, 4) as sensors see it."""
        return histories(self.volts, self.kelvin, self.rate, self.soc, self.nominal, sensors, rng)


Draw = Callable[[np.random.Generator], np.ndarray]
"""Measured histories (n, L, 4), with other noise each time that it is asked."""


class Rest(NamedTuple):
    """What is known beforehand of cells at rest: see ``Gru``."""

    table: np.ndarray
    drop: np.ndarray

    @classmethod
    def of(cls, circuit: Circuit) -> Rest:
        """As a fitted circuit has it: its open-circuit curve turned around, and what 1C takes at half charge."""
        rising = np.maximum.accumulate(circuit.ocv + 1e-6 * np.arange(len(KNOTS)))
        middle = len(COARSE) // 2
        drop = circuit.series.sum(axis=0)[middle] + circuit.slow.sum(axis=0)[middle]
        return cls(_half(np.interp(TABLE, rising, KNOTS)), _half(np.array(drop)))

    @classmethod
    def line(cls, volts: np.ndarray, soc: np.ndarray) -> Rest:
        """A straight line through (n,) voltages and their SOC."""
        rows = np.column_stack([volts, np.ones_like(volts)])
        return cls(
            _half(np.column_stack([TABLE, np.ones_like(TABLE)]) @ np.linalg.lstsq(rows, soc)[0]), _half(np.array(0.0))
        )


def _half(values: np.ndarray) -> np.ndarray:
    """Rounded to half precision, as they are kept."""
    return np.asarray(values, np.float16).astype(np.float32)


def fit(draw: Draw, soc: np.ndarray, rest: Rest, plan: Plan, tell: Tell, keep: Path | None = None) -> Gru:
    """Train every member by itself, from a start and in an order of its own, on all cells.

    Args:
        draw: the histories; a sample that is not finite is left out.
        soc: (n, L) the truth; NaN where it is not known.
        rest: what the networks are told of cells at rest.
        plan: how.
        tell: is told how far it is.
        keep: a folder for the members that are done, so that a killed training goes on; None keeps nothing.
    """
    parts = []
    for member in range(plan.members):
        file = None if keep is None else keep / f"member-{member}.npz"
        if file is not None and file.exists():
            parts.append(list(read_arrays(file).values()))
            continue

        def said(epoch: int, loss: float, done: int = member * plan.epochs) -> None:
            tell(done + epoch, plan.members * plan.epochs, {"loss": loss})

        parts.append(_member(draw, soc, rest, plan, member, said))
        if file is not None:
            write_arrays(file, {f"{i}": array for i, array in enumerate(parts[-1])})
    return Gru(*[*(np.stack(arrays) for arrays in zip(*parts, strict=True)), rest.table, rest.drop])


def learned(measured: np.ndarray, values: np.ndarray, plan: Plan | None) -> tuple[Gru, dict[str, Any], Plan]:
    """Networks, card and plan of histories (n, L, 4) as they are and (n,) SOC at their end, not calibrated."""
    plan = plan or Plan(hidden=16, members=2, epochs=60, batch=32)
    soc = np.full(measured.shape[:2], np.nan)
    soc[:, -1] = values.reshape(len(soc))
    rest = Rest.line(measured[:, -1, VOLTS], soc[:, -1])
    weights = fit(lambda rng: measured.astype(np.float32), soc, rest, plan, lambda done, total, numbers: None)
    return weights, {**ranges(measured), "factor": 1.0, "base": 0.005}, plan


def ranges(measured: np.ndarray) -> dict[str, Any]:
    """What was learned from: the range of every column, and the longest history."""
    low, high = np.nanmin(measured, axis=(0, 1)), np.nanmax(measured, axis=(0, 1))
    high = np.maximum(high, low + 1e-3 * np.maximum(np.abs(low), 1.0))  # never without width
    pairs = {name: [float(a), float(b)] for name, a, b in zip(COLUMNS, low, high, strict=True)}
    return {"range": pairs, "samples": measured.shape[1]}


def _member(
    draw: Draw, soc: np.ndarray, rest: Rest, plan: Plan, member: int, said: Callable[[int, float], None]
) -> list[np.ndarray]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1000 * plan.seed + member)
    rng = np.random.default_rng([plan.seed, member])
    gru, out = torch.nn.GRU(len(COLUMNS) + 2, plan.hidden, batch_first=True), torch.nn.Linear(plan.hidden, 2)
    parameters = [*gru.parameters(), *out.parameters()]
    adam = torch.optim.Adam(parameters, lr=plan.rate)
    n, steps = len(soc), plan.epochs * -(-len(soc) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, plan.rate, total_steps=steps, pct_start=0.1)
    for epoch in range(plan.epochs):
        measured, total = draw(rng), 0.0
        order = rng.permutation(n)
        for start in range(0, n, plan.batch):
            rows = order[start : start + plan.batch]
            loss = _loss(gru, out, rest, measured[rows], soc[rows], sure=epoch >= 0.15 * plan.epochs)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            adam.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        said(epoch + 1, total / n)
    return _weights(gru, out)


def _loss(gru: Any, out: Any, rest: Rest, measured: np.ndarray, soc: np.ndarray, *, sure: bool) -> Any:
    """Squared error at first, then the likelihood of a normal distribution; over the samples that there are."""
    import torch

    good = torch.as_tensor(np.isfinite(measured).all(axis=-1) & np.isfinite(soc))
    x = torch.as_tensor(inputs(rest.table, rest.drop, np.nan_to_num(measured)))
    off = torch.as_tensor(np.nan_to_num((soc - measured[..., COUNTED]) / OUT), dtype=torch.float32)
    y = out(gru(x)[0])
    squared = (y[..., 0] - off) ** 2
    spread = y[..., 1].clamp(*SPREADS)
    each = spread + 0.5 * squared * torch.exp(-2 * spread) if sure else squared
    return (each * good).sum() / good.sum().clamp(min=1)


def _weights(gru: Any, out: Any) -> list[np.ndarray]:
    """In the order of ``Gru``, rounded to half precision, as they are kept."""
    found = [gru.weight_ih_l0.T, gru.weight_hh_l0.T, gru.bias_ih_l0[None], gru.bias_hh_l0[None], out.weight.T]
    found.append(out.bias[None])
    return [_half(p.detach().numpy()) for p in found]
