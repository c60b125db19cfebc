"""The recurrent learner that takes sequences whole computes what sb3-contrib's does step by step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sb3_contrib import RecurrentPPO

from voltgym.agents.sb3 import make_training_env
from voltgym.agents.sb3.recurrent import SequencePolicy, SequencePPO


def trained(kind: Any) -> Any:
    env: Any = make_training_env("VoltGym/Thevenin-v0", {"max_steps": 10}, 4)
    shape = {"net_arch": [8], "lstm_hidden_size": 8}
    model = kind("MlpLstmPolicy", env, n_steps=16, batch_size=32, n_epochs=2, seed=0, policy_kwargs=shape, device="cpu")
    return model.learn(64 * 3).policy


def test_the_learning_is_the_same() -> None:
    expected, found = trained(RecurrentPPO), trained(SequencePPO)
    assert isinstance(found, SequencePolicy)
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("starts", ["none", "first", "within"])
def test_the_outputs_are_the_same(starts: str) -> None:
    torch.manual_seed(0)
    lstm, (sequences, steps) = torch.nn.LSTM(3, 5), (4, 7)
    features, states = torch.randn(sequences * steps, 3), (torch.randn(1, sequences, 5), torch.randn(1, sequences, 5))
    begins = torch.zeros(sequences, steps)
    begins[:2, 0] = starts != "none"
    begins[1:3, 4] = starts == "within"
    arguments = (features, states, begins.flatten(), lstm)
    expected, after = torch.no_grad()(super(SequencePolicy, SequencePolicy)._process_sequence)(*arguments)
    found, states = torch.no_grad()(SequencePolicy._process_sequence)(*arguments)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(states, after)
