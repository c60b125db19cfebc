"""What happens beside the learning: progress, validation, checkpoints, the best policy so far."""

from __future__ import annotations

import json
import pickle
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy

from voltgym.agents import lstm, mlp
from voltgym.agents.base import Progress, find_class, said
from voltgym.agents.mlp import Parts
from voltgym.agents.sb3.designs import Recorder, follow_budget
from voltgym.agents.sb3.env import PlainVecEnv, VoltGymVecEnv
from voltgym.agents.validation import Score, Validation
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger

if TYPE_CHECKING:
    from voltgym.agents.sb3.agent import SB3Agent

EXPORTS: Mapping[type, Callable[..., Parts]] = {
    RecurrentActorCriticPolicy: lstm.from_network,
    BasePolicy: mlp.from_network,
}
"""What makes a policy of numpy of a network, by the network's kind; the first that fits is taken."""
OLDER = "voltgym.agents.mlp.MlpPolicy"
"""The kind of the best policy in checkpoints that do not say it."""


class Checkpoint:
    """Everything that a training needs to go on, in one file that is written whole or not at all.

    Tensors and plain numbers only: it is loaded with ``weights_only=True``, so it can run no code.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.file, self.about = folder / "training.pt", json.loads(json.dumps(dict(about), default=str))

    def save(self, model: BaseAlgorithm, ledger: Ledger, best: tuple[Score, Parts] | None) -> None:
        """Keep networks, optimisers, replay buffer, counts and the best policy so far."""
        names = model._get_torch_save_params()[1]
        kept_best = best and {
            "score": list(best[0]),
            "kind": f"{type(best[1]).__module__}.{type(best[1]).__qualname__}",
            "about": json.dumps(best[1].about()),
            "arrays": {name: torch.from_numpy(array) for name, array in best[1].arrays().items()},
        }
        content = {
            "training": json.dumps(self.about),
            "parameters": model.get_parameters(),
            "variables": {name: getattr(model, name).detach() for name in names},
            "replay": {name: torch.from_numpy(array[: _filled(model)]) for name, array in _replay(model).items()},
            "spent": {kind: int(amount) for kind, amount in ledger.spent.items()},
            "best": kept_best,
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        torch.save(content, part)
        part.replace(self.file)

    def load(self, model: BaseAlgorithm, ledger: Ledger) -> tuple[Score, Parts] | None:
        """Put what was saved into ``model`` and ``ledger``; returns the best policy so far."""
        if not self.file.exists():
            return None
        try:
            content = torch.load(self.file, weights_only=True)
            found = json.loads(content["training"])
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
            raise VoltGymError(f"{self.file} is damaged ({said(error)}); delete it to start again") from None
        for name, expected in self.about.items():
            if found.get(name) != expected:
                raise VoltGymError(
                    f"{self.file} is of another training: its {name} is {found.get(name)!r}, this one's is "
                    f"{expected!r}; train in another folder, or delete the file to start again"
                )
        model.set_parameters(content["parameters"])
        for name, tensor in content["variables"].items():
            getattr(model, name).data.copy_(tensor)
        for name, array in _replay(model).items():
            array[: len(content["replay"][name])] = content["replay"][name].numpy()
            model.replay_buffer.pos = len(content["replay"][name]) % len(array)  # type: ignore[attr-defined]
            model.replay_buffer.full = len(content["replay"][name]) == len(array)  # type: ignore[attr-defined]
        ledger.spent.update(content["spent"])
        model.num_timesteps = ledger.spent["env_steps"]
        best = content["best"]
        if best is None:
            return None
        arrays = {name: tensor.numpy() for name, tensor in best["arrays"].items()}
        kind = find_class(best.get("kind", OLDER), ("build",), f"the best policy in {self.file}")
        return Score(*best["score"]), kind.build(json.loads(best["about"]), arrays)


def _replay(model: BaseAlgorithm) -> dict[str, np.ndarray]:
    """The arrays of a replay buffer, whose first axis is the step; nothing for on-policy algorithms."""
    buffer = getattr(model, "replay_buffer", None)
    arrays = {} if buffer is None else vars(buffer)
    return {name: value for name, value in arrays.items() if isinstance(value, np.ndarray) and value.ndim > 1}


def _filled(model: BaseAlgorithm) -> int:
    buffer: Any = getattr(model, "replay_buffer", None)
    return 0 if buffer is None else buffer.size()


class Keeper(BaseCallback):
    """What happens beside the learning: progress, validation, checkpoints, the best policy so far.

    Every validation and every checkpoint falls between two updates, so that the networks are whole.
    """

    def __init__(
        self,
        agent: SB3Agent,
        env: VoltGymVecEnv | PlainVecEnv,
        validation: Validation | None,
        information: str,
        out: Path,
        progress: Progress,
        checkpoint: Checkpoint,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__()
        self.recorder = recorder
        self.agent, self.env, self.validation, self.information = agent, env, validation, information
        self.progress, self.checkpoint, self.curve = progress, checkpoint, out / "curve.jsonl"
        self.best: tuple[Score, Parts] | None = None
        self.total = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=100)
        self._told_at, self._told, self._validated, self._saved = time.monotonic(), 0, 0, 0

    def resume(self, model: BaseAlgorithm) -> None:
        """Go on from the checkpoint, if there is one; the curve loses what came after it."""
        self.init_callback(model)
        self.best = self.checkpoint.load(model, self.env.ledger)
        if self.recorder:
            self.recorder.settle()
            follow_budget(model, self.recorder)
        self._told = self._validated = self._saved = model.num_timesteps
        self.curve.parent.mkdir(parents=True, exist_ok=True)
        lines = self.curve.read_text().splitlines() if self.curve.exists() else []
        steps = [json.loads(line)["steps"] if line.endswith("}") else np.inf for line in lines]
        self.curve.write_text("".join(f"{a}\n" for a, at in zip(lines, steps, strict=True) if at <= self._saved))

    def policy(self) -> Parts:
        """The deterministic actor as it is now."""
        export = next(export for kind, export in EXPORTS.items() if isinstance(self.model.policy, kind))
        return export(self.model.policy, self.env.physical_space, self.information)

    def _on_step(self) -> bool:
        if self.recorder:
            self.recorder.record()
        for i in np.flatnonzero(self.locals["dones"]):
            info = self.locals["infos"][i]
            self._recent.append((float(info["episode"]["r"]), float(info.get("feasible", np.nan))))
        if time.monotonic() - self._told_at >= 1.0 or self.model.num_timesteps - self._told >= self.total / 100:
            self.tell()
        return True

    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps - self._validated >= self.agent.validate_every:
            self.validate()
        if max(self._validated, steps - self.agent.checkpoint_every) >= self._saved and steps > self._saved:
            self.save()

    def finish(self) -> Parts:
        """The best policy, after a last validation."""
        if self.model.num_timesteps > self._validated or self.best is None:
            self.validate()
        if self.recorder:
            self.recorder.record()
        self.save()
        self.tell()
        return self.best[1] if self.best else self.policy()

    def tell(self) -> None:
        """Report steps, the mean return and the share of feasible episodes of the last 100, the best value so far."""
        self._told_at, self._told = time.monotonic(), self.model.num_timesteps
        numbers = dict(zip(("reward", "feasible"), np.mean(self._recent, axis=0), strict=True)) if self._recent else {}
        if self.best and self.validation:
            numbers["best"] = self.best[0].merit * self.validation.sign
        done, total = self._told, self.total
        if self.recorder:
            done, total = len(self.recorder.log.all), self.recorder.budget
            numbers |= self.recorder.numbers()
        self.progress.update(done, total, **{k: float(v) for k, v in numbers.items() if np.isfinite(v)})

    def validate(self) -> None:
        """Play the validation episodes, keep the policy if it is the best, and add a line to the curve."""
        self._validated = self.model.num_timesteps
        if self.validation is None:
            return
        policy = self.policy()
        score = self.validation(policy)
        self.env.ledger.charge("validation_steps", self.validation.spent())
        if self.best is None or score > self.best[0]:
            self.best = (score, policy)
        value = score.merit * self.validation.sign if score.feasible else None
        line = {"steps": self._validated, "return": score.reward, "feasible": score.feasible, "value": value}
        with self.curve.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint."""
        self._saved = self.model.num_timesteps
        self.checkpoint.save(self.model, self.env.ledger, self.best)
