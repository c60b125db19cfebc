"""A dictionary that forgets what was not used for longest."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most ``most`` values by key.

    ``functools.lru_cache`` remembers the calls of one function; here a batch is looked up, and what is missing is
    learned together.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: dict[K, V] = {}  # in the order of their last use

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value, which counts as used now, or None."""
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value
        return value

    def put(self, key: K, value: V) -> V:
        """Keep ``value`` (not None), and give it back."""
        self._values.pop(key, None)
        self._values[key] = value
        while len(self._values) > self.most:
            del self._values[next(iter(self._values))]
        return value
