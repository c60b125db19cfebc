"""The public face of the contracts: what an environment is composed of, and what composes it."""

from voltgym.envs.contracts import Measured, Objective, Parts, Scenario, Task, Twin
from voltgym.envs.episodes import Episodes
from voltgym.envs.making import entry_points, make_episodes
from voltgym.envs.single import DesignEnv
from voltgym.envs.vector import DesignVectorEnv
from voltgym.surrogates.base import Failure, State

__all__ = [
    "DesignEnv",
    "DesignVectorEnv",
    "Episodes",
    "Failure",
    "Measured",
    "Objective",
    "Parts",
    "Scenario",
    "State",
    "Task",
    "Twin",
    "entry_points",
    "make_episodes",
]
