"""What searches for a design share: how they begin, how designs compare, and ``HandIn``, what they leave behind."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.agents.base import Memory
from voltgym.agents.oracle import Oracle, ranked
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.edits import START
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, shown
from voltgym.envs.making import make_episodes
from voltgym.envs.scenario import generator

DESIGNS_FILE = "designs.jsonl"
"""In the run folder: every different design in the order asked for, one ``Verdict`` a line."""
_FILE = "hand_in.json"


class HandIn:
    """Designs, best first. In an episode that starts from one of them it stops at once: that hands it in.

    Args:
        designs: their keys.
    """

    information = "full"

    def __init__(self, designs: Sequence[str]) -> None:
        if isinstance(designs, str) or not all(isinstance(design, str) for design in designs) or not len(designs):
            raise VoltGymError(f"the designs are {shown(designs)}; expected a list of texts, at least one")
        self.designs = list(designs)
        self._stop: int | None = None
        self._start = 0

    def environments(self) -> list[dict[str, Any]]:
        """The arguments of an environment for each episode that hands a design in, best first."""
        return [{"start": design} for design in self.designs]

    def bind(self, episodes: Episodes) -> None:
        """Read which action hands a design in."""
        space: Any = getattr(episodes.twin, "space", None)
        if not hasattr(space, "stop"):
            raise VoltGymError(f"{episodes.env_id} edits no design: there is nothing to hand in")
        self._start = int(getattr(episodes.task.action_space, "start", 0))
        self._stop = int(space.stop) + self._start

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N,) the action that stops; the first valid one where the mask does not allow it."""
        if self._stop is None:
            raise VoltGymError("designs must be bound to their episodes first: policy.bind(episodes)")
        action = np.full(len(observation), self._stop, dtype=np.int64)
        if mask is not None:
            other = np.asarray(mask).argmax(axis=1) + self._start
            action = np.where(mask[:, self._stop - self._start], action, other)
        return action, memory

    def save(self, path: Path) -> None:
        """Write the designs as JSON into the folder ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        (path / _FILE).write_text(json.dumps({"designs": self.designs}, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(json.loads((path / _FILE).read_text(encoding="utf-8"))["designs"])


# -- how a search begins and ends --------------------------------------------------------------------------------------


def begin(
    env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, agent: Mapping[str, Any]
) -> Oracle:
    """The oracle of an editing environment; its log is in ``out / "checkpoint"``.

    ``agent`` is what the search depends on beside its seed. The split is the environment's own, or ``train``.
    """
    problem = EditProblem(env_id, **{"split": "train", **env_kwargs})
    about = {"environment": env_id, "arguments": dict(env_kwargs), "seed": seed, "agent": dict(agent)}
    return Oracle(problem, out / "checkpoint", about, budget)


def starts(env_id: str, env_kwargs: Mapping[str, Any], count: int) -> list[str]:
    """The different designs that the first ``count`` episodes of the split begin with, in order. Free."""
    core = make_episodes(env_id, 1, **{"split": "train", **env_kwargs})
    space: Any = core.twin.space  # type: ignore[attr-defined]  # an EditTwin: `begin` made sure
    found = [core.scenario(generator(env_id, core.split, k))[START] for k in range(count)]
    return list(dict.fromkeys(space.canonical(design) for design in found))


def finish(oracle: Oracle, out: Path, count: int) -> HandIn:
    """Write ``designs.jsonl`` into ``out`` and hand in the ``count`` best."""
    oracle.log.copy_to(out / DESIGNS_FILE)
    return HandIn([verdict.key for verdict in ranked(oracle.log.all, oracle.sign)[:count]])


# -- how designs compare -----------------------------------------------------------------------------------------------


def fingerprints(space: Any) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from ``n`` designs to (n, f) counts: the space's own ``fingerprints``, or :func:`grams`."""
    return getattr(space, "fingerprints", grams)


def grams(designs: Sequence[str], longest: int = 3, size: int = 1024) -> np.ndarray:
    """(n, size) uint8: how often each run of one to ``longest`` characters is in a key, hashed (CRC-32).

    For spaces that have no fingerprint of their own: keys that share runs of characters are taken to be alike.
    """
    out = np.zeros((len(designs), size), dtype=np.uint8)
    for row, design in zip(out, designs, strict=True):
        for length in range(1, longest + 1):
            for i in range(len(design) - length + 1):
                row[zlib.crc32(design[i : i + length].encode()) % size] += 1
    return out
