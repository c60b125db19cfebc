"""Checks of the shells around the parts: seeds, vectors, time limits, and what calls return."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from voltgym.envs.checker_tools import Absent, Check, Mend, Subject, arrays, difference, expect, row_of
from voltgym.envs.episodes import STEPS_LEFT

N = 3


def seeds_decide(subject: Subject) -> str:
    """The same seed gives the same start; row i of a batch with seed s is the single environment with s + i."""
    single, vector = subject.single(), subject.make_vec(N)
    observations, infos = vector.reset(seed=7)
    for i in range(N):
        for time in ("first", "second"):
            observation, info = single.reset(seed=7 + i)
            text = difference(observation, observations[i], "observation") or difference(info, row_of(infos, i), "info")
            expect(
                not text,
                f"reset(seed={7 + i}) of one environment, the {time} time, is not row {i} of reset(seed=7): {text}. "
                "Draw randomness in the scenario only, from the generator that it is given",
            )
    return f"reset(seed=s + i) is row i of reset(seed=s) for {N} rows, bit for bit, and again when repeated"


def native_is_sync(subject: Subject, mode: AutoresetMode) -> str:
    """The vector environment gives what Gymnasium's SyncVectorEnv gives, over whole random episodes."""
    native = subject.make_vec(N, autoreset_mode=mode)
    sync = SyncVectorEnv([subject.single] * N, autoreset_mode=mode)
    rng, ended, steps = np.random.default_rng(2), 0, 0
    text = _step_difference(native.reset(seed=11), sync.reset(seed=11), N)
    while not text and ended < 2 * N and steps < 2 * subject.max_steps + 2 and steps < 300:
        mask = native.action_masks() if hasattr(native, "action_masks") else None
        actions = subject.random_actions(rng, N, mask)
        ours, theirs = native.step(actions), sync.step(actions)
        over = ours[2] | ours[3]
        ended, steps = ended + int(over.sum()), steps + 1
        if over.any() and subject.split != "train":  # from here on, the rows of a native batch share the episodes out
            text = _step_difference(_as_ended(ours, over), _as_ended(theirs, over), N)
            break
        text = _step_difference(ours, theirs, N)
    expect(
        not text,
        f"after {steps} steps the vector environment and SyncVectorEnv differ ({mode.value}): {text}. "
        "Expected the same bits: let a row depend on itself only, and hold no episode in a part",
    )
    return f"the same bits as SyncVectorEnv for {steps} steps of {N} rows, {ended} episode ends among them"


def _as_ended(step: tuple[Any, ...], over: np.ndarray) -> tuple[Any, ...]:
    """A step without what rows that were reset at once began anew."""
    observation, *rest, info = step
    if "final_obs" not in info:
        return step
    last = np.array([info["final_obs"][i] if over[i] else observation[i] for i in range(len(over))])
    ended = {name: info[name] for name in ("final_obs", "final_info", "_final_obs", "_final_info")}
    return last, *rest, ended


def _step_difference(ours: tuple[Any, ...], theirs: tuple[Any, ...], rows: int) -> str:
    for name, a, b in zip(("observation", "reward", "terminated", "truncated"), ours[:-1], theirs[:-1], strict=False):
        if text := difference(np.asarray(a), np.asarray(b), name):
            return text
    found = (difference(row_of(ours[-1], i), row_of(theirs[-1], i), "info") for i in range(rows))
    return next((text for text in found if text), "")


def limits_truncate(subject: Subject) -> str:
    """An episode that is cut at ``max_steps`` is truncated, not terminated; its clock stands at zero."""
    most = min(3, subject.max_steps)
    short, long = subject.single(most), subject.single(most + 5)
    rng = np.random.default_rng(4)
    for seed in range(8):
        short.reset(seed=seed)
        long.reset(seed=seed)
        for step in range(most):
            action = subject.extreme("low") if seed % 2 == 0 else subject.random_actions(rng, 1)[0]
            _, _, terminated, truncated, info = short.step(action)
            goes_on = not any(long.step(action)[2:4])
            last = step == most - 1
            expect(
                not (truncated and not last),
                f"truncated after {step + 1} of max_steps={most}; expected the whole of it",
            )
            expect(
                not (goes_on and terminated),
                f"with max_steps={most} step {step + 1} terminates, with a longer limit the same action goes on; "
                "expected truncated=True, terminated=False: task.done and objective.broken must not read 'Steps left'",
            )
            if terminated or not goes_on:
                break
            if last:
                left = info["measured"][STEPS_LEFT]
                expect(
                    truncated and left == 0, f"at max_steps={most}: truncated is {truncated}, {STEPS_LEFT!r} is {left}"
                )
                return f"an episode cut at {most} steps is truncated, not terminated, and goes on under a longer limit"
    raise Absent(f"every episode ended by itself within {most} steps: no time limit was met")


def data_is_new(subject: Subject) -> str:
    """Nothing that a step returns is written to by a later one."""
    vector, core = subject.make_vec(N), subject.started(N)
    rows, rng = np.arange(N), np.random.default_rng(6)
    calls = [("reset", *vector.reset(seed=1))]
    inner = []
    for step in range(min(3, subject.max_steps)):
        actions = subject.random_actions(rng, N)
        observation, _, terminated, truncated, info = vector.step(actions)
        calls.append((f"step {step + 1}", observation, info))
        inner.append((f"step {step + 1}", *core.step(rows, actions)[::4]))
        if (terminated | truncated).any():
            break
    core.reset(rows, [np.random.default_rng(0)] * N)
    for kind, made in (("DesignVectorEnv", calls), ("Episodes", inner)):
        for (one, *first), (other, *second) in pairwise(made):
            shared = any(
                np.shares_memory(a, b) for a in _all(first) for b in _all(second) if a.dtype != object != b.dtype
            )
            expect(
                not shared,
                f"{one} and {other} of {kind} returned the same memory; return new arrays, not a kept buffer",
            )
    return f"{len(calls)} calls returned arrays that share no memory"


def _all(returned: list[Any]) -> list[np.ndarray]:
    return [returned[0], *arrays(returned[1])]


def copies_go_on(subject: Subject) -> str:
    """A pickled environment goes on exactly as the one it was copied from."""
    env = subject.make()
    env.reset(seed=0)
    try:
        other = pickle.loads(pickle.dumps(env))
    except Exception as error:
        raise Mend(
            f"pickling raised {type(error).__name__}: {error}; use no lambdas or local functions in parts"
        ) from None
    action = subject.random_actions(np.random.default_rng(0), 1)[0]
    text = _step_difference(_batched(env.step(action)), _batched(other.step(action)), 1)
    expect(not text, f"a pickled copy goes on differently: {text}")
    return "a pickled copy goes on with the same bits"


def _batched(step: tuple[Any, ...]) -> tuple[Any, ...]:
    def batch(value: Any) -> Any:
        return {n: batch(v) for n, v in value.items()} if isinstance(value, Mapping) else np.asarray(value)[None]

    return tuple(batch(part) for part in step)


CHECKS: dict[str, Check] = {
    "seeds": seeds_decide,
    "vector = single, NEXT_STEP": lambda subject: native_is_sync(subject, AutoresetMode.NEXT_STEP),
    "vector = single, SAME_STEP": lambda subject: native_is_sync(subject, AutoresetMode.SAME_STEP),
    "time limits truncate": limits_truncate,
    "data is new": data_is_new,
}

OPTIONAL: dict[str, Check] = {"pickle": copies_go_on}
