"""Checks of a step: what actions may be, what comes back, and looking ahead without stepping."""

from __future__ import annotations

from copy import deepcopy

import gymnasium as gym
import numpy as np

from voltgym.envs.checker_tools import Absent, Check, Mend, Subject, difference, expect
from voltgym.envs.episodes import COMPLETED, STEPS_LEFT, Episodes
from voltgym.surrogates.base import Failure


def unusable_actions_end(subject: Subject) -> str:
    """NaN, infinity, and numbers outside a discrete space end the episode as ``ACTION``, with everything finite."""
    box = isinstance(subject.space, gym.spaces.Box)
    outside = subject.extreme("high").astype(float) + 10_000.0
    said = []
    for value in (np.nan, np.inf, -np.inf) if box else (np.nan, outside, -outside - 10_000.0, 0.5):
        env = subject.single()
        env.reset(seed=0)
        action = np.full(subject.space.shape or (), value, dtype=float)
        observation, reward, terminated, truncated, info = env.step(action)
        expect(
            terminated and not truncated and info["failure"] == Failure.ACTION and info["slacks"][COMPLETED] < 0,
            f"action {action}: terminated {terminated}, failure {info['failure']}; expected True and Failure.ACTION",
        )
        fine = np.isfinite(reward) and observation in env.observation_space and np.isfinite(observation).all()
        expect(fine, f"action {action}: reward {reward}, observation {observation}; expected finite ones, in the space")
        said.append(f"{np.ravel(value)[0]:g}")
    return f"{', '.join(said)} end the episode as ACTION, with finite reward and observation"


def actions_are_clipped(subject: Subject) -> str:
    """A finite action outside the Box does what the nearest one inside does."""
    if not isinstance(subject.space, gym.spaces.Box):
        raise Absent(f"{subject.space} has no values between its own")
    core, rows = subject.started(1), np.array([0])
    start = core.snapshot()
    for end, offset in (("low", -5.0), ("high", 5.0)):
        edge = getattr(subject.space, end).astype(float)[None]
        if not np.isfinite(edge).all():
            continue
        results = []
        for action in (edge, edge + offset):
            core.restore(start)
            results.append(core.step(rows, action))
        for name, one, other in zip(
            ("observation", "reward", "terminated", "truncated", "info"), *results, strict=True
        ):
            text = difference(one, other, name)
            expect(not text, f"an action {offset:+} beyond {end} is not clipped to it: {text}")
    return "actions beyond the Box act as its ends, bit for bit"


def info_is_whole(subject: Subject) -> str:
    """``info`` has cost, slacks, measured and failure, as NumPy scalars and arrays."""
    env = subject.single()
    infos = [env.reset(seed=0)[1], env.step(subject.random_actions(np.random.default_rng(0), 1)[0])[4]]
    for call, info in zip(("reset", "step"), infos, strict=True):
        missing = {"cost", "slacks", "measured", "failure"} - set(info)
        expect(not missing, f"info of {call} lacks {sorted(missing)}")
        expect(
            isinstance(info["cost"], np.float32),
            f"info['cost'] is a {type(info['cost']).__name__}; expected np.float32",
        )
        expect(isinstance(info["failure"], np.integer), f"info['failure'] is a {type(info['failure']).__name__}")
        flat = {**info, **info["slacks"], **info["measured"]}
        wrong = [name for name, value in flat.items() if not isinstance(value, np.generic | np.ndarray | dict | str)]
        expect(not wrong, f"info of {call}: {wrong} are not NumPy scalars or arrays; clients cannot read plain floats")
        expect(COMPLETED in info["slacks"] and STEPS_LEFT in info["measured"], f"info of {call} lacks {COMPLETED!r}")
    return f"cost (np.float32), {len(infos[1]['slacks'])} slacks, {len(infos[1]['measured'])} measurements, failure"


def snapshots_restore(subject: Subject) -> str:
    """After ``restore`` the same actions lead to the same bits."""
    core, rows = _under_way(subject)
    rng, start = np.random.default_rng(9), core.snapshot()
    kept = deepcopy(start)
    actions = [subject.random_actions(rng, len(rows)) for _ in range(min(3, subject.max_steps))]
    once = [core.step(rows, action) for action in actions]
    text = "".join(difference(a, b, "snapshot") for a, b in zip(kept, start, strict=True))
    expect(not text, f"stepping changed a snapshot: {text}; a part writes into the state that it is given")
    core.restore(start)
    again = [core.step(rows, action) for action in actions]
    for step, (one, other) in enumerate(zip(once, again, strict=True)):
        text = "".join(difference(a, b, f"part {i}") for i, (a, b) in enumerate(zip(one, other, strict=True)))
        expect(not text, f"step {step + 1} after restore() differs: {text}; a part holds something of the episode")
    return f"{len(actions)} steps after restore() give the same bits"


def peeks_change_nothing(subject: Subject) -> str:
    """``peek`` tells what ``step`` then does, changes nothing and is charged as look-ahead."""
    core, rows = _under_way(subject)
    actions = subject.random_actions(np.random.default_rng(10), len(rows))
    before, spent = deepcopy(core.snapshot()), dict(core.ledger.spent)
    measured, slacks, failure = core.peek(rows, actions)
    text = "".join(difference(a, b, "state") for a, b in zip(before, core.snapshot(), strict=True))
    expect(not text, f"peek changed the episodes: {text}")
    charged = {k: v - spent.get(k, 0) for k, v in core.ledger.spent.items() if v != spent.get(k, 0)}
    fine = charged.get("lookahead_steps") == len(rows) and "env_steps" not in charged
    expect(fine, f"peek at {len(rows)} rows was charged as {charged}; expected lookahead_steps: {len(rows)}")
    info = core.step(rows, actions)[4]
    text = difference(measured, info["measured"], "measured") or difference(failure, info["failure"], "failure")
    text = text or difference(slacks, {name: info["slacks"][name] for name in slacks}, "slacks")
    expect(not text, f"peek told something else than the step did: {text}")
    return "peek tells what the step then does, changes nothing and costs lookahead_steps"


def masks_hold(subject: Subject) -> str:
    """A masked-out action does nothing, costs a step, and is told in ``info``."""
    single = subject.single()
    if not hasattr(subject.parts.task, "mask"):
        expect(not hasattr(single, "action_masks"), "action_masks() is there, but the task has no mask")
        raise Absent("the task masks no actions")
    space = subject.space
    if not isinstance(space, gym.spaces.Discrete):
        raise Mend(f"a mask needs Discrete actions, not {space}")
    rng, refused = np.random.default_rng(12), 0
    _, info = single.reset(seed=0)
    for _ in range(min(30, subject.max_steps - 1)):
        mask = single.action_masks()
        expect(
            mask.shape == (space.n,) and mask.dtype == bool and not difference(mask, info["action_mask"]),
            f"action_masks() is {mask.dtype} {mask.shape} against info {info['action_mask'].shape}; "
            f"expected the same ({space.n},) booleans",
        )
        out = np.flatnonzero(~mask)
        if out.size:
            refused += _refused(single.core, int(space.start + rng.choice(out)))
        _, _, terminated, truncated, info = single.step(subject.random_actions(rng, 1, mask[None])[0])
        if terminated or truncated:
            _, info = single.reset()
    if not refused:
        raise Absent("every action was valid in every state that was met: nothing to refuse")
    return f"{refused} masked-out actions did nothing, cost a step each and were told as invalid_action"


def _refused(core: Episodes, action: int) -> int:
    """Take a masked-out action and go back: 1, if it did nothing but cost a step."""
    start, spent, rows = core.snapshot(), core.ledger.spent["env_steps"], np.array([0])
    _, _, terminated, _, info = core.step(rows, np.array([action]))
    if not info["invalid_action"][0] or info["failure"][0] or terminated[0]:
        raise Mend(
            f"masked-out action {action}: invalid_action {info['invalid_action'][0]}, failure {info['failure'][0]}"
        )
    expect(core.ledger.spent["env_steps"] == spent + 1, f"masked-out action {action} did not cost a step")
    text = difference(start[1], core.state, "state")
    expect(not text, f"masked-out action {action} changed the state: {text}")
    core.restore(start)
    return 1


def _under_way(subject: Subject) -> tuple[Episodes, np.ndarray]:
    """Two rows, a step into their episodes where an episode has more than one."""
    core, rows = subject.started(2), np.arange(2)
    if subject.max_steps > 1:
        core.step(rows, np.stack([subject.extreme("low")] * 2))
    return core, rows


CHECKS: dict[str, Check] = {
    "unusable actions": unusable_actions_end,
    "clipping": actions_are_clipped,
    "info": info_is_whole,
    "snapshot and restore": snapshots_restore,
    "peek": peeks_change_nothing,
    "masks": masks_hold,
}
