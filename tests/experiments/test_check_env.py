from __future__ import annotations

from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import check_env


def test_ours_has_nothing_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    check_env.main(["VoltGym/Thevenin-v0", "max_steps=20"])
    out = capsys.readouterr().out
    assert "VoltGym/Thevenin-v0: nothing to mend" in out
    assert "MEND" not in out


def test_a_plain_environment_is_told_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    check_env.main(["CartPole-v1"])
    out = capsys.readouterr().out
    assert "lacks  composed of twin, task and objective" in out
    assert "CartPole-v1: nothing to mend" in out


def test_what_is_wrong_is_named_and_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import voltgym.envs.checker as checker

    def broken(env_id: str, **kwargs: Any) -> list[tuple[bool, str, str, bool]]:
        return [(True, "a", "fine", True), (False, "b", "found 1, expected 2", True), (False, "c", "none", False)]

    monkeypatch.setattr(checker, "check_env_contract", broken)
    with pytest.raises(SystemExit) as status:
        check_env.main(["VoltGym/Thevenin-v0"])
    assert status.value.code == 1
    assert "MEND   b: found 1, expected 2\nlacks  c: none\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "which environment"),
        (["VoltGym/Thevnin-v0"], "Did you mean: `Thevenin`"),
        (["VoltGym/Thevenin-v0", "max_step=3"], "Did you mean 'max_steps'"),
        (["VoltGym/Thevenin-v0", "max_steps"], "expected argument=value"),
    ],
)
def test_mistakes(argv: list[str], says: str) -> None:
    with pytest.raises(VoltGymError, match=says):
        check_env.main(argv)
