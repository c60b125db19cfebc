"""An agent of Stable-Baselines3 as one YAML describes it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from voltgym.agents.base import Policy, Progress
from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.oracle import UNIT
from voltgym.agents.sb3.designs import EliteStarts, Recorder
from voltgym.agents.sb3.env import PlainVecEnv, VoltGymVecEnv, make_training_env
from voltgym.agents.sb3.keeper import Checkpoint, Keeper
from voltgym.agents.validation import Validation, validation_split
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import UnknownName, VoltGymError, check_name, number, whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger

FRACTIONS = {"gamma", "gae_lambda", "tau"}
"""Hyper-parameters that Stable-Baselines3 takes unchecked and that diverge outside [0, 1]."""
UNITS = ("env_steps", UNIT)
"""What a budget may count."""


class SB3Agent:
    """An agent of Stable-Baselines3 as one YAML describes it.

    The environment's ledger is limited to the budget, which is rounded down to whole rollouts (``n_steps`` or
    ``train_freq`` steps of every row) so that no step is paid for that nothing is learned from. With the same seed and
    one thread the result is the same, bit for bit; a training that was interrupted and goes on from its checkpoint is
    not (its episodes start anew), but nothing that was spent is forgotten. Observations are scaled by the task and not
    normalised again.

    The result is the policy that was best on the validation episodes: the one with the largest share of feasible
    episodes, then the best value. Environments of others have no such episodes: there it is the last policy.

    With ``unit="unique_designs"`` the budget counts the different designs that an editing environment prices, and the
    training ends where the next step asks for more than are left (what was collected since the last update is lost to
    the learner), or after ``max_steps_per_design`` steps for each of them. Nothing is validated, which would price
    designs beside the budget: the result is the last policy. ``designs`` are those priced, in order; they are kept with
    their values in ``designs.jsonl``. Learning rates and exploration follow the share of the budget that is spent.

    Args:
        algorithm: the class, as a dotted path: ``stable_baselines3.PPO``, ``stable_baselines3.SAC``, ...
        policy: the algorithm's name of its networks: ``MlpPolicy``, or ``MlpLstmPolicy`` for one with a memory.
        hyperparameters: its keyword arguments.
        policy_kwargs: its policy's; classes, such as ``activation_fn``, as dotted paths.
        action_noise: standard deviation of the Gaussian noise on the actions, which learn as [-1, 1], in training; for
            algorithms whose policy has none of its own, such as TD3.
        initial_action: where the mean of a Gaussian policy begins, in [-1, 1] of the bounds; None for their middle,
            which may be far beyond what the limits allow.
        final_learning_rate: where the learning rate ends, linearly; None for a constant one.
        num_envs: how many episodes run side by side.
        validate_every: steps between validations. They are charged as ``validation_steps``, beside the budget.
        validation_split: which split they are taken from; None for ``validation`` if the training is on ``train``, else
            for the split that is trained on.
        validation_episodes: how many (one, if the split is ``nominal``).
        validation_margin: how far inside the limits, in scales of the slacks, an episode must stay to count there.
        checkpoint_every: steps between checkpoints.
        reward_floor, reward_scale: what the learner is told is ``scale * max(reward, floor)``. The reward of a failure
            is many times that of a step, which a policy gradient stands and a critic of off-policy learning does not.
        threads: of PyTorch; for small networks more than one is slower.
        default_budget: in the agent's unit, where none is asked for.
        unit: what the budget counts: ``env_steps`` or ``unique_designs``.
        max_steps_per_design: see above.
        elite, elite_share: with designs counted, this share of the episodes begins with one of that many best designs
            so far, in place of the scenario's own start.
        repeat_penalty: what the learner is told that a design costs which was priced before, so that it does not settle
            on those that it knows (a memory of what was tried, as Blaschke et al. 2020, J. Cheminform. 12, 68, gave
            to molecule design; from memory).
        episode_steps: edits of an episode in training; None for as many as the environment allows.
        training_kwargs: arguments of the environment to change while learning, such as ``margin`` or ``penalty`` of
            FastCharge, which shape the reward; the policy is validated and judged without them.
    """

    def __init__(
        self,
        algorithm: str = "stable_baselines3.PPO",
        *,
        policy: str = "MlpPolicy",
        hyperparameters: Mapping[str, Any] | None = None,
        policy_kwargs: Mapping[str, Any] | None = None,
        action_noise: float | None = None,
        initial_action: float | None = None,
        final_learning_rate: float | None = None,
        num_envs: int = 64,
        validate_every: int = 50_000,
        validation_split: str | None = None,
        validation_episodes: int = 16,
        validation_margin: float = 0.0,
        checkpoint_every: int = 100_000,
        reward_floor: float | None = None,
        reward_scale: float = 1.0,
        threads: int = 1,
        default_budget: int = 500_000,
        unit: str = "env_steps",
        max_steps_per_design: int = 20,
        elite: int = 0,
        elite_share: float = 0.0,
        repeat_penalty: float = 0.0,
        episode_steps: int | None = None,
        training_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        check_name("unit", unit, UNITS)
        self.unit, self.max_steps_per_design = unit, whole_number("max_steps_per_design", max_steps_per_design)
        self.elite = whole_number("elite", elite, least=0)
        self.elite_share = number("elite_share", elite_share, "a share in [0, 1]", high=1.0)
        self.shorter = {} if episode_steps is None else {"max_steps": whole_number("episode_steps", episode_steps)}
        self.changes = {**(training_kwargs or {}), **self.shorter}
        self.algorithm, self.name = find_class(algorithm, BaseAlgorithm), algorithm
        self.hyperparameters, self.policy_kwargs = dict(hyperparameters or {}), dict(policy_kwargs or {})
        _check_names(f"hyper-parameter of {algorithm}", self.hyperparameters, self.algorithm)
        for name in sorted(FRACTIONS & set(self.hyperparameters)):
            number(f"hyperparameters.{name}", self.hyperparameters[name], "a number in [0, 1]", high=1.0)
        check_name(f"policy of {algorithm}", policy, self.algorithm.policy_aliases)
        self.policy, self.policy_class = policy, self.algorithm.policy_aliases[policy]
        _check_names(f"policy argument of {algorithm}", self.policy_kwargs, self.policy_class)
        self.noise = (
            {} if action_noise is None else {"action_noise": number("action_noise", action_noise, "a number >= 0")}
        )
        _check_names(f"argument of {algorithm}", self.noise, self.algorithm)
        for name, count in {
            "num_envs": num_envs,
            "threads": threads,
            "validation_episodes": validation_episodes,
            "validate_every": validate_every,
            "checkpoint_every": checkpoint_every,
        }.items():
            if count < 1:
                raise VoltGymError(f"{name} is {count!r}; expected a whole number >= 1")
        self.initial_action = (
            None
            if initial_action is None
            else number("initial_action", initial_action, "a number in [-1, 1]", -1.0, 1.0)
        )
        self.final_learning_rate, self.num_envs, self.threads = final_learning_rate, num_envs, threads
        self.validate_every, self.checkpoint_every = validate_every, checkpoint_every
        self.validation_split, self.validation_episodes = validation_split, validation_episodes
        self.validation_margin, self.default_budget = validation_margin, default_budget
        self.reward = {
            "reward_floor": -np.inf if reward_floor is None else float(reward_floor),
            "reward_scale": float(reward_scale),
            "repeat_penalty": number("repeat_penalty", repeat_penalty, "a number >= 0"),
        }
        self.ledger = Ledger()
        self.designs: list[str] = []
        """The designs that the last training priced, in order; none where the budget counts steps."""

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Learn within ``budget`` of the agent's unit; see the class. ``self.ledger`` is what was spent."""
        torch.set_num_threads(self.threads)
        env = make_training_env(env_id, {**env_kwargs, **self.changes}, self.num_envs, **self.reward)
        self.ledger = env.ledger
        about = {"environment": env_id, "arguments": dict(env_kwargs), "seed": seed, "agent": self._about()}
        try:
            recorder = self._recorder(env, out / "checkpoint", about, budget) if self.unit == UNIT else None
            steps = budget * self.max_steps_per_design if recorder else budget
            self.ledger.limit(env_steps=steps)
            validation, information = self._validation(env, env_id, env_kwargs)
            checkpoint = Checkpoint(out / "checkpoint", about)
            keeper = Keeper(self, env, validation, information, out, progress, checkpoint, recorder)
            policy = self._learn(env, keeper, steps, seed, out)
            if recorder:
                self.designs = [verdict.key for verdict in recorder.log.all]
                recorder.log.copy_to(out / DESIGNS_FILE)
            return policy
        finally:
            env.close()

    def _recorder(
        self, env: VoltGymVecEnv | PlainVecEnv, folder: Path, about: Mapping[str, Any], budget: int
    ) -> Recorder:
        recorder = Recorder(env, folder, about, budget, self.elite)
        if self.elite_share:
            core = env.venv.core  # type: ignore[union-attr]  # a VoltGymVecEnv, or there were no recorder
            core.scenario = EliteStarts(core.scenario, recorder, self.elite_share)
        return recorder

    def _learn(self, env: VoltGymVecEnv | PlainVecEnv, keeper: Keeper, budget: int, seed: int, out: Path) -> Policy:
        model = self._model(env, seed)
        keeper.resume(model)
        if model.num_timesteps:
            model.set_random_seed(int(np.random.SeedSequence([seed, model.num_timesteps]).generate_state(1)[0]))
        steps = 0 if keeper.recorder and not keeper.recorder.left() else self._affordable(model, budget)
        keeper.total = model.num_timesteps + steps
        model.set_logger(configure(str(out / "tensorboard" / "sb3"), ["tensorboard"]))
        try:
            if steps:
                model.learn(steps, callback=keeper, reset_num_timesteps=False)
        except BudgetExhausted:
            pass  # where a rollout has no fixed length (whole episodes), or designs are counted: the last did not fit
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
                f"a budget of {budget} env steps is less than one rollout of {rollout} "
                f"({rollout // self.num_envs} steps of {self.num_envs} rows): raise budget, or lower num_envs, n_steps "
                f"or train_freq{' (it is max_steps_per_design for each design)' * (self.unit == UNIT)}"
            )
        return int(self.ledger.left("env_steps")) // rollout * rollout

    def _model(self, env: VecEnv, seed: int) -> BaseAlgorithm:
        given: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in self.hyperparameters.items()
        }
        if self.final_learning_rate is not None and "learning_rate" in given:
            given["learning_rate"] = LinearSchedule(given["learning_rate"], self.final_learning_rate, 1.0)
        for name, sigma in self.noise.items():
            zero = np.zeros(env.action_space.shape or ())
            given[name] = NormalActionNoise(zero, np.full_like(zero, sigma))
        shape = {name: find_class(v) if isinstance(v, str) else v for name, v in self.policy_kwargs.items()}
        if "use_masking" in inspect.signature(self.algorithm.learn).parameters and not env.has_attr("action_masks"):
            raise VoltGymError(f"{self.name} needs an environment with `action_masks`; this one has none: use PPO")
        try:
            model = self.algorithm(self.policy, env, policy_kwargs=shape, seed=seed, **{"device": "cpu", **given})
            return self._begun(model)
        except VoltGymError:
            raise
        except (TypeError, ValueError, AssertionError) as error:
            raise VoltGymError(f"{self.name} cannot be built from these hyper-parameters: {error}") from None

    def _begun(self, model: BaseAlgorithm) -> BaseAlgorithm:
        """``model`` with the mean action where it is to begin."""
        if self.initial_action is not None:
            net = getattr(model.policy, "action_net", None)
            if net is None:
                raise VoltGymError(f"initial_action is {self.initial_action}, but {self.name} has no Gaussian policy")
            torch.nn.init.constant_(net.bias, self.initial_action)
        return model

    def _validation(
        self, env: VoltGymVecEnv | PlainVecEnv, env_id: str, env_kwargs: Mapping[str, Any]
    ) -> tuple[Validation | None, str]:
        """The validation, if the environment has splits, and the information class of what is observed."""
        if isinstance(env, PlainVecEnv):
            return None, str(env_kwargs.get("observation", "full"))
        core = env.venv.core
        information = str(env_kwargs.get("observation") or getattr(core.task, "observation", "full"))
        if self.unit == UNIT:
            return None, information
        split = validation_split(env_id, env_kwargs, self.validation_split)
        count = 1 if split == "nominal" else self.validation_episodes
        episodes = make_episodes(env_id, count, **{**env_kwargs, "split": split})
        return Validation(episodes, self.validation_margin), information

    def _about(self) -> dict[str, Any]:
        rest = {**self.reward, "num_envs": self.num_envs, "policy": self.policy_kwargs}
        if self.unit == UNIT:
            rest |= {"elite": self.elite, "elite_share": self.elite_share}
        rest |= self.changes | ({} if self.initial_action is None else {"initial_action": self.initial_action})
        if self.policy != "MlpPolicy":
            rest |= {"network": self.policy}
        return {"algorithm": self.name, **self.hyperparameters, **rest, **self.noise}


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
    known = _parameters(function)
    for name in given:
        if name not in known:
            raise UnknownName(what, name, known)


def _parameters(function: Any) -> list[str]:
    """Names that can be given to a class; one that passes ``**names`` on also takes those of its base class."""
    found = inspect.signature(function).parameters
    passed_on = [name for name, parameter in found.items() if parameter.kind is parameter.VAR_KEYWORD]
    base = getattr(function, "__bases__", ())[:1] if passed_on else ()
    return [name for name in found if name not in passed_on] + [name for kind in base for name in _parameters(kind)]
