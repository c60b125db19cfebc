"""Checks of an agent, known by what it does alone: it trains within its budget, and its policy acts and is kept."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np

from voltgym.envs.checker_acting import Trial, Watch, acting
from voltgym.envs.checker_tools import Absent, Check, difference, expect, no_pickles

UNITS = ("env_steps", "evaluations", "unique_designs")
INFORMATION = ("bms", "full", "lookahead")
ARGUMENTS = ("budget", "seed", "out", "progress")
KINDS = "'bms', 'full' or 'lookahead'"


def is_agent(trial: Trial) -> str:
    """``unit``, ``train`` with its arguments, and a ``default_budget`` that is a number, if there is one."""
    agent = trial.new()
    unit, default = getattr(agent, "unit", None), getattr(agent, "default_budget", 0)
    expect(unit in UNITS, f"unit is {unit!r}; expected what the budget counts, one of {', '.join(UNITS)}")
    expect(callable(getattr(agent, "train", None)), f"{type(agent).__name__} has no train; see agents/base.py")
    try:
        inspect.signature(agent.train).bind("id", {}, **dict.fromkeys(ARGUMENTS))
    except TypeError as error:
        wanted = ", ".join(f"{name}=" for name in ARGUMENTS)
        expect(False, f"train cannot be called ({error}); expected train(env_id, env_kwargs, {wanted})")
    fine = isinstance(default, int) and not isinstance(default, bool) and default >= 0
    expect(fine, f"default_budget is {default!r}; expected a whole number of {unit}")
    return f"counts {unit}, {default} by default"


def trains(trial: Trial) -> str:
    """``train`` gives a policy that can act, be saved and loaded, and says what it may see."""
    policy = trial.trained[1]
    kind = type(policy).__name__
    lacks = [name for name in ("__call__", "save", "load") if not callable(getattr(policy, name, None))]
    expect(not lacks, f"train gave a {kind} without {', '.join(lacks)}; see Policy in agents/base.py")
    seen = getattr(policy, "information", None)
    expect(seen in INFORMATION, f"the policy's information is {seen!r}; expected what it may see: {KINDS}")
    return f"a {kind} of information class {seen!r}"


def keeps_budget(trial: Trial) -> str:
    """The ledger is within the budget, and something was spent."""
    agent = trial.trained[0]
    ledger: Any = getattr(agent, "ledger", None)
    if not hasattr(ledger, "spent") or trial.budget == 0:
        raise Absent("no budget" if trial.budget == 0 else "no ledger to look into")
    spent = ledger.spent[agent.unit]
    expect(
        spent <= trial.budget, f"{spent} {agent.unit} were spent of {trial.budget}; set ledger.limit before you begin"
    )
    expect(spent > 0, f"the ledger counts no {agent.unit}; charge it before the work, or run on an environment of it")
    return f"{spent} of {trial.budget} {agent.unit}"


def tells_progress(trial: Trial) -> str:
    """What is told of the progress fits: 0 <= done <= total <= budget, and finite numbers."""
    told = trial.trained[2].told
    if not told:
        raise Absent("no progress was told")
    for done, total, numbers in told:
        fine = 0 <= done <= total <= trial.budget
        expect(fine, f"progress {done} of {total}; expected 0 <= done <= total <= {trial.budget}, the budget")
        bad = {name: number for name, number in numbers.items() if not np.isfinite(number)}
        expect(not bad, f"progress told {bad}; leave out what is not finite")
    return f"told {len(told)} times"


def acts(trial: Trial) -> str:
    """Actions are in the action space, in a shape of the batch, valid under the mask."""
    return f"{len(trial.actions)} steps, actions of shape {trial.actions.shape[1:]}"  # `acting` has looked


def is_kept(trial: Trial) -> str:
    """``save`` and ``load`` give a policy that does the same, without pickle."""
    first, policy = trial.actions, trial.trained[1]
    kind = type(policy)
    found = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    expect(found is kind, f"{kind.__qualname__} is not found in {kind.__module__}; define it at the top of a module")
    path = trial.folder / "policy"
    path.mkdir()
    policy.save(path)
    no_pickles(path)
    text = difference(first, acting(kind.load(path), trial.env_id, trial.env_kwargs))
    expect(not text, f"the policy acts differently when it is loaded: {text}; keep everything that it acts by")
    return "acts the same from the disk, to the last bit, and no pickle"


def repeats(trial: Trial) -> str:
    """The same seed gives the same policy."""
    again = trial.train("again", Watch())[1]
    text = difference(trial.actions, acting(again, trial.env_id, trial.env_kwargs))
    expect(not text, f"the same seed gave another policy: {text}; draw all randomness from the seed")
    return "the same seed, the same policy"


def survives(trial: Trial) -> str:
    """A training that was interrupted can be begun again in its folder, within its budget."""
    if not trial.budget:
        raise Absent("no budget, nothing to interrupt")
    agent = trial.resumed[0]
    spent = getattr(getattr(agent, "ledger", None), "spent", {agent.unit: 0})[agent.unit]
    expect(spent <= trial.budget, f"after an interruption {spent} {agent.unit} were spent of {trial.budget} in all")
    return "ends within its budget after an interruption"


def has_ledger(trial: Trial) -> str:
    """It keeps a ledger, which goes into every record."""
    there = hasattr(getattr(trial.trained[0], "ledger", None), "spent") or not trial.budget
    expect(there, "absent: records will not say what the training spent. Keep a voltgym.envs.ledger.Ledger as .ledger")
    return "there" if trial.budget else "spends nothing"


def goes_on(trial: Trial) -> str:
    """After an interruption it goes on where it was."""
    if not trial.budget:
        raise Absent("no budget, nothing to interrupt")
    first = trial.resumed[1].told[0][0] if trial.resumed[1].told else 0
    said = "keep a checkpoint in out / 'checkpoint' and go on from there"
    expect(first >= trial.budget // 2, f"it began again, at {first} of {trial.budget}: {said}")
    return f"goes on at {first} of {trial.budget}"


CHECKS: dict[str, Check] = {
    "is an agent": is_agent,
    "training": trains,
    "budget": keeps_budget,
    "progress": tells_progress,
    "actions": acts,
    "kept on the disk": is_kept,
    "seeds": repeats,
    "interrupted": survives,
}
OPTIONAL: dict[str, Check] = {"ledger": has_ledger, "goes on": goes_on}
