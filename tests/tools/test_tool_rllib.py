"""RLlib's PPO, one iteration. Ray is installed without its extra ``rllib``, which asks for ``gymnasium==1.2.2``."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tools
ppo = pytest.importorskip("ray.rllib.algorithms.ppo")
ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize("env", ["VoltGym/Thevenin-v0", "VoltGym/FastCharge-v0"])
@pytest.mark.parametrize("runners", [0, 1])
def test_one_iteration(env: str, runners: int) -> None:
    """In this process and in a worker, which finds the environment by ``module:Id``."""
    config = (
        ppo.PPOConfig()
        .environment(f"voltgym.envs:{env}")
        .env_runners(num_env_runners=runners, num_envs_per_env_runner=2)
        .training(train_batch_size=600, minibatch_size=100, num_epochs=1)
    )
    algorithm = config.build_algo()
    found = algorithm.train()
    algorithm.stop()
    assert found["env_runners"]["num_env_steps_sampled"] >= 600
    assert np.isfinite(found["env_runners"]["episode_return_mean"])
