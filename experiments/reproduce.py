"""Make a run again from its manifest, and say whether it is the same: policy curve and evaluation, bit for bit."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import manifest, progress
from voltgym.experiments.arguments import is_place
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.manifest import config_hash
from voltgym.experiments.records import Record, key, read_json_lines, read_records
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym reproduce RUN [out=FOLDER] [only=evaluation]

Trains again with the config and the seed in RUN/manifest.json, in FOLDER (RUN-again), evaluates, and compares every
record and the curve with RUN's. only=evaluation plays the kept policy again instead, and trains nothing. Says what
differs between then and now: versions, commit, data, engine. Exit status 1 if a result differs."""

THINNED = "learning.jsonl"
CURVES = ("curve.jsonl", THINNED)
TIMES = ("seconds", "left")
"""What of a curve depends on how fast a machine is."""
CLOCKED = ("solver_ms",)
"""What of a ledger does."""


def surroundings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words, what is another than it was: versions, Python, commit, changes, data, engine."""
    out = []
    for part in ("versions", "data", "fingerprint", "machine"):
        old, new = _mapping(then.get(part)), _mapping(now.get(part))
        for name in dict.fromkeys([*old, *new]):
            if name in old and old[name] != new.get(name):
                out.append(f"{part}: {name} was {old[name]}, is {new.get(name)}")
    if then.get("python") != now.get("python"):
        out.append(f"Python was {then.get('python')}, is {now.get('python')}")
    was, is_now = _mapping(then.get("git")), _mapping(now.get("git"))
    if was.get("commit") != is_now.get("commit"):
        out.append(f"commit was {was.get('commit')}, is {is_now.get('commit')}")
    out += [f"{when} the checkout had changes" for when, git in (("then", was), ("now", is_now)) if git.get("dirty")]
    return out


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def record_differences(old: Sequence[Record], new: Sequence[Record]) -> list[str]:
    """In words, episode by episode, what is not equal to the last bit. Times are left out."""
    again = {_place(record): record for record in new}
    out = []
    for record in old:
        other = again.get(_place(record))
        where = f"{record['split']} episode {record['episode']}"
        if other is None:
            out.append(f"{where}: not there any more")
            continue
        out += [f"{where}: {name} was {short(a)}, is {short(b)}" for name, a, b in _unequal(record, other)]
    return out


def _place(record: Record) -> str:
    return config_hash([*key(record), record["env_kwargs"]])


def _unequal(old: Record, new: Record) -> list[tuple[str, Any, Any]]:
    out = []
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if name == "ledger":
            a, b = ({k: v for k, v in (part or {}).items() if not k.endswith(CLOCKED)} for part in (a, b))
        if a != b:
            out.append((name, a, b))
    return out


def short(value: Any, most: int = 60) -> str:
    """A value as a text that fits into a line."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def curve_differences(old: Path, new: Path) -> list[str]:
    """The first line in which each curve of two run folders differs; times are left out.

    Of ``learning.jsonl``, which the clock thins, what both have is compared.
    """
    out = []
    for name in CURVES:
        if not (old / name).exists():
            continue
        if not (new / name).exists():
            out.append(f"{name}: not there any more")
            continue
        a, b = ([_timeless(line) for line in read_json_lines(folder / name, quiet=True)] for folder in (old, new))
        if name == THINNED:
            both = {line["steps"]: line for line in a}.keys() & {line["steps"]: line for line in b}.keys()
            a, b = ([{x["steps"]: x for x in lines}[step] for step in sorted(both)] for lines in (a, b))
        pairs = enumerate(zip(a, b, strict=False), start=1)
        first = next((f"line {i}: was {short(x)}, is {short(y)}" for i, (x, y) in pairs if x != y), "")
        if first or len(a) != len(b):
            out.append(f"{name}, {first or f'{len(a)} lines were, {len(b)} are'}")
    return out


def _timeless(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in TIMES}


def evaluated_again(run: RunFolder) -> list[Record]:
    """The records of the kept policy, played again on the episodes that the run's own evaluation asks for."""
    config, policy = run.config(), run.load_policy()
    settings = config["evaluation"]
    with progress.Progress(progress.terminal("evaluate")) as bar:
        return evaluate_policy(
            policy,
            config["env"]["id"],
            {**config["env"]["kwargs"], **settings["kwargs"]},
            split=settings["split"],
            episodes=settings["episodes"],
            batch=settings["batch"],
            agent=str(config["name"]),
            seed=config["seed"],
            training=run.manifest().get("spent"),
            progress=bar,
        )


def trained_again(run: RunFolder, out: Path) -> tuple[list[Record], list[str]]:
    """The records of a run made again in ``out``, and how its curve differs."""
    from voltgym.experiments.train import run_training

    made = RunFolder(out)
    if made.begun():
        raise VoltGymError(f"{out} already holds a run; choose another folder with out=FOLDER, or remove it")
    run_training({**run.config(), "quiet": False}, out)
    return read_records(made.records_file), curve_differences(run.path, out)


def say(title: str, lines: Sequence[str], most: int = 12) -> None:
    """Print a few lines under a title; nothing where there is none."""
    if lines:
        print(title)
        print("\n".join(f"  {line}" for line in lines[:most]))
        if len(lines) > most:
            print(f"  and {len(lines) - most} more")


def main(argv: list[str]) -> None:
    """Reproduce RUN; exit status 1 if a result differs."""
    places = [a for a in argv if is_place(a)]
    options = dict(a.split("=", 1) for a in argv if a not in places)
    known = set(options) <= {"out", "only"} and options.get("only", "evaluation") == "evaluation"
    if len(places) != 1 or not known or options.get("out") == "":
        raise VoltGymError(f"which run?\n{USAGE}")
    run = RunFolder(Path(places[0]))
    then = run.manifest()
    run.config()
    if then["status"] != "finished":
        raise VoltGymError(run.how_far())
    old = _of_the_run(run)
    if not old:
        raise VoltGymError(
            f"{run.records_file} has no records to compare with; `voltgym evaluate {run.path}` makes some"
        )
    curve = curve_differences(run.path, run.path)  # none; what cannot be read is said before hours of training
    if "only" in options:
        new = evaluated_again(run)
    else:
        new, curve = trained_again(run, Path(options.get("out", f"{str(run.path).rstrip('/')}-again")))
    now = {**manifest.start(then["config"]), "fingerprint": new[0]["fingerprint"] if new else {}}
    around = surroundings({**then, "fingerprint": old[0]["fingerprint"] if old else {}}, now)
    results = record_differences([{**r, "fingerprint": {}, "recheck": None} for r in old],
                                 [{**r, "fingerprint": {}, "recheck": None} for r in new])  # fmt: skip
    say("Between then and now:", around)
    say("Results that differ:", [*results, *curve])
    wrong = len({line.split(":")[0] for line in results})
    print(f"{len(old) - wrong} of {len(old)} episodes are equal to the last bit" + ("" if "only" in options else
          f"; the curve {'is not the same' if curve else 'is the same'}"))  # fmt: skip
    if results or curve:
        sys.exit(1)


def _of_the_run(run: RunFolder) -> list[Record]:
    """Those of a run's records that its own evaluation made: later ones of other settings are left out."""
    settings = run.config()["evaluation"]
    kwargs = {**run.config()["env"]["kwargs"], **settings["kwargs"]}
    records = read_records(run.records_file)
    own = [r for r in records if r["split"] == settings["split"] and (r["env_kwargs"] == kwargs or r.get("design"))]
    return own or records


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("reproduce", sys.argv[1:])
