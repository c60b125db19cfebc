"""The learned SOC estimator as a part of what a battery-management system sees (``soc_estimate=``).

It reads what the observation shows anyway, voltage, temperature, C-rate and counted SOC, and remembers an episode's
past in the state that the caller keeps. The environment's sensors have no noise; the estimator was learned with some.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.charging.cells import Cell
from voltgym.envs.charging.task import Channel
from voltgym.envs.contracts import Measured
from voltgym.envs.errors import VoltGymError, shown
from voltgym.surrogates.base import State
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.soc import Following, SocEstimator, load_shipped
from voltgym.surrogates.state_sensors import COLUMNS

ESTIMATE, SPREAD = "Estimated SOC", "Estimated SOC std"


class SocWatch:
    """Follows N episodes with an estimator: a row's estimate depends on that row alone, bit for bit."""

    channels = (Channel(ESTIMATE, 0.5, 0.3), Channel(SPREAD, 0.0, 0.02))

    def __init__(self, estimator: SocEstimator) -> None:
        self.estimator = estimator

    def remember(self, state: State, measured: Measured) -> State:
        """What the next step must know: the networks' memory, the domain, how many samples, and the estimate."""
        n = len(measured[COLUMNS[0]])
        if "soc memory" in state:
            before = Following(state["soc memory"], state["soc domain"], state["soc samples"])
        else:
            before = self.estimator.begin(n)
        sample = np.stack([measured[name] for name in COLUMNS], axis=1)
        now, found = self.estimator.follow(before, sample)
        estimate = np.stack([found.soc, found.std], axis=1)
        kept = {"soc memory": now.memory, "soc domain": now.domain, "soc samples": now.samples}
        return kept | {"soc estimate": estimate}

    def values(self, state: State) -> dict[str, np.ndarray]:
        """(N,) by the name of the channel."""
        return {ESTIMATE: state["soc estimate"][:, 0], SPREAD: state["soc estimate"][:, 1]}


def soc_watch(wanted: Any, cell: Cell) -> SocWatch | None:
    """What ``soc_estimate=`` means: False for none, True for the shipped estimator, or a folder of weights.

    Raises:
        VoltGymError: it is something else, the weights are missing, or the shipped ones are of another cell.
    """
    if wanted is False or wanted is None:
        return None
    if wanted is not True and not isinstance(wanted, str | Path):
        raise VoltGymError(f"soc_estimate is {shown(wanted)}; expected False, True or a folder of weights")
    try:
        estimator = load_shipped() if wanted is True else SocEstimator.load(Path(wanted))
    except WeightsError as error:
        raise VoltGymError(str(error)) from None
    if wanted is True and estimator.card["digest of the cell"] != cell.digest:
        raise VoltGymError(
            f"the SOC estimator that is shipped is of {estimator.card['cell']}, not of {cell.name}; fit one with "
            f"`voltgym fit surrogate=soc surrogate.cell={cell.key} out=FOLDER` and give soc_estimate=FOLDER"
        )
    return SocWatch(estimator)
