"""RecurrentPPO whose sequences go through the memory in one call."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.policies import BasePolicy
from torch import nn


class SequencePolicy(RecurrentActorCriticPolicy):
    """sb3-contrib's policy; where episodes begin at the first step of a sequence only, it takes no loop over the steps.

    The rollout buffer cuts sequences where an episode begins, so that is how all of them are when learning.
    """

    @staticmethod
    def _process_sequence(
        features: torch.Tensor,
        lstm_states: tuple[torch.Tensor, torch.Tensor],
        episode_starts: torch.Tensor,
        lstm: nn.LSTM,
    ) -> Any:
        """Outputs (sequences * steps, H) and the states after them; see the base class."""
        sequences = lstm_states[0].shape[1]
        starts = episode_starts.reshape(sequences, -1)
        if not starts[:, 1:].any():
            kept = (1.0 - starts[:, 0]).view(1, sequences, 1)
            lstm_states = (kept * lstm_states[0], kept * lstm_states[1])
            episode_starts = torch.zeros_like(episode_starts)  # for which the base class has its short cut
        return RecurrentActorCriticPolicy._process_sequence(features, lstm_states, episode_starts, lstm)


class SequencePPO(RecurrentPPO):
    """sb3-contrib's RecurrentPPO, but faster: PPO with a memory (LSTM) of the episode so far."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpLstmPolicy": SequencePolicy}
