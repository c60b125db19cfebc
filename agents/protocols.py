"""Multi-stage protocols as designs: a vector of C-rates, one for each window of counted SOC."""

from __future__ import annotations

import numpy as np

from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.problem import Act


class RatesBySOC:
    """C-rates in equal windows of the SOC that a BMS counts, for environments whose action is the next C-rate.

    The kind of protocol that Attia et al. (Nature 578, 397-402, 2020, doi:10.1038/s41586-020-1994-5) searched. The
    first window also covers everything below ``first_soc``, the last everything above.
    """

    information = "bms"

    def __init__(
        self, stages: int = 5, low: float = 0.1, high: float = 3.0, first_soc: float = 0.1, last_soc: float = 0.8
    ) -> None:
        stages = whole_number("stages", stages, most=1000)
        low, high = number("low", low, "a C-rate >= 0"), number("high", high, "a C-rate above low")
        first_soc, last_soc = number("first_soc", first_soc, "an SOC"), number("last_soc", last_soc, "an SOC", high=1)
        if not 0 <= low < high or not 0 <= first_soc < last_soc <= 1:
            raise VoltGymError(
                "expected 0 <= low < high and 0 <= first_soc < last_soc <= 1; "
                f"found {low}, {high}, {first_soc}, {last_soc}"
            )
        self.arguments = {"stages": stages, "low": low, "high": high, "first_soc": first_soc, "last_soc": last_soc}
        self.stages, self.low, self.high = stages, low, high
        self.edges = np.linspace(first_soc, last_soc, self.stages + 1)[1:-1]

    @property
    def bounds(self) -> np.ndarray:
        """(2, stages) C-rates."""
        return np.array([[self.low] * self.stages, [self.high] * self.stages])

    def policy(self, x: np.ndarray, episodes: Episodes) -> Act:
        """C-rates for (n, ...) observations of a task that can ``read`` its ``"Counted SOC"`` or ``"SOC"``."""
        read = getattr(episodes.task, "read", None)
        names = getattr(episodes.task, "names", ())
        soc = next((name for name in ("Counted SOC", "SOC") if name in names), None)
        if read is None or soc is None:
            raise VoltGymError(f"{episodes.env_id} does not observe an SOC: rates by SOC window cannot act there")

        def act(observation: np.ndarray) -> np.ndarray:
            window = np.searchsorted(self.edges, read(observation, soc), side="right")
            return x[np.arange(len(x)), window][:, None].astype(np.float32)

        return act
