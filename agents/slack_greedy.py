"""``SlackGreedyAgent``: learn what a step does to the limits, then always take the largest action that keeps them."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from voltgym.agents.base import DAMAGE, Progress, check_same, said
from voltgym.agents.slack_model import SlackGreedy, SlackModel
from voltgym.agents.slack_steps import Steps, gather
from voltgym.agents.validation import Validation, validation_split
from voltgym.envs.core import Episodes, make_episodes
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.ledger import Ledger


class SlackGreedyAgent:
    """Steps are taken in rounds; after each the model learns from all of them, and the next round follows it.

    The margin is chosen last: the smallest, in scales, with which ``share`` of the validation episodes are feasible.
    Every round is kept in ``checkpoint``; a training that was interrupted goes on as it would have.

    Args:
        quantile: of the slacks that is learned (pinball loss: Koenker and Bassett 1978, Econometrica 46, 33; from
            memory). Where the observation does not tell all, a low one keeps the limits.
        hidden: units of each hidden layer.
        rounds: as many as the budget is divided into.
        updates: of the network altogether; half of them after the last round.
        batch_size, learning_rate: of Adam; the rate falls to nothing by a cosine.
        num_envs: episodes side by side.
        validation_episodes, share: see above.
        threads: of PyTorch.
        default_budget: in environment steps.
    """

    unit = "env_steps"

    def __init__(
        self,
        *,
        quantile: float = 0.3,
        hidden: tuple[int, ...] | list[int] = (128, 128),
        rounds: int = 10,
        updates: int = 12_000,
        batch_size: int = 1024,
        learning_rate: float = 3e-3,
        num_envs: int = 128,
        validation_episodes: int = 100,
        share: float = 0.99,
        threads: int = 1,
        default_budget: int = 1_000_000,
    ) -> None:
        self.quantile = number("quantile", quantile, "a number in (0, 1)", low=1e-4, high=1 - 1e-4)
        self.learning_rate = number("learning_rate", learning_rate, "a number > 0", low=1e-9)
        self.share = number("share", share, "a share in [0, 1]", high=1.0)
        self.hidden = [whole_number("hidden", width) for width in hidden]
        self.rounds, self.updates = whole_number("rounds", rounds), whole_number("updates", updates)
        self.batch_size, self.num_envs = whole_number("batch_size", batch_size), whole_number("num_envs", num_envs)
        self.validation_episodes = whole_number("validation_episodes", validation_episodes)
        self.threads, self.default_budget = whole_number("threads", threads), default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> SlackGreedy:
        """Learn within ``budget`` environment steps, in whole rounds."""
        torch.set_num_threads(self.threads)
        core = make_episodes(env_id, self.num_envs, **env_kwargs)
        space = core.task.action_space
        if not (isinstance(space, gym.spaces.Box) and space.shape == (1,)):
            raise VoltGymError(f"{env_id} has the actions {space}; slack_greedy needs one number an action")
        each = budget // (self.rounds * self.num_envs) * self.num_envs
        if not each:
            least = self.rounds * self.num_envs
            raise VoltGymError(
                f"a budget of {budget} env steps is less than {least}: raise it, or lower rounds, num_envs"
            )
        self.ledger = core.ledger.limit(env_steps=budget)
        learner = _Learner(self, core, seed, out / "checkpoint", {"environment": env_id, "arguments": dict(env_kwargs)})
        self.ledger.charge("env_steps", learner.done * each)  # what was taken before a resumption stays spent
        for turn in range(learner.done, self.rounds):
            learner.take(gather(core, learner.model(), each, np.random.default_rng([seed, turn])), turn)
            progress.update((turn + 1) * each, budget, loss=learner.loss)
        learner.settle()
        information = str(env_kwargs.get("observation") or getattr(core.task, "observation", "full"))
        policy = self._with_margin(learner, information, env_id, env_kwargs, out, progress)
        progress.update(self.rounds * each, budget, loss=learner.loss, margin=policy.margin)
        return policy

    def _with_margin(
        self,
        learner: _Learner,
        information: str,
        env_id: str,
        env_kwargs: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> SlackGreedy:
        """Bisection between -1 and 7 scales; the safe end is the result."""
        split = validation_split(env_id, env_kwargs)
        count = 1 if split == "nominal" else self.validation_episodes
        validation = Validation(make_episodes(env_id, count, **{**env_kwargs, "split": split}), 0.0)
        model, low, high, lines = learner.trained(), -1.0, 7.0, []
        for _ in range(8):
            middle = (low + high) / 2
            score = validation(SlackGreedy(model, middle, information))
            self.ledger.charge("validation_steps", validation.spent())
            low, high = (low, middle) if score.feasible >= self.share else (middle, high)
            value = score.merit * validation.sign if score.feasible else None
            spent = int(self.ledger.spent["env_steps"])
            lines.append({"steps": spent, "feasible": score.feasible, "value": value, "margin": middle})
        (out / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return SlackGreedy(model, high, information)

    def about(self) -> dict[str, Any]:
        """What a training depends on beside environment and seed."""
        names = ("quantile", "hidden", "rounds", "updates", "batch_size", "learning_rate", "num_envs")
        return {name: getattr(self, name) for name in names}


class _Learner:
    """The network, its optimiser and all steps so far, each round of them on the disk."""

    def __init__(
        self, agent: SlackGreedyAgent, core: Episodes, seed: int, folder: Path, about: Mapping[str, Any]
    ) -> None:
        self.agent, self.folder, self.seed = agent, folder, seed
        self.low, self.high = (float(bound[0]) for bound in (core.task.action_space.low, core.task.action_space.high))  # type: ignore[attr-defined]
        torch.manual_seed(seed)
        sizes = [int(np.prod(core.task.observation_space.shape or ())) + 1, *agent.hidden, len(core.objective.scales)]
        layers: list[torch.nn.Module] = []
        for wide, narrow in pairwise(sizes):
            layers += [torch.nn.Linear(wide, narrow), torch.nn.SiLU()]
        self.network = torch.nn.Sequential(*layers[:-1])
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=agent.learning_rate)
        self.rounds: list[Steps] = []
        self.updated, self.loss = 0, float("nan")
        self._resume({"seed": seed, **agent.about(), **about})

    @property
    def done(self) -> int:
        """How many rounds there were."""
        return len(self.rounds)

    def take(self, steps: Steps, turn: int) -> None:
        """Learn from a new round, and all before."""
        self.rounds.append(steps)
        self._learn(self.agent.updates // (2 * self.agent.rounds), turn)
        self._keep(steps, turn)

    def settle(self) -> None:
        """The last half of the updates."""
        self._learn(self.agent.updates - self.updated, self.agent.rounds)

    def _learn(self, count: int, turn: int) -> None:
        agent, rng = self.agent, np.random.default_rng([self.seed, 1_000 + turn])
        x, y = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*self.rounds, strict=True))
        for _ in range(count):
            share = self.updated / agent.updates
            for group in self.optimiser.param_groups:
                group["lr"] = agent.learning_rate * 0.5 * (1 + math.cos(math.pi * share)) + 1e-6
            rows = torch.from_numpy(rng.integers(len(x), size=agent.batch_size))
            off = y[rows] - self.network(x[rows])
            loss = torch.maximum(agent.quantile * off, (agent.quantile - 1) * off).mean()
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.updated += 1
        self.loss = float(loss.detach())

    def model(self) -> SlackModel | None:
        """As it is now; None before the first round."""
        return self.trained() if self.rounds else None

    def trained(self) -> SlackModel:
        """The network in numpy."""
        linear = [layer for layer in self.network if isinstance(layer, torch.nn.Linear)]
        arrays = [tuple(p.detach().numpy().copy() for p in (layer.weight, layer.bias)) for layer in linear]
        return SlackModel(arrays, self.low, self.high)  # type: ignore[arg-type]

    # -- on the disk ---------------------------------------------------------------------------------------------

    def _keep(self, steps: Steps, turn: int) -> None:
        np.savez(self.folder / f"round {turn}.npz", **steps._asdict())
        content = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": torch.tensor([turn + 1, self.updated]),
        }
        part = self.folder / "model.part"
        torch.save(content, part)
        part.replace(self.folder / "model.pt")

    def _resume(self, about: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        described, kept = self.folder / "about.json", self.folder / "model.pt"
        label = json.loads(json.dumps(dict(about), default=str))
        if not (kept.exists() and described.exists()):
            described.write_text(json.dumps(label))
            return
        try:
            check_same(described, json.loads(described.read_text()), label)
            content = torch.load(kept, weights_only=True)
            self.network.load_state_dict(content["network"])
            self.optimiser.load_state_dict(content["optimiser"])
            turns, self.updated = content["counts"].tolist()
            for turn in range(turns):
                with np.load(self.folder / f"round {turn}.npz", allow_pickle=False) as found:
                    self.rounds.append(Steps(found["inputs"], found["targets"]))
        except VoltGymError:
            raise
        except (*DAMAGE, RuntimeError, pickle.UnpicklingError) as error:
            raise VoltGymError(f"{self.folder} is damaged ({said(error)}); delete it to start again") from None
