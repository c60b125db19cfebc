"""Check that this installation gives the numbers that everybody else gets, and say in words what differs."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import configs
from voltgym.experiments.files import plain, write_text
from voltgym.experiments.list import engines, environments
from voltgym.experiments.making import make_env
from voltgym.experiments.manifest import VERSIONS, versions
from voltgym.experiments.progress import Progress, terminal

USAGE = """usage: voltgym doctor [write=FILE] [quiet=false]

Prints the versions and engines that numbers depend on, plays a short fixed episode of every environment again, and
compares it with what the package was released with. `write=FILE` makes such a file, for a release. The exit status is
1 where an environment gives other numbers."""

DEFAULTS: dict[str, Any] = {"write": None, "quiet": False}
FILE = "golden.json"
STEPS = 8
TOLERANCE = 1e-6
"""Relative, or absolute below one: what numbers may differ by and still be the same."""
MORE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "VoltGym/FastCharge-v0, SPM": ("VoltGym/FastCharge-v0", {"fidelity": "SPM", "observation": "full"}),
    "VoltGym/FastCharge-v0, DFN": ("VoltGym/FastCharge-v0", {"fidelity": "DFN", "observation": "full"}),
    "VoltGym/Cathode-v0, twin": ("VoltGym/Cathode-v0", {"property_model": "twin"}),
    "VoltGym/Solvent-v0, additive": ("VoltGym/Solvent-v0", {"goal": "additive"}),
}
"""Variants that are checked beside every registered environment as it is: a label, an id and its arguments."""


class Trajectory(NamedTuple):
    """A short episode on the nominal scenario with actions that are always the same."""

    reward: list[float]
    slacks: dict[str, float]
    """At the end."""
    observation: list[float]
    """At the end, its first numbers."""


def cases() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """What is played, by label: every registered environment as it is, and ``MORE``."""
    return {name: (name, {}) for name in environments()} | dict(MORE)


def play(env_id: str, kwargs: Mapping[str, Any]) -> Trajectory:
    """Up to ``STEPS`` steps of the nominal episode; actions from a generator that is always the same."""
    env = make_env(env_id, {**kwargs, "split": "nominal"})
    try:
        rng, rewards = np.random.default_rng(0), []
        observation, info = env.reset(options={"episode": 0})
        for _ in range(STEPS):
            observation, reward, terminated, truncated, info = env.step(_action(env, info, rng))
            rewards.append(float(reward))
            if terminated or truncated:
                break
        slacks = {name: float(value) for name, value in info["slacks"].items()}
        return Trajectory(rewards, slacks, [float(x) for x in np.ravel(observation)[:64]])
    finally:
        env.close()


def _action(env: Any, info: Mapping[str, Any], rng: np.random.Generator) -> Any:
    """A gentle action: within the lower half of a Box, or a valid one of a Discrete space."""
    space = env.action_space
    if hasattr(space, "low"):
        return (space.low + 0.5 * rng.random(space.shape) * (space.high - space.low)).astype(space.dtype)
    valid = np.flatnonzero(info["action_mask"]) if "action_mask" in info else np.arange(space.n)
    valid = valid[valid != getattr(env.unwrapped.core.twin.space, "stop", -1)] if len(valid) > 1 else valid
    return int(valid[rng.integers(len(valid))]) + int(space.start)


def differences(kept: Mapping[str, Any], found: Trajectory) -> list[str]:
    """In words, what is not the same; empty where all is."""
    out = []
    if len(kept["reward"]) != len(found.reward):
        out.append(f"it took {len(found.reward)} steps, expected {len(kept['reward'])}")
    for i, (a, b) in enumerate(zip(kept["reward"], found.reward, strict=False), 1):
        if _apart(a, b):
            out.append(f"the reward of step {i} is {b:.9g}, expected {a:.9g}")
            break
    for name in kept["slacks"].keys() ^ found.slacks.keys():
        out.append(f"the slack {name!r} is only in one of them")
    for name, a in kept["slacks"].items():
        b = found.slacks.get(name, a)
        if _apart(a, b):
            out.append(f"the slack {name!r} ends at {b:.9g}, expected {a:.9g}")
    seen = zip(kept["observation"], found.observation, strict=False)
    if len(kept["observation"]) != len(found.observation):
        out.append(f"the observation has {len(found.observation)} numbers, expected {len(kept['observation'])}")
    elif any(_apart(a, b, 10) for a, b in seen):  # it is in single precision
        out.append("the last observation differs")
    return out


def _apart(a: float, b: float, times: float = 1.0) -> bool:
    return not abs(a - b) <= times * TOLERANCE * max(1.0, abs(a))


def released() -> dict[str, Any]:
    """What the package was released with. Raises `VoltGymError` if that is missing or damaged."""
    file = resources.files("voltgym.experiments").joinpath(FILE)
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise VoltGymError(f"{file} is missing or damaged ({error}): install voltgym again") from None


def fingerprint(kept: Mapping[str, Any]) -> str:
    """A short hash of trajectories, to eight digits: what records of one set of numbers share."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return f"{value:.8g}"
        if isinstance(value, Mapping):
            return {name: rounded(v) for name, v in sorted(value.items())}
        return [rounded(v) for v in value] if isinstance(value, list | tuple) else value

    return hashlib.sha256(json.dumps(rounded(kept)).encode()).hexdigest()[:12]


@cache
def golden(env_id: str) -> str | None:
    """The fingerprint of an environment's golden trajectory here: what each of its records carries.

    That of the release, where this installation gives its numbers to within ``TOLERANCE``; None for an environment that
    the release does not have.
    """
    name = env_id.rpartition(":")[2]
    kept = released()["trajectories"].get(name)
    if kept is None or name not in environments():
        return None
    here = play(name, {})
    return fingerprint({name: here._asdict() if differences(kept, here) else kept})


def examine(quiet: bool = False) -> dict[str, Trajectory | str]:
    """Every case played; a text where it cannot be, which says why."""
    found: dict[str, Trajectory | str] = {}
    chosen = cases()
    with Progress(terminal("golden trajectories", quiet)) as bar:
        for done, (label, (env_id, kwargs)) in enumerate(chosen.items(), 1):
            try:
                found[label] = play(env_id, kwargs)
            except VoltGymError as error:
                found[label] = str(error)
            bar.update(done, len(chosen))
    return found


def report(kept: Mapping[str, Any], found: Mapping[str, Trajectory | str]) -> tuple[list[str], bool]:
    """Lines, and whether every environment gives the numbers it was released with."""
    lines, same = [], True
    for label, here in found.items():
        there = kept["trajectories"].get(label)
        if isinstance(here, str):
            said = [f"cannot be played: {here}"]
        elif there is None:
            said = ["is not in the release: nothing to compare it with"]
        else:
            said = differences(there, here)
        same = same and not said
        lines.append(f"  {'ok  ' if not said else 'FAIL'}  {label}" + "".join(f"\n          {text}" for text in said))
    return lines, same


def version_lines(kept: Mapping[str, str | None]) -> list[str]:
    """A line a distribution, and what the release had where it differs."""
    out = []
    for name, here in versions(VERSIONS).items():
        there = kept.get(name)
        note = "" if here == there else f"   (released with {there})"
        out.append(f"  {name.ljust(18)} {here or 'not installed'}{note}")
    return out


def main(argv: Sequence[str]) -> None:
    """Examine, print, and exit with status 1 where numbers differ."""
    settings = configs.merge(DEFAULTS, list(argv))
    found = examine(bool(settings["quiet"]))
    if settings["write"]:
        _write(Path(str(settings["write"])), found)
        return
    kept = released()
    print("versions", *version_lines(kept["versions"]), sep="\n")
    print("engines", *(f"  {name.ljust(18)} {text}" for name, text in engines().items()), sep="\n")
    lines, same = report(kept, found)
    print("golden trajectories", *lines, sep="\n")
    played = {label: here._asdict() for label, here in found.items() if not isinstance(here, str)}
    print(f"fingerprint {fingerprint(played)}, released {fingerprint(kept['trajectories'])}")
    if not same:
        print("Some environments give other numbers here: results are not comparable with those of the release.")
        sys.exit(1)
    print("All environments give the numbers that they were released with.")


def _write(file: Path, found: Mapping[str, Trajectory | str]) -> None:
    for label, here in found.items():
        if isinstance(here, str):
            raise VoltGymError(f"{label} cannot be played: {here}")
    played = {label: here._asdict() for label, here in found.items() if not isinstance(here, str)}
    write_text(file, json.dumps(plain({"versions": versions(VERSIONS), "trajectories": played}), indent=1) + "\n")
    print(file)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("doctor", sys.argv[1:])
