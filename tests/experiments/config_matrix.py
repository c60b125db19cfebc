"""Which agents fit which environments, random valid overrides, and wrong ones: what the configs are tested with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from voltgym.experiments import configs

CONTROL = ("thevenin", "fastcharge", "fastcharge_nominal")
"""A decision a step."""
PROTOCOLS = ("protocol", "protocol_mohtat")
"""A decision an episode, in a Box."""
EDITED = ("solvent", "solvent_additive", "rediscovery", "cathode")
"""Designs, by masked edits."""
SHARES = ("cathode",)
"""Designs that are a Box, too: with ``env.kwargs.action=continuous``."""
ANYWHERE = ("gymnasium",)
CHARGING = ("fastcharge", "fastcharge_nominal")

NUMBERS = ("random_points", "cma", "tpe", "turbo", "scbo", "botorch_direct")
LEARNERS = ("ppo", "ppo_recurrent", "sac", "td3", "tqc")
FITS: dict[str, tuple[str, ...]] = {
    "random": (*CONTROL, *PROTOCOLS, *EDITED, *ANYWHERE),
    **dict.fromkeys(LEARNERS, (*CONTROL, *PROTOCOLS, *SHARES, *ANYWHERE)),
    **dict.fromkeys(("ppo_full", "ppo_bms", "ppo_recurrent_bms", "ppo_lagrangian", "botorch"), (*CHARGING, *PROTOCOLS)),
    "slack_greedy": CONTROL,
    "twin_greedy": CHARGING,
    **dict.fromkeys(NUMBERS, (*CONTROL, *PROTOCOLS, *SHARES)),
    **dict.fromkeys(("ppo_bandit", "sac_bandit"), (*PROTOCOLS, *SHARES)),
    "five_stage_cc_direct": PROTOCOLS,
    **dict.fromkeys(("cccv", "five_stage_cc", "five_stage_cc_tuned", "greedy", "observer", "observer_tuned"), CHARGING),
    **dict.fromkeys(
        ("random_designs", "random_walk", "graph_ga", "ppo_masked", "dqn_masked", "botorch_tanimoto"), EDITED
    ),
    **dict.fromkeys(("botorch_grid", "botorch_pareto", "sac_designs"), SHARES),
}
"""Environments by agent."""
NEEDS = {
    ("gymnasium", ""): ("env.id=Pendulum-v1",),
    **{(env, "twin_greedy"): ("env.kwargs.fidelity=learned", "env.kwargs.observation=full") for env in CHARGING},
    **{
        ("cathode", agent): ("env.kwargs.action=continuous",)
        for agent in (*NUMBERS, *LEARNERS, "ppo_bandit", "sac_bandit", "sac_designs")
    },
}
"""Overrides that a pair needs, by environment and agent."""


def pairs() -> list[tuple[str, ...]]:
    """The overrides of every pair that fits."""
    return [
        (f"env={env}", f"agent={agent}", *NEEDS.get((env, ""), ()), *NEEDS.get((env, agent), ()))
        for agent, envs in FITS.items()
        for env in envs
    ]


def randomly(seed: int, count: int) -> Iterator[tuple[str, ...]]:
    """Some pairs with up to five other settings of theirs, each within its kind."""
    rng = random.Random(seed)
    some = rng.sample(pairs(), 15)
    for _ in range(count):
        chosen = rng.choice(some)
        config = composed(chosen)
        free = {k: v for part in ("agent", "evaluation") for k, v in leaves(config[part], f"{part}.") if drawn(rng, v)}
        free |= {"seed": 0, "budget": 100, "name": "a", "quiet": False}
        names = rng.sample(sorted(free), k=min(5, len(free)))
        evaluation = rng.choice(sorted(configs.choices("evaluation")))
        yield (*chosen, f"evaluation={evaluation}", *(f"{name}={drawn(rng, free[name])}" for name in names))


@cache
def composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """The config of a pair, once."""
    return configs.compose("train", overrides)


def leaves(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted names and values, keys that Hydra reads and references left out."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        elif str(name).isidentifier() and not name.startswith("_") and not str(value).startswith("${"):
            yield f"{prefix}{name}", value


def drawn(rng: random.Random, usual: Any) -> str:
    """Another value of the same kind as text; nothing for kinds whose values are names of something."""
    if isinstance(usual, bool):
        return rng.choice(("true", "false"))
    if isinstance(usual, int):
        return str(max(1, rng.randint(usual, 2 * usual + 1)))
    if isinstance(usual, float):
        return f"{usual * rng.uniform(0.5, 1.0):.6g}"
    return rng.choice(("b", "some_name")) if usual == "a" else ""


WRONG: tuple[tuple[str, ...], ...] = (
    # the name of a config
    ("env=thevnin",),
    ("env=",),
    ("env=null",),
    ("env=[thevenin,solvnt]",),
    ("agent=pp0",),
    ("+experiment=fastcharge_fulll",),
    ("hydra/launcher=jobib",),
    ("+env=thevenin",),
    ("+agent=sac",),
    ("~agent=sac",),
    # the name of a key
    ("sed=3",),
    ("agnt=ppo",),
    ("evaluation.episods=3",),
    ("evaluation.recheck.fidelty=SPM",),
    ("evaluation.recheck={fidelty: SPM}",),
    ("env.kwargs.cel=LGM50",),
    ("agent.num_env=3",),
    ("agent.hyperparameters.batchsize=3",),
    ("hydra.rnu.dir=x",),
    ("~seeed",),
    ("+seed=3",),
    ("env@other=thevenin",),
    # a value
    ("seed=abc",),
    ("seed=0.5",),
    ("seed=true",),
    ("seed=",),
    ("seed=-1",),
    ("quiet=3",),
    ("budget=many",),
    ("evaluation.episodes=few",),
    ("evaluation.recheck.episodes=[1,2]",),
    ("env.kwargs=3",),
    ("env.kwargs=null",),
    ("evaluation=null",),
    ("env=gymnasium",),
    ("env.id=VoltGym/Thevenim-v0", "env.kwargs={}"),
    ("env.id=no_such_package.envs:Mine-v0",),
    ("env=thevenin", "env.kwargs.max_steps=some"),
    ("env=fastcharge", "env.kwargs.cell=LGM5"),
    ("env=fastcharge", "env.kwargs.fidelity=SPMee"),
    ("evaluation.split=tst", "agent=random", "env=thevenin"),
    ("agent._target_=voltgym.agents.randm.RandomAgent",),
    # what is left out, and what cannot be read
    ("~seed",),
    ("seed",),
    ("seed==3",),
    ("agent=[ppo",),
    ("a b=3",),
    ("evaluation.recheck.tolerances.Voltage [V]=0.01",),
    ("seed=0,1",),
    # flags and places
    ("--multirn",),
    ("--config-dir",),
    ("--config-dir", "/no/such/folder"),
    ("--config-name", "trian"),
    ("hydra.searchpath=pkg://mine",),
    ("hydra.searchpath=[pkg://no_such.conf]",),
    ("resume=no_such_run",),
)
"""Command lines of ``voltgym train`` that are wrong, each in a way of its own."""
