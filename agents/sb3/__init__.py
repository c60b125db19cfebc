"""Stable-Baselines3 agents: PPO, SAC and their kin, on many episodes of a voltgym environment at once.

The only package that imports Stable-Baselines3. What it trains leaves as an ``MlpPolicy`` or, with a memory, as an
``LstmPolicy``, which need only numpy.
"""

from voltgym.agents.sb3.agent import SB3Agent, find_class
from voltgym.agents.sb3.env import PlainVecEnv, VoltGymVecEnv, make_training_env, symmetric, to_physical
from voltgym.agents.sb3.keeper import Checkpoint, Keeper

__all__ = [
    "Checkpoint",
    "Keeper",
    "PlainVecEnv",
    "SB3Agent",
    "VoltGymVecEnv",
    "find_class",
    "make_training_env",
    "symmetric",
    "to_physical",
]
