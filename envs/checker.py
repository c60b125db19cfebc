"""The conformance kit: does an environment, a surrogate or an agent keep its contract, and what would it have to mend?

In a test of your package, one line each::

    assert_contract(check_env_contract("my_package.env:Mine-v0"))
    assert_contract(check_surrogate_contract(MySurrogate(), designs, values))
    assert_contract(check_agent_contract(MyAgent, "my_package.env:Mine-v0", budget=50))

``check_env_contract`` works on anybody's registered environment. One that is composed of a twin, a task and an
objective is checked against everything that agents and evaluation rely on; a plain Gymnasium environment is told what
it has and what it lacks, which is no fault.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import gymnasium as gym
from gymnasium.utils.env_checker import check_env

from voltgym.envs import (
    checker_actions,
    checker_agents,
    checker_making,
    checker_parts,
    checker_rewards,
    checker_shells,
    checker_surrogates,
    checker_worker,
)
from voltgym.envs.checker_tools import Absent, Check, Finding, Mend, Subject
from voltgym.envs.errors import VoltGymError
from voltgym.envs.single import DesignEnv

__all__ = [
    "CHECKS",
    "OPTIONAL",
    "Finding",
    "assert_contract",
    "check_agent_contract",
    "check_env_contract",
    "check_surrogate_contract",
    "run_check",
]

CHECKS: dict[str, Check] = {
    **checker_parts.CHECKS,
    **checker_shells.CHECKS,
    **checker_making.CHECKS,
    **checker_actions.CHECKS,
    **checker_rewards.CHECKS,
}
"""What a voltgym-composed environment must keep, by name."""

OPTIONAL: dict[str, Check] = {**checker_making.OPTIONAL, **checker_shells.OPTIONAL}
"""What it may lack."""

_GYMNASIUM = "Gymnasium's check_env"


def check_env_contract(env_id: str, **kwargs: Any) -> list[Finding]:
    """Check the environment ``env_id``, made with ``kwargs``; one finding a check, never an exception for a bad one.

    Write ``package.module:Id`` for an environment that is registered by a package of yours, so that it can also be made
    in a worker process. An environment that cannot be made at all raises what its maker raised; an id that does not
    exist is a ``VoltGymError``.
    """
    try:
        env = gym.make(env_id, **kwargs).unwrapped
    except gym.error.Error as error:
        raise VoltGymError(str(error)) from None
    findings = list(_gymnasium(env))
    if not isinstance(env, DesignEnv):
        return [*findings, *_foreign(env_id, env)]
    subject = Subject(env_id, kwargs, env)
    with checker_worker.Worker(env_id, kwargs) as worker:  # starts first: it imports everything anew meanwhile
        findings += _all(subject, CHECKS, OPTIONAL)
        findings.append(run_check("made in a worker process", worker.compare, subject))
    return findings


def check_surrogate_contract(surrogate: Any, designs: Any, values: Any = None, *, wrong: Any = None) -> list[Finding]:
    """Check a surrogate on ``designs`` (n, ...), three or more valid ones; one finding a check.

    With ``values`` (n, m) a copy of it is fitted on them first; without, it is taken as it is. ``wrong`` is something
    that is no design; where designs are rows of numbers, a row of NaN stands for it.
    """
    subject = checker_surrogates.Learned(surrogate, designs, values, wrong)
    return _all(subject, checker_surrogates.CHECKS, checker_surrogates.OPTIONAL)


def check_agent_contract(
    agent: Any, env_id: str, env_kwargs: Mapping[str, Any] | None = None, *, budget: int, seed: int = 0
) -> list[Finding]:
    """Check an agent, or a function that makes one, on ``env_id``; one finding a check. Trains three times.

    ``budget`` is in the agent's unit; a small one is enough.
    """
    with checker_agents.Trial(agent, env_id, env_kwargs, budget, seed) as trial:
        return _all(trial, checker_agents.CHECKS, checker_agents.OPTIONAL)


def assert_contract(findings: Iterable[Finding]) -> None:
    """Raise ``AssertionError`` with what there is to mend, a line each; what may be lacking passes."""
    wrong = [f"{finding.name}: {finding.explanation}" for finding in findings if finding.required and not finding.ok]
    if wrong:
        raise AssertionError("\n".join([f"{len(wrong)} to mend:", *wrong]))


def _all(subject: Any, checks: Mapping[str, Check], optional: Mapping[str, Check]) -> list[Finding]:
    findings = [run_check(name, check, subject) for name, check in checks.items()]
    return findings + [run_check(name, check, subject, required=False) for name, check in optional.items()]


def run_check(name: str, check: Check, subject: Any, required: bool = True) -> Finding:
    """One check as a finding, whatever happens in it."""
    try:
        return Finding(True, name, check(subject), required)
    except Absent as nothing:
        return Finding(True, name, str(nothing), required=False)
    except Mend as found:
        return Finding(False, name, str(found), required)
    except Exception as error:  # whatever somebody's twin raises is a finding; the other checks go on
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Finding(False, name, f"raised {what}; expected no exception: make it survive this", required)


def _gymnasium(env: gym.Env) -> Iterator[Finding]:
    """The verdict of Gymnasium's own checker, and its warnings, which need not be heeded."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env, skip_render_check=True)
            yield Finding(True, _GYMNASIUM, "passed")
        except Exception as error:  # it raises whatever its assertions or the environment raise
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            yield Finding(False, _GYMNASIUM, f"{what}; expected no error: mend this first, the rest builds on it")
    for text in dict.fromkeys(_plain(w.message) for w in caught if issubclass(w.category, UserWarning)):
        yield Finding(False, f"{_GYMNASIUM}: warning", text, required=False)


def _plain(message: object) -> str:
    return " ".join(str(message).removeprefix("\x1b[33mWARN: ").removesuffix("\x1b[0m").split())


def _foreign(env_id: str, env: gym.Env) -> Iterator[Finding]:
    """What a plain Gymnasium environment has of what voltgym's tables use."""
    env.reset(seed=0)
    info: Mapping[str, Any] = env.step(env.action_space.sample())[4]
    yield Finding(
        False,
        "composed of twin, task and objective",
        f"{env_id} is a {type(env).__name__}, not a DesignEnv: agents train on it and its return is recorded; checks "
        "of twin, splits, ledger and look-ahead don't apply. envs/thevenin.py shows how to compose one",
        required=False,
    )
    for name, use in _USES.items():
        there = name in info
        yield Finding(there, f"info[{name!r}]", f"{'there' if there else 'absent'}: {use}", required=False)
    limit = gym.spec(env_id).max_episode_steps
    said = f"{limit} steps" if limit else "none registered"
    yield Finding(limit is not None, "time limit", f"{said}: evaluation needs episodes that end", required=False)
    native = env.spec is not None and env.spec.vector_entry_point is not None
    said = "native" if native else "none of its own: rows are stepped one by one"
    yield Finding(native, "vector environment", said, required=False)
    modes = env.metadata.get("render_modes", [])
    yield Finding("rgb_array" in modes, "render", f"modes {modes}: pictures need rgb_array", required=False)


_USES = {
    "cost": "constrained agents need how much a step violated, a np.float32",
    "slacks": "feasibility is judged by named slacks, >= 0 where a limit is kept",
    "measured": "curves and reports need named physical quantities",
    "failure": "a typed failure tells a broken episode from a finished one",
    "is_success": "without slacks, success is read here at the end of an episode",
}
