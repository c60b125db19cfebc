"""What was spent: environment steps, look-ahead steps, calls of surrogates and physics, unique designs.

One ledger serves reinforcement learning and Bayesian optimisation alike, so that their budgets compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from numbers import Integral, Real

from voltgym.envs.errors import VoltGymError, shown


class BudgetExhausted(VoltGymError):
    """A charge would pass a limit. Nothing was charged and no work was done."""


class Ledger:
    """Counts what is spent, and refuses what does not fit.

    ``charge`` comes before the work and takes all of it or nothing, so a limit is never passed, not even by one.
    """

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.limits: dict[str, float] = {}
        self._designs: dict[Hashable, None] = {}

    def limit(self, **limits: float) -> Ledger:
        """Set limits by kind, e.g. ``ledger.limit(env_steps=100_000)``. Returns itself."""
        for kind, most in limits.items():
            if not isinstance(most, Real) or isinstance(most, bool) or not most >= 0:
                raise VoltGymError(f"the limit of {kind!r} is {shown(most)}; expected a number >= 0")
            self.limits[kind] = most
        return self

    def left(self, kind: str) -> float:
        """How much of ``kind`` may still be spent; infinite where there is no limit."""
        return self.limits.get(kind, float("inf")) - self.spent[kind]

    def charge(self, kind: str, amount: int = 1) -> None:
        """Spend ``amount`` of ``kind``. Raises :class:`BudgetExhausted`, and spends nothing, if it does not fit."""
        if not isinstance(amount, Integral) or isinstance(amount, bool) or amount < 0:
            raise VoltGymError(f"a charge of {shown(amount)} {kind!r}; expected a whole number >= 0")
        if amount > self.left(kind):
            raise BudgetExhausted(
                f"budget of {kind!r}: {self.spent[kind]} of {self.limits[kind]:g} spent, {amount} more asked for; "
                f"raise it with ledger.limit({kind}=...) or ask for less"
            )
        self.spent[kind] += amount

    def took(self, seconds: float) -> None:
        """Count what a solver took, as ``solver_ms``: never limited, since nobody knows it beforehand."""
        self.spent["solver_ms"] += round(1000 * seconds, 3)  # type: ignore[assignment]  # the one that is no count

    def charge_designs(self, keys: Iterable[Hashable]) -> list[Hashable]:
        """Charge the designs that were never seen before as ``unique_designs``; the rest count as ``duplicates``.

        Returns the new ones, in order.
        """
        keys = list(keys)
        new = [key for key in dict.fromkeys(keys) if key not in self._designs]
        self.charge("unique_designs", len(new))
        self.spent["duplicates"] += len(keys) - len(new)
        self._designs.update(dict.fromkeys(new))
        return new

    @property
    def designs(self) -> list[Hashable]:
        """The designs that were charged, in order."""
        return list(self._designs)

    def restore(self, spent: Mapping[str, float], designs: Iterable[Hashable] = ()) -> None:
        """Go on from what was ``spent`` before, by kind, and the ``designs`` that were charged then."""
        self.spent = Counter(spent)
        self._designs = dict.fromkeys(designs)
