"""Checks of how an environment is made, counted and shown: splits, budgets, mistyped names, pictures."""

from __future__ import annotations

import numpy as np

from voltgym.envs.checker_tools import Absent, Check, Mend, Subject, difference, expect
from voltgym.envs.errors import UnknownName
from voltgym.envs.ledger import BudgetExhausted

N = 3


def splits_are_fixed(subject: Subject) -> str:
    """Outside ``train``, episode k of a split is the same for everybody, however it is asked for."""
    said = []
    for split in ("validation", "test", "nominal"):
        try:
            one, other = subject.make(split=split), subject.make(split=split)
        except UnknownName:
            continue
        start = {k: one.reset(seed=90 + k, options={"episode": k}) for k in (0, 3, 4)}
        ways = {
            "in another instance, with another seed": other.reset(seed=5, options={"episode": 3}),
            "with seed 3": other.reset(seed=3),
        }
        ways |= {"counted up from episode 3": other.reset()}
        wanted = (start[3], start[3], start[4])
        for (way, found), right in zip(ways.items(), wanted, strict=True):
            text = difference(right[0], found[0], "observation") or difference(right[1], found[1], "info")
            expect(
                not text, f"split {split!r}: the episode {way} is another one: {text}; expected the same for everybody"
            )
        alike = not difference(start[0][1], start[3][1])
        said.append(f"{split} ({'one scenario' if alike else 'many'})")
    if not said:
        raise Absent("no split validation, test or nominal: nothing to evaluate on but the training scenarios")
    return f"episode k is the same in every instance, by option, by seed and counted up: {', '.join(said)}"


def ledger_stops(subject: Subject) -> str:
    """A limit on the ledger is never passed, not by one step, and what does not fit is not done."""
    rng = np.random.default_rng(8)
    single, vector = subject.make(), subject.make_vec(N)
    for env, fits, asked in ((single, 2, 1), (vector, 1, N)):
        rows = getattr(env, "num_envs", 1)
        env.reset(seed=0)
        env.ledger.limit(env_steps=env.ledger.spent["env_steps"] + fits * rows + rows - 1)
        actions = [subject.random_actions(rng, rows) for _ in range(fits + 1)]
        for action in actions[:fits]:
            _, _, terminated, truncated, _ = env.step(action if rows > 1 else action[0])
            if rows == 1 and (terminated or truncated):
                env.reset()
        spent, kept = env.ledger.spent["env_steps"], {name: v.copy() for name, v in env.core.state.items()}
        if np.any(terminated) or np.any(truncated):
            env.reset(seed=0)
            kept = {name: v.copy() for name, v in env.core.state.items()}
        try:
            env.step(actions[-1] if rows > 1 else actions[-1][0])
        except BudgetExhausted:
            pass
        else:
            raise Mend(f"{asked} steps beyond the limit were taken; charge the ledger before the work")
        same = env.ledger.spent["env_steps"] == spent and not difference(kept, env.core.state)
        expect(
            same,
            "a step that did not fit the budget was counted, or changed the state; refuse it before anything happens",
        )
    return f"BudgetExhausted exactly at the limit, for one environment and for a batch of {N} that does not fit"


def typos_are_named(subject: Subject) -> str:
    """A mistyped argument or split is an ``UnknownName`` that says what there is."""
    for kwargs in ({"max_stepz": 3}, {"split": "tarin"}):
        for make in (subject.make, lambda **k: subject.make_vec(2, **k)):
            try:
                make(**kwargs)
            except UnknownName as error:
                expect("Known:" in str(error), f"{error!r} does not say which names there are")
            except Exception as error:
                raise Mend(f"{kwargs} raised {type(error).__name__}: {error}; expected UnknownName. {_HOW}") from None
            else:
                raise Mend(f"{kwargs} was accepted; expected UnknownName, so that a typo never goes unseen. {_HOW}")
    return "a mistyped argument and an unknown split raise UnknownName"


_HOW = "voltgym.envs.core.entry_points and voltgym.envs.scenario.pick_split do this"


def pictures(subject: Subject) -> str:
    """``render_mode="rgb_array"`` draws the episode."""
    if subject.parts.viewer is None:
        raise Mend("no viewer in the Parts: pass one to have pictures and films")
    env = subject.make(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(subject.extreme("low"))
    picture = env.render()
    shape: tuple[int, ...] = getattr(picture, "shape", ())
    fine = getattr(picture, "dtype", None) == np.uint8 and len(shape) == 3 and shape[2] == 3
    expect(fine, f"render() gave {type(picture).__name__} {shape}; expected (h, w, 3) uint8")
    return f"an {'x'.join(map(str, shape))} uint8 picture"


CHECKS: dict[str, Check] = {"splits": splits_are_fixed, "ledger": ledger_stops, "mistyped names": typos_are_named}

OPTIONAL: dict[str, Check] = {"pictures": pictures}
