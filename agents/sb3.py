"""Stable-Baselines3 agents: PPO, SAC and their kin, on many episodes of a voltgym environment at once.

The only module that imports Stable-Baselines3. What it trains leaves as an ``MlpPolicy``, which needs only numpy.
"""

from __future__ import annotations

import inspect
import json
import pickle
import time
from collections import deque
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from voltgym.agents.base import Policy, Progress
from voltgym.agents.mlp import MlpPolicy, describe_space, from_network
from voltgym.envs.core import DesignVectorEnv, Episodes, Failure, make_episodes
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.envs.ledger import BudgetExhausted, Ledger

# -- environments as SB3 wants them ----------------------------------------------------------------------------------


class VoltGymVecEnv(VecEnv):
    """A ``DesignVectorEnv`` in SAME_STEP mode as SB3's ``VecEnv``; no physics and no observation a row in Python.

    Box actions are taken in [-1, 1] and mapped onto the environment's own bounds (``physical_space``), because a
    Gaussian policy starts around zero. ``costs`` (N,) are those of the last step. ``infos`` are filled for finished rows
    only: ``terminal_observation``, ``TimeLimit.truncated``, ``episode`` (``r``, ``l``, ``t``), ``is_success`` (the goal was
    reached), ``feasible`` (and no slack was below its tolerance on the way), ``cost`` (summed over the episode).
    """

    def __init__(self, venv: DesignVectorEnv) -> None:
        if venv.mode is not AutoresetMode.SAME_STEP:
            raise VoltGymError(f'autoreset_mode is {venv.mode}; make the environment with autoreset_mode="SameStep"')
        self.venv, self.physical_space = venv, venv.single_action_space
        self.tolerances = venv.core.objective.tolerances
        n, self.costs, self.started = venv.num_envs, np.zeros(venv.num_envs, dtype=np.float32), time.monotonic()
        self._return, self._length, self._cost = np.zeros(n), np.zeros(n, dtype=int), np.zeros(n)
        self._kept = np.ones(n, dtype=bool)
        super().__init__(n, venv.single_observation_space, symmetric(venv.single_action_space))

    @property
    def ledger(self) -> Ledger:
        """The environment's."""
        return self.venv.ledger

    def reset(self) -> np.ndarray:
        """Start all episodes, with the seed and the options set before."""
        observation, _ = self.venv.reset(seed=self._seeds[0], options=self._options[0])
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = to_physical(actions, self.physical_space)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One step of all rows."""
        observation, reward, terminated, truncated, info = self.venv.step(self._actions)
        final = info.get("final_info", info)  # before the finished rows were reset
        self.costs = final["cost"]
        self._return += reward
        self._cost += self.costs
        self._length += 1
        self._kept &= kept(final["slacks"], self.tolerances)
        goal, done = terminated & (final["failure"] == Failure.NONE), terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i] = {
                "terminal_observation": info["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i]),
                "episode": {"r": self._return[i], "l": int(self._length[i]), "t": time.monotonic() - self.started},
                "is_success": bool(goal[i]),
                "feasible": bool(goal[i] and self._kept[i]),
                "cost": float(self._cost[i]),
            }
        self._return[done], self._length[done], self._cost[done], self._kept[done] = 0, 0, 0, True
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self.venv.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, once a row."""
        return [getattr(self.venv, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the environment, which all rows share."""
        setattr(self.venv, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method that answers for all rows, such as ``action_masks``, and take the rows asked for."""
        answer = getattr(self.venv, method_name)(*args, **kwargs)
        return [answer[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """Whether what the wrapper does is done here: only ``Monitor``'s work is."""
        return [issubclass(wrapper_class, Monitor)] * len(list(self._get_indices(indices)))


class PlainVecEnv(VecEnvWrapper):
    """SB3's own vector of any Gymnasium environment, with a ledger."""

    def __init__(self, env_id: str, env_kwargs: Mapping[str, Any], n: int) -> None:
        self.ledger = Ledger()

        def make() -> gym.Env:
            env = gym.make(env_id, **env_kwargs)
            self.physical_space: gym.Space = env.action_space
            describe_space(env.action_space)  # says what is wrong with one that no policy here can act in
            return Monitor(gym.wrappers.RescaleAction(env, -1, 1) if _is_box(env.action_space) else env)

        super().__init__(DummyVecEnv([make] * n))

    def reset(self) -> Any:
        """Start all episodes."""
        return self.venv.reset()

    def step_async(self, actions: np.ndarray) -> None:
        """Charge the step, then take it."""
        self.ledger.charge("env_steps", self.num_envs)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """What the step gave."""
        return self.venv.step_wait()


def make_training_env(env_id: str, env_kwargs: Mapping[str, Any], n: int) -> VoltGymVecEnv | PlainVecEnv:
    """``n`` rows of any Gymnasium environment for SB3; those of voltgym run as one batch."""
    module, _, name = env_id.rpartition(":")
    if module:
        import_module(module)
    entry = gym.spec(name).vector_entry_point
    if entry is None or "autoreset_mode" not in inspect.signature(load_env_creator(entry)).parameters:
        return PlainVecEnv(env_id, env_kwargs, n)
    how: dict[str, Any] = {"vectorization_mode": "vector_entry_point", "autoreset_mode": "SameStep"}
    env = gym.make_vec(env_id, num_envs=n, **how, **env_kwargs).unwrapped
    return VoltGymVecEnv(env) if isinstance(env, DesignVectorEnv) else PlainVecEnv(env_id, env_kwargs, n)


def _is_box(space: gym.Space) -> bool:
    return isinstance(space, gym.spaces.Box)


def symmetric(space: gym.Space) -> gym.Space:
    """A bounded Box as one of [-1, 1]; a discrete space as it is. `VoltGymError` for what no policy here can act in."""
    describe_space(space)
    return gym.spaces.Box(-1.0, 1.0, space.shape, np.float32) if _is_box(space) else space


def to_physical(actions: np.ndarray, space: gym.Space) -> np.ndarray:
    """(N, ...) actions in [-1, 1] to the bounds of a Box; discrete ones as they are."""
    if not isinstance(space, gym.spaces.Box):
        return actions
    return (space.low + (np.clip(actions, -1, 1) + 1) / 2 * (space.high - space.low)).astype(np.float32)


def kept(
    slacks: Mapping[str, np.ndarray],
    tolerances: Mapping[str, float],
    scales: Mapping[str, float] = {},
    margin: float = 0.0,
) -> np.ndarray:
    """(N,) every slack is at least ``margin`` scales, less its tolerance. Gymnasium's ``_key`` masks are skipped."""
    least = {name: margin * scales.get(name, 0.0) - tolerances.get(name, 0.0) for name in slacks if name[0] != "_"}
    return np.all([slacks[name] >= bound for name, bound in least.items()], axis=0)


# -- which policy is the best ----------------------------------------------------------------------------------------


class Score(NamedTuple):
    """How good a policy is on the validation episodes; compares as feasible first, then value, then return."""

    feasible: float
    """The share of feasible episodes."""
    merit: float
    """The mean of the first value over the feasible episodes, larger is better (its sign is turned if need be)."""
    reward: float
    """The mean return of an episode."""


class Validation:
    """The deterministic policy on fixed episodes, all at once.

    ``margin`` (in scales of the slacks) is how far inside the limits an episode must stay to count as feasible here:
    episodes that were not seen in training come out worse than those that chose the policy.
    """

    def __init__(self, core: Episodes, margin: float) -> None:
        self.core, self.margin = core, margin
        self.core.ledger = Ledger()
        self.name, direction = next(iter(core.objective.directions.items()))
        self.sign = {"max": 1.0, "min": -1.0}[direction]

    def spent(self) -> int:
        """Steps since this was last asked."""
        return int(self.core.ledger.spent.pop("env_steps", 0))

    def __call__(self, policy: MlpPolicy) -> Score:
        """Play every episode to its end."""
        core, rows = self.core, np.arange(self.core.n)
        observation, _ = core.reset(rows, [None] * core.n, list(range(core.n)))
        good, reward = np.ones(core.n, dtype=bool), np.zeros(core.n)
        limits = (core.objective.tolerances, core.objective.scales, self.margin)
        while rows.size:
            mask = core.masks(rows) if hasattr(core.task, "mask") else None
            action, _ = policy(observation, mask=mask)
            observation, gained, terminated, truncated, info = core.step(rows, action)
            reward[rows] += gained
            lost = truncated | (info["failure"] != Failure.NONE)
            good[rows] &= kept(info["slacks"], *limits) & ~lost
            going = ~(terminated | truncated)
            rows, observation = rows[going], observation[going]
        value = self.sign * core.objective.value(core.measured)[self.name]
        return Score(float(good.mean()), float(value[good].mean()) if good.any() else -np.inf, float(reward.mean()))


# -- training --------------------------------------------------------------------------------------------------------


class Checkpoint:
    """Everything that a training needs to go on, in one file that is written whole or not at all.

    Tensors and plain numbers only: it is loaded with ``weights_only=True``, so it can run no code.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.file, self.about = folder / "training.pt", json.loads(json.dumps(dict(about), default=str))

    def save(self, model: BaseAlgorithm, ledger: Ledger, best: tuple[Score, MlpPolicy] | None) -> None:
        """Keep networks, optimisers, replay buffer, counts and the best policy so far."""
        names = model._get_torch_save_params()[1]
        kept_best = best and {
            "score": list(best[0]),
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

    def load(self, model: BaseAlgorithm, ledger: Ledger) -> tuple[Score, MlpPolicy] | None:
        """Put what was saved into ``model`` and ``ledger``; returns the best policy so far."""
        if not self.file.exists():
            return None
        try:
            content = torch.load(self.file, weights_only=True)
            found = json.loads(content["training"])
        except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
            raise VoltGymError(
                f"{self.file} is damaged ({str(error).splitlines()[0]}); delete it to start again"
            ) from None
        for name, expected in self.about.items():
            if found.get(name) != expected:
                raise VoltGymError(
                    f"{self.file} is of another training: its {name} is {found.get(name)!r}, this one's is {expected!r}; "
                    f"train in another folder, or delete the file to start again"
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
        return Score(*best["score"]), MlpPolicy.build(json.loads(best["about"]), arrays)


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
    ) -> None:
        super().__init__()
        self.agent, self.env, self.validation, self.information = agent, env, validation, information
        self.progress, self.checkpoint, self.curve = progress, checkpoint, out / "curve.jsonl"
        self.best: tuple[Score, MlpPolicy] | None = None
        self.total = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=100)
        self._told_at, self._told, self._validated, self._saved = time.monotonic(), 0, 0, 0

    def resume(self, model: BaseAlgorithm) -> None:
        """Go on from the checkpoint, if there is one; the curve loses what came after it."""
        self.init_callback(model)
        self.best = self.checkpoint.load(model, self.env.ledger)
        self._told = self._validated = self._saved = model.num_timesteps
        lines = self.curve.read_text().splitlines() if self.curve.exists() else []
        steps = [json.loads(line)["steps"] if line.endswith("}") else np.inf for line in lines]
        self.curve.write_text("".join(f"{a}\n" for a, at in zip(lines, steps, strict=True) if at <= self._saved))

    def policy(self) -> MlpPolicy:
        """The deterministic actor as it is now."""
        return from_network(self.model.policy, self.env.physical_space, self.information)

    def _on_step(self) -> bool:
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

    def finish(self) -> MlpPolicy:
        """The best policy, after a last validation."""
        if self.model.num_timesteps > self._validated or self.best is None:
            self.validate()
        self.save()
        self.tell()
        return self.best[1] if self.best else self.policy()

    def tell(self) -> None:
        """Report steps, the mean return and the share of feasible episodes of the last 100, the best value so far."""
        self._told_at, self._told = time.monotonic(), self.model.num_timesteps
        numbers = dict(zip(("reward", "feasible"), np.mean(self._recent, axis=0), strict=True)) if self._recent else {}
        if self.best and self.validation:
            numbers["best"] = self.best[0].merit * self.validation.sign
        self.progress.update(self._told, self.total, **{k: float(v) for k, v in numbers.items() if np.isfinite(v)})

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


class SB3Agent:
    """An agent of Stable-Baselines3 as one YAML describes it.

    The environment's ledger is limited to the budget, which is rounded down to whole rollouts (``n_steps`` or
    ``train_freq`` steps of every row) so that no step is paid for that nothing is learned from. With the same seed and one
    thread the result is the same, bit for bit; a training that was interrupted and goes on from its checkpoint is not
    (its episodes start anew), but nothing that was spent is forgotten. Observations are scaled by the task and not
    normalised again.

    The result is the policy that was best on the validation episodes: the one with the largest share of feasible
    episodes, then the best value. Environments of others have no such episodes: there it is the last policy.

    Args:
        algorithm: the class, as a dotted path: ``stable_baselines3.PPO``, ``stable_baselines3.SAC``, ...
        hyperparameters: its keyword arguments.
        policy_kwargs: its policy's; classes, such as ``activation_fn``, as dotted paths.
        final_learning_rate: where the learning rate ends, linearly; None for a constant one.
        num_envs: how many episodes run side by side.
        validate_every: steps between validations. They are charged as ``validation_steps``, beside the budget.
        validation_split: which split they are taken from; None for ``validation`` if the training is on ``train``, else for
            the split that is trained on.
        validation_episodes: how many (one, if the split is ``nominal``).
        validation_margin: how far inside the limits, in scales of the slacks, an episode must stay to count there.
        checkpoint_every: steps between checkpoints.
        threads: of PyTorch; for small networks more than one is slower.
        default_budget: environment steps, where none is asked for.
    """

    unit = "env_steps"

    def __init__(
        self,
        algorithm: str = "stable_baselines3.PPO",
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        policy_kwargs: Mapping[str, Any] | None = None,
        final_learning_rate: float | None = None,
        num_envs: int = 64,
        validate_every: int = 50_000,
        validation_split: str | None = None,
        validation_episodes: int = 16,
        validation_margin: float = 0.0,
        checkpoint_every: int = 100_000,
        threads: int = 1,
        default_budget: int = 500_000,
    ) -> None:
        self.algorithm, self.name = find_class(algorithm, BaseAlgorithm), algorithm
        self.hyperparameters, self.policy_kwargs = dict(hyperparameters or {}), dict(policy_kwargs or {})
        _check_names(f"hyper-parameter of {algorithm}", self.hyperparameters, self.algorithm)
        self.policy_class = self.algorithm.policy_aliases["MlpPolicy"]
        _check_names(f"policy argument of {algorithm}", self.policy_kwargs, self.policy_class)
        for name, count in {
            "num_envs": num_envs,
            "threads": threads,
            "validation_episodes": validation_episodes,
        }.items():
            if count < 1:
                raise VoltGymError(f"{name} is {count!r}; expected a whole number >= 1")
        self.final_learning_rate, self.num_envs, self.threads = final_learning_rate, num_envs, threads
        self.validate_every, self.checkpoint_every = validate_every, checkpoint_every
        self.validation_split, self.validation_episodes = validation_split, validation_episodes
        self.validation_margin, self.default_budget = validation_margin, default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Learn within ``budget`` steps; see the class. ``self.ledger`` is what was spent."""
        torch.set_num_threads(self.threads)
        env = make_training_env(env_id, env_kwargs, self.num_envs)
        self.ledger = env.ledger.limit(env_steps=budget)
        about = {"environment": env_id, "arguments": dict(env_kwargs), "seed": seed, "agent": self._about()}
        try:
            validation, information = self._validation(env, env_id, env_kwargs)
            checkpoint = Checkpoint(out / "checkpoint", about)
            keeper = Keeper(self, env, validation, information, out, progress, checkpoint)
            return self._learn(env, keeper, budget, seed, out)
        finally:
            env.close()

    def _learn(self, env: VoltGymVecEnv | PlainVecEnv, keeper: Keeper, budget: int, seed: int, out: Path) -> MlpPolicy:
        model = self._model(env, seed)
        keeper.resume(model)
        if model.num_timesteps:
            model.set_random_seed(int(np.random.SeedSequence([seed, model.num_timesteps]).generate_state(1)[0]))
        steps = self._affordable(model, budget)
        keeper.total = model.num_timesteps + steps
        model.set_logger(configure(str(out / "tensorboard" / "sb3"), ["tensorboard"]))
        try:
            if steps:
                model.learn(steps, callback=keeper, reset_num_timesteps=False)
        except BudgetExhausted:
            pass  # only where a rollout has no fixed length (whole episodes): the last one did not fit
        except KeyboardInterrupt:
            keeper.save()
            raise
        return keeper.finish()

    def _affordable(self, model: BaseAlgorithm, budget: int) -> int:
        """Steps left in the budget, in whole rollouts."""
        frequency = getattr(model, "train_freq", None)
        rollout = self.num_envs * (frequency.frequency if frequency else model.n_steps)  # type: ignore[attr-defined]
        if budget < rollout:
            raise VoltGymError(
                f"a budget of {budget} env steps is less than one rollout of {rollout} ({rollout // self.num_envs} steps of "
                f"{self.num_envs} rows): raise budget, or lower num_envs, n_steps or train_freq"
            )
        return int(self.ledger.left("env_steps")) // rollout * rollout

    def _model(self, env: VecEnv, seed: int) -> BaseAlgorithm:
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in self.hyperparameters.items()}
        if self.final_learning_rate is not None and "learning_rate" in given:
            given["learning_rate"] = LinearSchedule(given["learning_rate"], self.final_learning_rate, 1.0)
        shape = {name: find_class(v) if isinstance(v, str) else v for name, v in self.policy_kwargs.items()}
        try:
            return self.algorithm("MlpPolicy", env, policy_kwargs=shape, seed=seed, **{"device": "cpu", **given})
        except (TypeError, ValueError, AssertionError) as error:
            raise VoltGymError(f"{self.name} cannot be built from these hyper-parameters: {error}") from None

    def _validation(
        self, env: VoltGymVecEnv | PlainVecEnv, env_id: str, env_kwargs: Mapping[str, Any]
    ) -> tuple[Validation | None, str]:
        """The validation, if the environment has splits, and the information class of what is observed."""
        if isinstance(env, PlainVecEnv):
            return None, env_kwargs.get("observation", "full")
        core = env.venv.core
        split = self.validation_split or {"train": "validation"}.get(core.split, core.split)
        count = 1 if split == "nominal" else self.validation_episodes
        episodes = make_episodes(env_id, count, **{**env_kwargs, "split": split})
        information = env_kwargs.get("observation") or getattr(core.task, "observation", "full")
        return Validation(episodes, self.validation_margin), information

    def _about(self) -> dict[str, Any]:
        rest = {"num_envs": self.num_envs, "policy": self.policy_kwargs}
        return {"algorithm": self.name, **self.hyperparameters, **rest}


def find_class(path: str, base: type = object) -> Any:
    """The class that a dotted path names. `VoltGymError` if there is none, or it is not one of ``base``."""
    try:
        found = locate(path)
        names = [] if found else dir(locate(path.rpartition(".")[0]) or object())
    except ErrorDuringImport as error:
        raise VoltGymError(f"{path} cannot be imported: {error.value}") from None
    if found is None:
        raise UnknownName("class", path, [f"{path.rpartition('.')[0]}.{name}" for name in names if name[0].isupper()])
    if not (isinstance(found, type) and issubclass(found, base)):
        raise VoltGymError(f"{path} is not a {base.__name__}; expected one such as stable_baselines3.PPO")
    return found


def _check_names(what: str, given: Mapping[str, Any], function: Any) -> None:
    known = list(inspect.signature(function).parameters)
    for name in given:
        if name not in known:
            raise UnknownName(what, name, known)
