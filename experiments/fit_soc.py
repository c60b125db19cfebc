"""Fit the SOC estimator: make its sets, train, calibrate, judge it beside coulomb counting and a Kalman filter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.experiments import data, data_parts, manifest, soc_card
from voltgym.experiments.data_charging import told
from voltgym.experiments.data_profiles import HELD_OUT
from voltgym.experiments.files import write_text
from voltgym.experiments.progress import Progress, terminal
from voltgym.surrogates.calibration import combined, conformal_factor
from voltgym.surrogates.soc import SocEstimator
from voltgym.surrogates.soc_baselines import Kalman, counting, tuned
from voltgym.surrogates.soc_circuit import Circuit
from voltgym.surrogates.soc_fit import Plan, Truth, ranges
from voltgym.surrogates.state_sensors import Sensors

HELD = 0.1
"""Share of the cells that is kept from training, to calibrate with."""
BASE = 0.003
"""A standard deviation never falls below this SOC, before it is calibrated."""
METHOD = 2
"""Counts up when the networks or their training change: members of before are not taken."""
OUTSIDE: dict[str, tuple[str, str, list[str]]] = {
    "aged": ("profiles_aged", "", []),
    "colder": ("profiles_test", "_colder", ["data.ambient_c=[-15.0,-5.0]"]),
    "by SPM": ("profiles_test", "_spm", ["data.fidelity=SPM"]),
    "by DFN": ("profiles_test", "_dfn", ["data.fidelity=DFN", "data.cells=40", "data.part=10"]),
}
"""Sets of what no training had: a config of `voltgym data`, what is added to its name, and overrides."""


class Judged(NamedTuple):
    """Cells to judge by."""

    truth: Truth
    kind: np.ndarray


def run(*, seeds: int, out: Path | None, cell: str, fidelity: str, sets: str, cells: int, **how: Any) -> None:
    """The SOC estimator of ``cell``, from profiles that are made if they are missing."""
    from voltgym.envs.charging.cells import load_cell
    from voltgym.surrogates import soc, soc_fit

    if seeds != 1:
        raise VoltGymError(f"seeds is {seeds}; the SOC estimator is judged on sets of its own, so leave seeds=1")
    if out is None and (cell, fidelity) != ("LGM50", "SPMe"):
        raise VoltGymError(f"the shipped estimator is of LGM50 and SPMe, not of {cell} and {fidelity}; add out=FOLDER")
    plan, sensors = _plan(how)
    folders = _sets(Path(sets), cell, fidelity, whole_number("surrogate.cells", cells, least=50))
    train = judged(folders["train"]).truth
    held = np.random.default_rng([plan.seed, 1]).uniform(size=len(train.soc)) < HELD
    learned = train.some(~held)
    told_ = told(folders["train"])["config_hash"]
    circuit = Circuit.fit(learned.volts, learned.kelvin, learned.rate, learned.soc)
    rest, same = soc_fit.Rest.of(circuit), {**plan._asdict(), **sensors._asdict(), "set": told_, "method": METHOD}
    keep = Path(sets) / f"fit-soc-{manifest.config_hash(same)[:12]}"
    with Progress(terminal("fit soc")) as bar:
        weights = soc_fit.fit(
            lambda rng: learned.measured(sensors, rng),
            learned.soc,
            rest,
            plan,
            lambda a, b, n: bar.update(a, b, **n),
            keep,
        )
    found = _calibrated(SocEstimator(weights, ranges(learned.measured(sensors, rng_of(2)))), train.some(held), sensors)
    kalman = _filter(circuit, learned, sensors)
    sets_ = {name: judged(folder) for name, folder in folders.items() if name != "train"}
    about: dict[str, Any] = {
        "scores": scores(found, kalman, sets_, sensors),
        "plan": plan._asdict(),
        "sensors": sensors._asdict(),
    }
    about |= {"cell": cell, "fidelity": fidelity, "digest of the cell": load_cell(cell).digest}
    about |= {"kalman": kalman.told()}
    about |= {"sets": {name: told(folder)["rows"] for name, folder in folders.items()}, "set": told_}
    found.card |= about
    target = out or soc.shipped()
    found.save(target)
    write_text(target / "MODEL_CARD.md", soc_card.card(found.card, found.digest))
    soc.load_shipped.cache_clear()
    print((target / "MODEL_CARD.md").read_text(encoding="utf-8"))


def rng_of(part: int) -> np.random.Generator:
    """The noise of what is judged: the same in every fit."""
    return np.random.default_rng([2024, part])


def judged(folder: Path) -> Judged:
    """The cells of a set."""
    from voltgym.envs.charging.cells import load_cell

    found = data_parts.table(folder, "cells")
    columns = [np.array(found[n].to_pylist(), float) for n in ("Voltage [V]", "Temperature [K]", "C-rate", "SOC")]
    nominal = load_cell(told(folder)["config"]["cell"]).nominal_capacity
    return Judged(Truth(columns[0], columns[1], columns[2], columns[3], nominal), np.array(found["kind"].to_pylist()))


def follow(model: SocEstimator, histories: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, L) estimates, standard deviations and domains after every sample; NaN from where a history ends."""
    now, out = model.begin(len(histories)), []
    for j in range(histories.shape[1]):
        now, found = model.follow(now, histories[:, j])
        out.append(found)
    return tuple(np.stack([getattr(e, name) for e in out], axis=1) for name in ("soc", "std", "domain"))  # type: ignore[return-value]


def _calibrated(model: SocEstimator, held: Truth, sensors: Sensors) -> SocEstimator:
    """The estimator with a factor that makes its 90 % intervals cover the cells that were held out."""
    model.card |= {"factor": 1.0, "base": BASE}
    mean, std, _ = follow(model, held.measured(sensors, rng_of(3)))
    good = np.isfinite(mean) & np.isfinite(held.soc)
    model.card["factor"] = conformal_factor((mean - held.soc)[good], combined(std[good], 0.0))
    return model


def _filter(circuit: Circuit, learned: Truth, sensors: Sensors) -> Kalman:
    """The Kalman filter on a circuit that was fitted to the same cells, its noises tuned on three hundred of them."""
    some = learned.some(np.arange(min(300, len(learned.soc))))
    return tuned(circuit, some.measured(sensors, rng_of(4)), some.soc)


def scores(
    model: SocEstimator, kalman: Kalman, sets: Mapping[str, Judged], sensors: Sensors
) -> dict[str, dict[str, Any]]:
    """By what is judged on, by who estimates: see ``soc_card.score``."""
    out: dict[str, dict[str, Any]] = {}
    for name, (truth, kind) in sets.items():
        measured = truth.measured(sensors, rng_of(5))
        mean, std, domain = follow(model, measured)
        whole: dict[str, tuple[np.ndarray, np.ndarray]] = {
            "learned": (mean, std),
            "counting": counting(measured, sensors.start),
        }
        whole["Kalman filter"] = kalman.follow(measured)
        groups = {name: np.ones(len(kind), dtype=bool)}
        if name == "test":
            new = np.isin(kind, HELD_OUT)
            groups |= {"new cells, known kinds": ~new, "new cells, new kinds": new}
            groups |= {f"kind {k}": kind == k for k in sorted(set(kind.tolist()))}
        for label, rows in groups.items():
            true = truth.soc[rows]
            out[label] = {who: soc_card.score(a[rows], b[rows], true) for who, (a, b) in whole.items()}
            out[label]["cells"] = int(rows.sum())
            out[label]["inside"] = float(np.nanmean(domain[rows][np.isfinite(mean[rows])] >= 0))
    return out


def _plan(how: Mapping[str, Any]) -> tuple[Plan, Sensors]:
    """The training and the sensors of the config, or an error that says what is wrong with it."""
    plan = Plan(
        hidden=whole_number("surrogate.hidden", how["hidden"], most=512),
        members=whole_number("surrogate.members", how["members"], most=100),
        epochs=whole_number("surrogate.epochs", how["epochs"]),
        batch=whole_number("surrogate.batch", how["batch"], least=2),
        rate=number("surrogate.rate", how["rate"], "a learning rate such as 0.004", 1e-8, 1.0),
        seed=whole_number("surrogate.seed", how["seed"], least=0),
    )
    sensors = Sensors(
        number("surrogate.noise_mv", how["noise_mv"], "millivolts such as 2", 0.0, 1000.0) / 1000,
        number("surrogate.offset_ma", how["offset_ma"], "milliamperes such as 20", 0.0, 1e5) / 1000,
        number("surrogate.start_soc", how["start_soc"], "a share such as 0.1", 0.0, 1.0),
    )
    return plan, sensors


def _sets(root: Path, cell: str, fidelity: str, cells: int) -> dict[str, Path]:
    """Folders of the sets by name, made where they are missing (a set that is whole takes no time)."""
    tag = "" if (cell, fidelity) == ("LGM50", "SPMe") else f"_{Path(cell).stem}_{fidelity}"
    size = [] if cells == 3000 else [f"data.cells={cells}"]
    wanted = {"train": ("profiles", tag + (f"_{cells}" if size else ""), [*size, "seed=0"])}
    wanted |= {"test": ("profiles_test", tag, ["seed=1"])}
    wanted |= {name: (kind, f"{add}{tag}", [*more, "seed=2"]) for name, (kind, add, more) in OUTSIDE.items()}
    folders = {}
    for name, (kind, suffix, more) in wanted.items():
        folders[name] = root / f"{kind}{suffix}"
        given = [f"data={kind}", f"data.name={kind}{suffix}", f"data.cell={cell}", f"out={folders[name]}"]
        physics = [] if any(text.startswith("data.fidelity") for text in more) else [f"data.fidelity={fidelity}"]
        data.main([*given, *physics, *more])
    return folders
