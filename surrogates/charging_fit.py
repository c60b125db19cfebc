"""Fitting the learned twin: single steps first, then open loop over ever longer stretches; all members at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.charging_runs import Runs
from voltgym.surrogates.charging_step import BLOCK, HIDDEN, Weights, features, step

FINE = {"z": (0.3, 0.002, 0.002, 6.0, 6.0), "outputs": (0.004, 0.003, 0.004, 0.003, 0.3)}
"""Errors that count as one, of ``HIDDEN`` and ``OUTPUTS``: K, SOC, mol.m-3, V."""


class Plan(NamedTuple):
    """How long to train on what."""

    hidden: tuple[int, ...] = (96, 96)
    members: int = 4
    single: int = 6000
    """Updates on single steps."""
    stretches: tuple[tuple[int, int], ...] = ((5, 1500), (15, 1500), (40, 1000))
    """Lengths of open-loop stretches and updates on them."""
    batch: int = 512
    rate: float = 3e-3
    device: str = "cpu"
    seed: int = 0


class Sampler:
    """Draws stretches of the episodes, for every member others."""

    def __init__(self, data: Runs, plan: Plan, torch: Any) -> None:
        rng = np.random.default_rng(plan.seed)
        self.torch, self.device = torch, plan.device
        self.arrays = [self.tensor(values) for values in data[:6]]
        self.steps = data.steps
        # A bootstrap of episodes for each member: what they disagree on is what the data do not say.
        self.weights = rng.poisson(1.0, (plan.members, len(data.steps)))
        self.rng = rng
        self._pools: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def tensor(self, values: np.ndarray) -> Any:
        """As float32 on the device."""
        return self.torch.tensor(np.asarray(values, np.float32), device=self.device)

    def starts(self, length: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each member, episodes and first steps of all stretches of ``length``."""
        if length not in self._pools:
            room = np.maximum(self.steps - length + 1, 0)
            pools = []
            for weight in self.weights:
                each = np.repeat(np.arange(len(room)), room)
                first = np.arange(len(each)) - np.repeat(np.cumsum(room) - room, room)
                often = np.repeat(np.arange(len(each)), weight[each])
                pools.append((each[often], first[often]))
            self._pools = {length: pools}
        return self._pools[length]

    def draw(self, length: int, batch: int) -> list[Any]:
        """``batch`` stretches a member: z, soc, outputs, rates, past, given; the member and the stretch come first."""
        chosen = [self.rng.integers(0, len(each), batch) for each, _ in self.starts(length)]
        which = np.stack([each[rows] for (each, _), rows in zip(self.starts(length), chosen, strict=True)])
        first = np.stack([begin[rows] for (_, begin), rows in zip(self.starts(length), chosen, strict=True)])
        e = self.torch.tensor(which, device=self.device)[..., None]
        k = self.torch.tensor(first[..., None] + np.arange(length), device=self.device)
        longer = self.torch.tensor(first[..., None] + np.arange(length + 1), device=self.device)
        z, soc, outputs, rates, past, given = self.arrays
        return [z[e, longer], soc[e, longer], outputs[e, k], rates[e, k], past[e, k], given[e[..., 0]]]


def fit(
    data: Runs,
    rest: np.ndarray,
    ampere: float,
    plan: Plan,
    tell: Callable[[str], Any] = print,
    begin_with: Weights | None = None,
) -> Weights:
    """Weights in numpy. ``rest`` is the table of potentials at rest, ``ampere`` the current of 1C [A].

    ``begin_with`` are weights to go on from, with their own scales and table; ``plan`` then only says how long.
    """
    import torch

    torch.manual_seed(plan.seed)
    if begin_with is not None:
        plan = plan._replace(members=len(begin_with.layers[0][0]))
    source = Sampler(data, plan, torch)
    if begin_with is None:
        weights, parameters = _begin(source, rest, ampere, plan, torch)
    else:
        weights, parameters = _again(source, begin_with)
    todo = ((1, plan.single), *plan.stretches)
    total = sum((length + 2) * updates for length, updates in todo)  # what it takes goes with the length
    adam = torch.optim.AdamW(parameters, lr=plan.rate, weight_decay=1e-5)
    begin, done = time.monotonic(), 0
    for length, updates in todo:
        batch = plan.batch if length == 1 else max(32, plan.batch // 4)
        top = plan.rate if length == 1 else plan.rate / 3
        fine = [source.tensor(np.array(FINE[name])) / (10 if length == 1 else 1) for name in ("z", "outputs")]
        loss_mean = 0.0
        for k in range(updates):
            for group in adam.param_groups:
                group["lr"] = top * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * k / updates)))
            loss = _loss(torch, weights, source.draw(length, batch), fine)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            adam.step()
            loss_mean += (float(loss.detach()) - loss_mean) / (k % 500 + 1)
            done += length + 2
            if (k + 1) % 500 == 0 or k + 1 == updates:
                left = (time.monotonic() - begin) * (total - done) / done
                tell(f"stretches of {length}: {k + 1}/{updates} loss {loss_mean:.4f}, {left / 60:.1f} min left")
                loss_mean = 0.0
    return to_numpy(weights)


def _begin(source: Sampler, rest: np.ndarray, ampere: float, plan: Plan, torch: Any) -> tuple[Weights, list[Any]]:
    """Weights as they start: scaled to the data, and all but linear."""
    table = source.tensor(rest)
    z, soc, _, rates, past, given = source.draw(1, 4096)
    x = features(torch, z[:, :, 0], soc[:, :, 0], given, rates[:, :, 0], past[:, :, 0], table)
    flat = x.reshape(-1, x.shape[-1])
    change = torch.cat([(z[:, :, 1] - z[:, :, 0]).reshape(-1, len(HIDDEN)).std(0), source.tensor(np.full(4, 0.05))])
    sizes = [flat.shape[1], *plan.hidden, len(HIDDEN) + 4]
    layers = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        size = (0.1 if i == len(plan.hidden) else 1.0) / a**0.5
        start = torch.randn(plan.members, a, b) * size
        layers.append((start.to(plan.device), torch.zeros(plan.members, 1, b, device=plan.device)))
    parameters = [p.requires_grad_() for pair in layers for p in pair]
    return Weights(layers, flat.mean(0), flat.std(0).clamp(min=1e-3), change, table, ampere), parameters


def _again(source: Sampler, w: Weights) -> tuple[Weights, list[Any]]:
    """Weights that were fitted before, on the device."""
    layers = [(source.tensor(weight), source.tensor(bias)) for weight, bias in w.layers]
    parameters = [p.requires_grad_() for pair in layers for p in pair]
    mean, scale, change, rest = (source.tensor(values) for values in (w.mean, w.scale, w.change, w.rest))
    return Weights(layers, mean, scale, change, rest, w.ampere), parameters


def _loss(torch: Any, w: Weights, stretch: list[Any], fine: list[Any]) -> Any:
    """The mean of how far open-loop stretches are from what the physics did, in units of ``fine``."""
    z, soc, outputs, rates, past, given = stretch
    now, loss, length = z[:, :, 0], 0.0, rates.shape[2]
    for k in range(length):
        at = (soc[:, :, k], soc[:, :, k + 1], given, rates[:, :, k], past[:, :, k])
        now, found = step(torch, w, now, *at)
        for error in ((now - z[:, :, k + 1]) / fine[0], (found - outputs[:, :, k]) / fine[1]):
            loss = loss + ((1 + error**2).sqrt() - 1).mean() / length
    return loss


def to_numpy(w: Weights) -> Weights:
    """The same weights as numpy arrays, rounded as they are kept on the disk."""

    def plain(value: Any) -> np.ndarray:
        return value.detach().cpu().numpy().astype(np.float32)

    layers = [(plain(weight), plain(bias)) for weight, bias in w.layers]
    return Weights(layers, plain(w.mean), plain(w.scale), plain(w.change), plain(w.rest), w.ampere)


def open_loop(w: Weights, data: Runs) -> tuple[np.ndarray, np.ndarray]:
    """What the members say of whole episodes from their starts: (members, E, T, 5) ``HIDDEN`` and ``OUTPUTS``."""
    members, n = len(w.layers[0][0]), len(data.steps)
    pad = -n % BLOCK
    rows = np.concatenate([np.arange(n), np.zeros(pad, dtype=int)])
    data = data.some(rows)
    z = np.repeat(data.z[None, :, 0], members, axis=0)
    soc, given = np.nan_to_num(data.soc).astype(np.float32), data.given.astype(np.float32)
    most = data.rates.shape[1]
    kept = np.zeros((2, members, n, most, 5), np.float32)
    for k in range(most):
        at = (soc[:, k], soc[:, k + 1], given, data.rates[:, k].astype(np.float32), data.past[:, k])
        z, outputs = step(np, w, z, *at)
        kept[0, :, :, k], kept[1, :, :, k] = z[:, :n], outputs[:, :n]
    return kept[0], kept[1]
