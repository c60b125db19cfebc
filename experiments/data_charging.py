"""A set of charging trajectories in a folder: made in parts that are whole or not there, by as many as like to help."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from voltgym.envs.errors import UnknownName, VoltGymError, number, shown, whole_number
from voltgym.experiments import manifest
from voltgym.experiments.building import Row, computed
from voltgym.experiments.data_protocols import KINDS
from voltgym.experiments.data_schema import EVENTS, NOTHING, VERSION, episode_columns, schema, step_columns, table
from voltgym.experiments.files import write_json
from voltgym.experiments.progress import Progress, terminal

MANIFEST = "manifest.json"
RANGES = {"ambient_c": (-60.0, 100.0), "initial_soc": (0.0, 1.0)}
"""What the ranges of a config may be within."""


def run(*, seed: int, workers: int, out: Path, command: str, **config: Any) -> dict[str, Any]:
    """Make the missing parts of the set of ``config`` in ``out``; returns its manifest.

    Raises:
        VoltGymError: the config is wrong, or the folder holds another set.
    """
    config = checked(config)
    about = begun(out, {"seed": seed, **config}, command)
    parts = -(-config["episodes"] // config["part"])
    missing = [k for k in range(parts) if not file(out, "episodes", k).exists()]
    todo = [(str(out), k, seed, config, about["config_hash"]) for k in missing]
    done = parts - len(missing)
    with Progress(terminal(f"data {config['name']}")) as bar:
        bar.update(done, parts)
        begin, rows = time.monotonic(), 0
        for found in computed(part, todo, workers, float("inf")) if workers > 1 else (part(*item) for item in todo):
            done, rows = done + 1, rows + found["rows"]
            speed = {"steps/s": rows / max(time.monotonic() - begin, 1e-9)} if rows else {}
            bar.update(done, parts, **speed)
    return finished(out, parts)


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config, or an error in one line that says what is wrong with it."""
    out = dict(config)
    for name, least, most in (("episodes", 1, 10**7), ("part", 1, 10**5), ("steps", 1, 10**4), ("draws", 1, 100)):
        out[name] = whole_number(f"data.{name}", config[name], least, most)
    out["max_c_rate"] = number("data.max_c_rate", config["max_c_rate"], "a C-rate such as 3.0", 1e-3, 100.0)
    out["stop_soc"] = number("data.stop_soc", config["stop_soc"], "a fraction such as 0.98", 1e-3, 1.0)
    out["aged"] = number("data.aged", config["aged"], "a share from 0 to 1", 0.0, 1.0)
    for name, bounds in RANGES.items():
        out[name] = _range(f"data.{name}", config[name], *bounds)
    for name, known in (("balance", (NOTHING, *EVENTS)), ("protocols", tuple(KINDS))):
        out[name] = _shares(f"data.{name}", config[name], known)
    for group in ("spread", "aged_spread"):
        out[group] = {n: _range(f"data.{group}.{n}", pair, 0.0, 10.0) for n, pair in config[group].items()}
    return out


def _range(name: str, pair: Any, low: float, high: float) -> list[float]:
    good = isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(x, int | float) for x in pair)
    if not good or not low <= pair[0] <= pair[1] <= high:
        raise VoltGymError(f"{name} is {shown(pair)}; expected [low, high] with {low:g} <= low <= high <= {high:g}")
    return [float(x) for x in pair]


def _shares(name: str, shares: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, float]:
    for key in shares:
        if key not in known:
            raise UnknownName(f"entry of {name}", key, known)
    out = {key: number(f"{name}.{key}", share, "a share >= 0", 0.0, 1e9) for key, share in shares.items()}
    if not sum(out.values()) > 0:
        raise VoltGymError(f"{name} has no share above 0; give some of {', '.join(known)} one, such as 0.5")
    return out


def begun(out: Path, config: Mapping[str, Any], command: str) -> dict[str, Any]:
    """The manifest of the set in ``out``, written if there is none yet."""
    if (out / MANIFEST).exists():
        about = told(out)
        if about.get("config_hash") != manifest.config_hash(config):
            raise VoltGymError(
                f"{out} holds a set of another config or seed (see its {MANIFEST}); choose another out=, or delete it"
            )
        return about
    twin = twin_of(config["cell"], config["fidelity"])
    about = {"schema": VERSION, "command": command, "config_hash": manifest.config_hash(config), "config": config}
    about |= {"git": manifest.git_state(), "versions": manifest.versions(manifest.PHYSICS)}
    about |= {"fingerprint": manifest.fingerprint(twin), "started": manifest.now(), "parts": 0}
    write_json(out / MANIFEST, about)
    return about


def told(out: Path) -> dict[str, Any]:
    """The manifest of a set. Raises `VoltGymError` if there is none, or none that can be read."""
    try:
        return dict(json.loads((out / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise VoltGymError(
            f"{out / MANIFEST} cannot be read ({error}); make the set with `voltgym data out={out}`"
        ) from None


@cache
def twin_of(cell: str, fidelity: str) -> Any:
    """The physics, once a process."""
    from voltgym.envs.charging.twins import make_twin

    return make_twin(cell=cell, fidelity=fidelity)


def file(out: Path, kind: str, k: int) -> Path:
    """Where part ``k`` of the steps or the episodes is."""
    return out / kind / f"part-{k:05d}.parquet"


def part(out: str, k: int, seed: int, config: Mapping[str, Any], digest: str) -> Row:
    """Make part ``k``, unless it is there or somebody is at it; how many rows were made."""
    from voltgym.experiments.data_episodes import make

    folder = Path(out)
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(folder / "locks" / f"{k:05d}.lock"), timeout=0):
            if file(folder, "episodes", k).exists():
                return {"rows": 0}
            first = k * config["part"]
            numbers = np.arange(first, min(first + config["part"], config["episodes"]))
            twin = twin_of(config["cell"], config["fidelity"])
            steps, episodes = make(twin, config, seed, numbers)
            about = {"config_hash": digest, "seed": seed, "part": k, "fingerprint": manifest.fingerprint(twin)}
            write(table(steps, schema(step_columns(), about)), file(folder, "steps", k))
            write(table(episodes, schema(episode_columns(), about)), file(folder, "episodes", k))  # last: it is done
            return {"rows": len(steps["step"])}
    except Timeout:
        return {"rows": 0}


def write(found: Any, path: Path) -> None:
    """A table as parquet, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.part")
    pq.write_table(found, half, compression="zstd")
    half.replace(path)


def finished(out: Path, parts: int) -> dict[str, Any]:
    """The manifest with what is in the set now: rows, shares, what came of the balance."""
    there = [k for k in range(parts) if file(out, "episodes", k).exists()]
    about = told(out) | {"parts": len(there), "finished": manifest.now()}
    episodes = pq.ParquetDataset([str(file(out, "episodes", k)) for k in there]).read().to_pydict() if there else {}
    aims, n = np.array(episodes.get("aim", []), dtype=str), len(episodes.get("aim", []))
    hit = np.array(episodes.get("shown", []), dtype=bool)
    about["rows"] = {"episodes": n, "steps": int(np.sum(episodes.get("steps", [0])))}
    about["aims"] = {
        str(a): {"episodes": int((aims == a).sum()), "shown": int(hit[aims == a].sum())} for a in set(aims)
    }
    about["broken"] = {e: int(np.sum(np.array(episodes.get(f"{e} steps", [0])) > 0)) for e in EVENTS}
    ends = episodes.get("end", [])
    about["ends"] = {end: ends.count(end) for end in sorted(set(ends))}
    write_json(out / MANIFEST, about)
    left = "" if len(there) == parts else f"; {parts - len(there)} parts are still made by another process"
    print(f"{about['rows']['steps']} steps of {n} episodes in {out}{left}")
    for name, found in sorted(about["aims"].items()):
        print(f"  to show {name.replace('_', ' ')}: {found['episodes']} episodes, {found['shown']} do")
    return about
