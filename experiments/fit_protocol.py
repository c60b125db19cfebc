"""Fit the surrogate of whole charging protocols and write its model card."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import whole_number
from voltgym.experiments import building
from voltgym.experiments.files import write_text
from voltgym.experiments.progress import Progress, terminal

JUDGED = 200
HIGHEST = 3.0
LOWEST = 0.3
"""C-rates of the data: below this a protocol is not over in time, whatever the other stages do."""


def run(
    *, seeds: int, out: Path | None, cell: str, fidelity: str, stages: int, protocols: int, ageing: int, cycles: int
) -> None:
    """Charge by random protocols on the twin, cycle some of them, learn, judge on others that were kept."""
    from voltgym.surrogates.protocol import ProtocolSurrogate, latent, load_shipped

    protocols = whole_number("surrogate.protocols", protocols, least=20, most=5000)
    ageing = whole_number("surrogate.ageing", ageing, least=0, most=protocols)
    stages, cycles = (
        whole_number("surrogate.stages", stages, most=50),
        whole_number("surrogate.cycles", cycles, least=2),
    )
    ours = Path(str(resources.files("voltgym.surrogates")))
    table = ours / "data" / "protocol_ageing.parquet" if out is None else out / "ageing.parquet"
    out = out or ours / "models" / "protocol"
    x = drawn(protocols + JUDGED, stages)
    begin = time.monotonic()
    y = charged(x, latent(stages), cell, fidelity)
    seconds = time.monotonic() - begin
    if ageing:
        rows = [*range(ageing), *range(protocols, protocols + min(JUDGED, ageing // 4))]
        y = np.column_stack([y, lost(x, rows, cycles, table)])
    fitted, judged = slice(0, protocols), slice(protocols, None)
    task = {"cell": cell, "target_soc": 0.8}
    bounds = {"low": np.full(stages, LOWEST), "high": np.full(stages, HIGHEST)}
    model = ProtocolSurrogate.fit(x[fitted], y[fitted], card={"task": task}, **bounds)
    scores = judge(model, x[judged], y[judged])
    about = {
        "task": task, "source": f"{fidelity} of {cell}, nominal scenario, {protocols} protocols",
        "cycles": cycles, "charges took [s]": seconds, "scores": scores,
    }  # fmt: skip
    model.card = about
    model.save(out)
    write_text(out / "MODEL_CARD.md", card(about, model.digest, protocols, ageing))
    load_shipped.cache_clear()
    print((out / "MODEL_CARD.md").read_text(encoding="utf-8"))


def drawn(n: int, stages: int) -> np.ndarray:
    """(n, stages) C-rates all over the range, by a scrambled Sobol sequence; the same for everyone."""
    from scipy.stats import qmc

    unit = qmc.Sobol(stages, scramble=True, rng=np.random.default_rng(0)).random_base2(int(n - 1).bit_length())[:n]
    return np.round(LOWEST + unit * (HIGHEST - LOWEST), 4)


def charged(x: np.ndarray, names: tuple[str, ...], cell: str, fidelity: str) -> np.ndarray:
    """(n, k) what the twin measures of ``x`` (n, stages); NaN where the solver failed or a stage never began."""
    from voltgym.envs.making import make_episodes
    from voltgym.surrogates.base import Failure

    core = make_episodes("VoltGym/ProtocolDesign-v0", 1, split="nominal", cell=cell, fidelity=fidelity,
                         stages=x.shape[1]).resized(len(x))  # fmt: skip
    rows = np.arange(len(x))
    core.reset(rows, [None] * len(x), [0] * len(x))
    before = np.stack([core.measured[name] for name in names], axis=1)
    *_, info = core.step(rows, x.astype(np.float32))
    y = np.stack([core.measured[name] for name in names], axis=1)
    y[~np.isin(info["failure"], (Failure.NONE, Failure.LIMIT))] = np.nan
    return np.where(y == before, np.nan, y)


def lost(x: np.ndarray, rows: list[int], cycles: int, file: Path) -> np.ndarray:
    """(n,) capacity [A.h] lost in cycles of the protocols ``rows``, NaN of the others; kept in ``file`` as it comes."""
    from voltgym.envs.charging.ageing import capacity_loss

    edges = np.linspace(0.1, 0.8, x.shape[1] + 1)
    done = {tuple(row["rates"]): row for row in building.read(file) if row["cycles"] == cycles}
    with Progress(terminal("capacity loss")) as bar:
        for k, i in enumerate(rows):
            key = tuple(x[i].tolist())
            if key not in done:
                loss = capacity_loss(x[i], edges, cycles)
                done[key] = {"rates": list(key), "cycles": cycles, "loss": None if np.isnan(loss) else loss}
                building.write(list(done.values()), file)
            bar.update(k + 1, len(rows))
    out = np.full(len(x), np.nan)
    for i in rows:
        found = done[tuple(x[i].tolist())]["loss"]
        out[i] = np.nan if found is None else found
    return out


def judge(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, dict[str, float]]:
    """Errors and coverage of 90 % intervals on protocols that were not learned from, by name of ``model.names``."""
    from voltgym.surrogates.calibration import coverage
    from voltgym.surrogates.protocol import LOSS, MINUTES, WORST

    found, stages = model.predict(x), model.stages
    truth = {MINUTES: y[:, 0]}
    for j, (name, find) in enumerate(WORST.items()):
        part = y[:, 1 + j * stages : 1 + (j + 1) * stages]
        whole = np.isfinite(part).all(axis=1)
        at = find(np.nan_to_num(part), axis=1)
        truth[name] = np.where(whole, part[np.arange(len(part)), at], np.nan)
    if LOSS in model.names:
        truth[LOSS] = y[:, -1]
    out = {}
    for j, name in enumerate(model.names):
        known = np.isfinite(truth[name])
        error, std = found.mean[known, j] - truth[name][known], found.std[known, j]
        total = float(((truth[name][known] - truth[name][known].mean()) ** 2).sum())
        out[name] = {
            "n": float(known.sum()), "RMSE": float(np.sqrt(np.mean(error**2))),
            "R2": float(1 - (error**2).sum() / total) if total else float("nan"), "coverage": coverage(error, std),
        }  # fmt: skip
    return out


def card(about: Mapping[str, Any], digest: str, protocols: int, ageing: int) -> str:
    """The model card as Markdown."""
    lines = [
        "# Protocol surrogate",
        "",
        f"Weights `{digest}`. Made by `voltgym fit surrogate=protocol` from {about['source']}.",
        "",
        "Gaussian processes of the minutes and of every stage's extremes over the C-rates; an extreme of a stage "
        "depends on the C-rates up to it. This is agreement with the twin, by interpolation, not with experiment. "
        f"C-rates from {LOWEST:g} to {HIGHEST:g}; other scenarios, cells and targets are other surrogates.",
        "",
        f"## Scores on {JUDGED} protocols left out",
        "",
        "Protocols whose solver failed, or that never came to a stage, are known of in part and count where they are.",
        "",
        "| property | protocols | RMSE | R2 | within 90 % |",
        "|---|---|---|---|---|",
    ]
    for name, row in about["scores"].items():
        cells = f"{row['n']:.0f} | {row['RMSE']:.3g} | {row['R2']:.4f} | {row['coverage']:.0%}"
        lines.append(f"| {name} | {cells} |")
    if ageing:
        lines += [
            "",
            f"Capacity loss: in {about['cycles']} cycles of PyBaMM's OKane2022 (SPM), of {ageing} protocols. It does "
            "not rise with the C-rate there and is to be reported, not optimised (`envs/charging/ageing.py`).",
        ]
    return "\n".join(lines) + "\n"
