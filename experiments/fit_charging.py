"""Fit the learned twin of a cell: make its sets, train, calibrate, judge it on what it has not seen, write its card."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from voltgym.envs.errors import VoltGymError, number, shown, whole_number
from voltgym.experiments import charging_card, data
from voltgym.experiments.data_charging import told
from voltgym.experiments.files import write_text
from voltgym.surrogates.charging_runs import Runs, rest_table, runs
from voltgym.surrogates.charging_step import Weights

HELD = 0.1
"""Share of the episodes that is kept from training, to calibrate with."""
USUAL = (10.0, 35.0)
"""[C] ambient temperatures that the targets are for."""
OUTSIDE = {"colder": (-20.0, -10.0), "hotter": (45.0, 55.0)}
"""[C] ambient temperatures that no training had."""


class Material(NamedTuple):
    """What a twin is fitted on and judged by."""

    cell: Any
    fidelity: str
    folders: Mapping[str, Path]
    steps: Mapping[str, np.ndarray]
    episodes: Mapping[str, np.ndarray]
    whole: Runs
    held: np.ndarray
    """(episodes,) bool: kept from training."""

    @property
    def numbers(self) -> dict[str, float]:
        """The stoichiometries of the cell, empty and full."""
        return {name: float(getattr(self.cell, name)) for name in ("x0", "x100", "y0", "y100")}


def run(*, seeds: int, out: Path | None, cell: str, fidelity: str, sets: str, episodes: int, **how: Any) -> None:
    """The learned twin of ``cell``, from trajectories that are made if they are missing."""
    from voltgym.surrogates.charging import shipped
    from voltgym.surrogates.charging_fit import fit

    if seeds != 1:
        raise VoltGymError(f"seeds is {seeds}; the learned twin is judged on sets of its own, so leave seeds=1")
    if out is None and (cell, fidelity) != ("LGM50", "SPMe"):
        raise VoltGymError(f"the shipped twin is of LGM50 and SPMe, not of {cell} and {fidelity}; add out=FOLDER")
    plan, begin = plan_of(how), time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {text}", flush=True)

    size = whole_number("surrogate.episodes", episodes, least=50)
    found = material(Path(sets), cell, fidelity, size, plan.seed)
    tell(f"{found.whole.steps.sum()} steps of {len(found.held)} episodes, {found.held.sum()} of them held out")
    learned = found.whole.some(~found.held & (found.whole.steps > 0))
    weights = fit(learned, rest_table(found.steps), found.cell.nominal_capacity, plan, tell)
    tell("judging")
    target = out or shipped()
    finish(weights, found, plan._asdict() | {"minutes": round((time.monotonic() - begin) / 60, 1)}, target)
    tell(f"written to {target}")
    print((target / "MODEL_CARD.md").read_text(encoding="utf-8"))


def material(sets: Path, cell: str, fidelity: str, episodes: int, seed: int) -> Material:
    """The sets, made where they are missing, and which episodes are held out."""
    from voltgym.envs.charging.cells import load_cell

    about = load_cell(cell)
    folders = _sets(sets, cell, fidelity, episodes)
    steps, rows = columns(folders["train"], "steps"), columns(folders["train"], "episodes")
    held = np.random.default_rng([seed, 1]).uniform(size=len(rows["episode"])) < HELD
    whole = Material(about, fidelity, folders, steps, rows, None, held)  # type: ignore[arg-type]
    return whole._replace(whole=runs(steps, rows, whole.numbers))


def finish(weights: Weights, found: Material, plan: Mapping[str, Any], out: Path) -> None:
    """Calibrate, judge, and write the twin with its card."""
    from voltgym.surrogates.charging import LearnedTwin
    from voltgym.surrogates.charging_measured import SPREAD
    from voltgym.surrogates.charging_scores import calibrated, depleted, residuals

    ranges = ranges_of(told(found.folders["train"])["config"], found.whole)
    held = residuals(weights, found.whole.some(found.held), ranges)
    regions = _regions({name: values[found.held] for name, values in found.episodes.items()})
    factor, base = calibrated(held.of(regions["10 to 35 C, new"][held.episode]))
    card = {
        "cell": cell_of(found) | {"depleted": depleted(weights, found.whole.some(found.held))},
        "range": ranges,
        "factor": dict(zip(SPREAD, factor.tolist(), strict=True)),
        "base": dict(zip(SPREAD, base.tolist(), strict=True)),
        "fitted on": _provenance(found.folders["train"]),
        "judged on": _provenance(found.folders["test"]),
        "plan": plan,
    }
    twin = LearnedTwin(weights, card)
    judged = {}
    for name, folder in found.folders.items():
        if name != "train":
            rows = columns(folder, "episodes")
            judged[name] = runs(columns(folder, "steps"), rows, found.numbers), rows
    card["scores"] = charging_card.scores(weights, factor, base, ranges, held, regions, judged)
    card["failures"] = charging_card.failures(twin, *judged["test"])
    card["speed"] = charging_card.speed(twin, found.cell.key, found.fidelity)
    twin.save(out)
    write_text(out / "MODEL_CARD.md", charging_card.card(card, twin.digest))


def cell_of(found: Material) -> dict[str, Any]:
    """What the twin must know of the cell."""
    cell = found.cell
    return found.numbers | {
        "name": cell.name,
        "digest": cell.digest,
        "fidelity": found.fidelity,
        "capacity": cell.capacity,
        "nominal capacity": cell.nominal_capacity,
        "electrolyte": float(found.whole.z[0, 0, 3]),
        "upper voltage": cell.upper_voltage,
        "lower voltage": cell.lower_voltage,
    }


def plan_of(how: Mapping[str, Any], where: str = "surrogate") -> Any:
    """The training that the config ``where`` describes, or an error that says what is wrong with it."""
    from voltgym.surrogates.charging_fit import Plan

    if missing := [name for name in Plan._fields if name not in how]:
        raise VoltGymError(f"{where} has no {missing[0]}; expected all of {', '.join(Plan._fields)}")

    def sizes(name: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise VoltGymError(f"{where}.{name} is {shown(value)}; expected whole numbers, such as [64, 64]")
        return tuple(whole_number(f"{where}.{name}", size) for size in value)

    def pair_of(found: tuple[int, ...]) -> tuple[int, int]:
        if len(found) != 2:
            raise VoltGymError(f"{where}.stretches has {list(found)}; expected [steps, updates], such as [5, 1500]")
        return found[0], found[1]

    return Plan(
        hidden=sizes("hidden", how["hidden"]),
        members=whole_number(f"{where}.members", how["members"], least=2, most=100),
        single=whole_number(f"{where}.single", how["single"]),
        stretches=tuple(pair_of(sizes("stretches", pair)) for pair in how["stretches"]),
        batch=whole_number(f"{where}.batch", how["batch"], least=8),
        rate=number(f"{where}.rate", how["rate"], "a learning rate such as 0.003", 1e-8, 1.0),
        device=str(how["device"]),
        seed=whole_number(f"{where}.seed", how["seed"], least=0),
    )


def _sets(root: Path, cell: str, fidelity: str, episodes: int) -> dict[str, Path]:
    """Folders of the sets by name, made where they are missing (a set that is whole takes no time)."""
    tag = "" if (cell, fidelity) == ("LGM50", "SPMe") else f"_{Path(cell).stem}_{fidelity}"
    of = [f"data.cell={cell}", f"data.fidelity={fidelity}"]
    size = [] if episodes == 12000 else [f"data.episodes={episodes}"]
    wanted = {"train": ("charging", tag + (f"_{episodes}" if size else ""), size), "test": ("charging_test", tag, [])}
    for name, (low, high) in OUTSIDE.items():
        wanted[name] = ("charging_test", f"_{name}{tag}", [f"data.ambient_c=[{low},{high}]", "data.episodes=200"])
    folders = {}
    for name, (kind, suffix, more) in wanted.items():
        folders[name] = root / f"{kind}{suffix}"
        data.main([f"data={kind}", f"data.name={kind}{suffix}", f"out={folders[name]}", *of, *more])
    return folders


def columns(folder: Path, kind: str) -> dict[str, np.ndarray]:
    """The columns of all parts of a set."""
    table = pq.ParquetDataset([str(file) for file in sorted((folder / kind).glob("part-*.parquet"))]).read()
    return {name: table[name].to_numpy() for name in table.column_names}


def _regions(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(episodes,) bool by the name of a region of the trained range."""
    ambient, aged = rows["Ambient temperature [K]"] - 273.15, rows["aged"].astype(bool)
    usual = (ambient >= USUAL[0]) & (ambient <= USUAL[1])
    return {
        "10 to 35 C, new": usual & ~aged,
        "10 to 35 C, aged": usual & aged,
        "-10 to 10 C": ambient < USUAL[0],
        "35 to 45 C": ambient > USUAL[1],
    }


def ranges_of(config: Mapping[str, Any], whole: Runs) -> dict[str, list[float]]:
    """What was learned from, by name: the ranges of the config, and of the SOC and temperatures that came of them."""
    pairs: dict[str, Sequence[float]] = {"Ambient temperature [K]": [273.15 + c for c in config["ambient_c"]]}
    for name in config["spread"]:
        both = [*config["spread"][name], *(config["aged_spread"][name] if config["aged"] > 0 else [])]
        pairs[name] = [min(both), max(both)]
    pairs["C-rate"] = [0.0, config["max_c_rate"]]
    pairs["SOC"] = [float(np.nanmin(whole.soc)), float(np.nanmax(whole.soc))]
    pairs["Temperature [K]"] = [float(np.nanmin(whole.z[..., 0])), float(np.nanmax(whole.z[..., 0]))]
    return {name: [float(x) for x in pair] for name, pair in pairs.items()}


def _provenance(folder: Path) -> dict[str, Any]:
    """What of a set's manifest belongs on a card."""
    about = told(folder)
    return {name: about[name] for name in ("config_hash", "rows", "broken", "fingerprint")}
