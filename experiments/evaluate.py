"""Run the policy of a run folder over the episodes of a split, on the physics, and keep one record an episode."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.agents.base import Policy, Progress, Silent
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.configs import WHOLE, check_whole
from voltgym.experiments.doctor import golden
from voltgym.experiments.making import make_core, make_env
from voltgym.experiments.manifest import fingerprint
from voltgym.experiments.records import Record, key, make_record, read_records, write_records
from voltgym.experiments.rollout import Acting, Outcome, Replaying, play, play_plain
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym evaluate RUN [key=value ...]

RUN is a run folder. The keys are those of the run's own `evaluation` config, for example
  split=test episodes=50     which episodes
  recheck.episodes=10        how many of them to replay on recheck.fidelity
  kwargs.cell=Chen2020       the environment's arguments to change
Records go to RUN/episodes.jsonl; the same episode evaluated again replaces its old record."""


def evaluate_policy(
    policy: Policy,
    env_id: str,
    env_kwargs: Mapping[str, Any],
    *,
    split: str,
    episodes: int,
    agent: str,
    seed: int | None,
    batch: int = 64,
    training: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[Record]:
    """One record for each of episodes 0 ... ``episodes - 1`` of ``split``.

    In a voltgym environment the episodes run in batches of ``batch``; any other runs one by one, without slacks.
    ``training`` is what the training spent, by kind; it is put into the record's ledger. A policy that hands in designs
    has ``environments()``: the arguments of one environment a design, best first; each is episode 0 of ``split``.
    """
    progress = progress or Silent()
    env_kwargs = {name: value for name, value in env_kwargs.items() if name != "split"}
    spent = {f"training {kind}": amount for kind, amount in (training or {}).items()}
    batches = _batches(policy, env_kwargs, episodes, batch)
    made_by = {} if (mark := golden(env_id)) is None else {"golden": mark}
    total, records = sum(len(numbers) for _, numbers in batches), list[Record]()
    for kwargs, numbers in batches:
        part = Part(progress, len(records), total)
        outcomes, twin = _outcomes(policy, env_id, kwargs, split, numbers, part)
        about = {"env_id": env_id, "env_kwargs": kwargs, "split": split, "agent": agent, "seed": seed}
        for number, outcome in zip(numbers, outcomes, strict=True):
            outcome["ledger"] = {**outcome["ledger"], **spent}
            which = {
                "episode": number,
                "information": policy.information,
                "fingerprint": {**fingerprint(twin), **made_by},
            }
            records.append(make_record(**about, **which, **outcome))
        progress.update(len(records), total)
    return records


def _batches(
    policy: Any, env_kwargs: Mapping[str, Any], episodes: int, batch: int
) -> list[tuple[dict[str, Any], range]]:
    """The environment's arguments and the episodes of each batch; a policy that hands in designs has one a design."""
    if hasattr(policy, "environments"):
        return [({**env_kwargs, **change}, range(1)) for change in policy.environments()[:episodes]]
    starts = range(0, episodes, batch)
    return [(dict(env_kwargs), range(first, min(first + batch, episodes))) for first in starts]


def _outcomes(
    policy: Policy, env_id: str, env_kwargs: Mapping[str, Any], split: str, numbers: Sequence[int], progress: Progress
) -> tuple[list[Outcome], Any]:
    core = make_core(env_id, len(numbers), env_kwargs, split=split)
    if core is not None:
        return play(core, lambda core: Acting(policy, core), numbers, progress=progress), core.twin
    env = make_env(env_id, env_kwargs)
    try:
        return [play_plain(env, policy, env_id, split, number) for number in numbers], None
    finally:
        env.close()


def replay(record: Record, **changes: Any) -> tuple[Outcome, list[dict[str, Any]]]:
    """What a record's actions do again, and what was measured at every step (the first entry is the start).

    ``changes`` are arguments of the environment to change, such as ``fidelity="DFN"``.
    """
    traces: list[list[dict[str, Any]]] = []
    return _replay([record], {}, changes, traces)[0], traces[0]


def recheck(
    records: Sequence[Record],
    *,
    fidelity: str,
    tolerances: Mapping[str, float],
    batch: int = 16,
    progress: Progress | None = None,
) -> list[Record]:
    """``records`` with ``recheck`` filled in: their actions replayed on ``fidelity``, judged by ``tolerances``.

    A column of its own, never part of the score: it says whether the limits also hold on a finer model.
    """
    progress = progress or Silent()
    out: list[Record] = []
    for first in range(0, len(records), batch):
        part = records[first : first + batch]
        for record, outcome in zip(part, _replay(part, tolerances, {"fidelity": fidelity}, None), strict=True):
            found = {name: outcome[name] for name in ("feasible", "failure", "worst_slacks")}
            fields = {**record, "recheck": {"fidelity": fidelity, **found, "tolerances": dict(tolerances)}}
            out.append(make_record(**fields))
        progress.update(len(out), len(records))
    return out


def _replay(
    records: Sequence[Record], tolerances: Mapping[str, float], changes: Mapping[str, Any], traces: list | None
) -> list[Outcome]:
    first = records[0]
    core = make_core(first["env_id"], len(records), {**first["env_kwargs"], **changes}, split=first["split"])
    if core is None:
        raise VoltGymError(f"{first['env_id']} is a plain Gymnasium environment: its records cannot be replayed")
    logs = [record["actions"] for record in records]
    outcomes = play(
        core,
        lambda core: Replaying(logs, core),
        [record["episode"] for record in records],
        tolerances=tolerances,
        lengths=[len(log) for log in logs],
        traces=traces,
    )
    for record, outcome in zip(records, outcomes, strict=True):
        again = make_record(**{**record, "scenario": outcome["scenario"]})["scenario"]
        if again != record["scenario"]:
            raise VoltGymError(
                f"episode {record['episode']} of {record['split']!r} has another scenario now than when it was "
                f"recorded (found {again}, recorded {record['scenario']}): evaluate the run again with this version"
            )
    return outcomes


class Part:
    """Progress of one part of a longer way: from ``start`` on, of ``total`` altogether."""

    def __init__(self, progress: Progress, start: int, total: int) -> None:
        self.progress, self.start, self.total = progress, start, total

    def update(self, done: int, total: int, **numbers: float) -> None:
        """Pass on where that is on the whole way."""
        self.progress.update(self.start + done, self.total, **numbers)


def evaluate_run(run: RunFolder, policy: Policy, settings: Mapping[str, Any], progress: Progress) -> list[Record]:
    """Evaluate the policy of ``run`` as ``settings`` (its ``evaluation`` config) say, and keep the records there."""
    config = run.config()
    check_evaluation(config["env"], settings)
    _say_if_learned(config["env"], settings)
    episodes, again = settings["episodes"], settings["recheck"]
    count = min(again["episodes"], episodes)
    records = evaluate_policy(
        policy,
        config["env"]["id"],
        {**config["env"]["kwargs"], **settings["kwargs"]},
        split=settings["split"],
        episodes=episodes,
        batch=settings["batch"],
        agent=str(config["name"]),
        seed=config["seed"],
        training=run.manifest().get("spent"),
        progress=Part(progress, 0, episodes + count),
    )
    if count:
        rest = Part(progress, episodes, episodes + count)
        kept = recheck(records[:count], fidelity=again["fidelity"], tolerances=again["tolerances"], progress=rest)
        records = [*kept, *records[count:]]
    new = {_place(record) for record in records}
    old = read_records(run.records_file) if run.records_file.exists() else []
    write_records(run.records_file, [*(r for r in old if _place(r) not in new), *records])
    return records


def _say_if_learned(env: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Warn of an evaluation on a learned twin: what it promises is not a verdict."""
    kwargs = {name: value for name, value in {**env["kwargs"], **settings["kwargs"]}.items() if name != "split"}
    core = make_core(env["id"], 1, kwargs)
    if core is not None and getattr(core.twin, "learned", False):
        warnings.warn(
            "these results are what a learned twin promises, not the physics' verdict: evaluation=physics judges on "
            "SPMe, evaluation=physics evaluation.kwargs.fidelity=DFN on the full model",
            stacklevel=2,
        )


def check_evaluation(env: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise `VoltGymError` for what in an ``evaluation`` config cannot be done with an environment."""
    check_whole({"evaluation": settings}, [key for key in WHOLE if key.startswith("evaluation.")])
    again = settings["recheck"]
    _count("episodes", settings["episodes"])
    _count("batch", settings["batch"])
    replayed = _count("recheck.episodes", again["episodes"], least=0)
    _check_spaces(env, settings["kwargs"])
    kwargs = {name: value for name, value in {**env["kwargs"], **settings["kwargs"]}.items() if name != "split"}
    if make_core(env["id"], 1, kwargs) is None:
        if replayed:
            raise VoltGymError(
                f"recheck.episodes is {replayed}, but {env['id']} is a plain Gymnasium environment: set 0"
            )
        return
    make_core(env["id"], 1, kwargs, split=settings["split"])
    if replayed:
        try:
            make_core(env["id"], 1, {**kwargs, "fidelity": again["fidelity"]}, split=settings["split"])
        except VoltGymError as error:
            raise VoltGymError(
                f"evaluation.recheck.episodes is {replayed}, but there can be none: {error} "
                "Set evaluation.recheck.episodes=0"
            ) from None


def _check_spaces(env: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Raise `VoltGymError` if changed arguments make an environment that the policy cannot act in."""
    if not changes:
        return
    made = [make_env(env["id"], kwargs) for kwargs in (env["kwargs"], {**env["kwargs"], **changes})]
    for what in ("observation_space", "action_space"):
        trained, now = (getattr(e, what) for e in made)
        if trained != now:
            raise VoltGymError(
                f"with {dict(changes)} the {what.replace('_', ' ')} is {now}, but the policy was trained with "
                f"{trained}; train one for it, or change what leaves the spaces as they are"
            )


def _place(record: Record) -> tuple[Any, ...]:
    return (*key(record), str(sorted(record["env_kwargs"].items())))


def _count(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise VoltGymError(f"{name} is {value!r}; expected a whole number >= {least}")
    return value


def main(argv: list[str]) -> None:
    """Evaluate RUN and print its table."""
    from voltgym.experiments import arguments, configs, progress, tables

    if not argv or not arguments.is_place(argv[0]):
        raise VoltGymError(f"which run?\n{USAGE}")
    run = RunFolder(Path(argv[0]))
    policy = run.load_policy()
    kept = run.config()["evaluation"]
    if not isinstance(kept, dict):
        raise VoltGymError(f"{run.manifest_file} is damaged: its evaluation is {kept!r}; run the training again")
    settings = configs.merge(kept, argv[1:])
    with progress.Progress(progress.terminal(f"evaluate {run.path.name}")) as bar:
        records = evaluate_run(run, policy, settings, bar)
    tables.show([tables.summary(run.config()["name"], records, settings)])


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("evaluate", sys.argv[1:])
