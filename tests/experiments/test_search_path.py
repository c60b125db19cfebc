"""Configs of installed plug-ins and of places that the command line names are found, listed and suggested."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import arguments, compare, configs, search_path
from voltgym.experiments import list as listing

MINE = "# A pendulum of mine.\nid: CartPole-v1\nkwargs: {}\n"


def folder(path: Path, **files: str) -> Path:
    """A folder of configs: ``env_mine="..."`` is env/mine.yaml."""
    for name, text in files.items():
        group, _, config = name.partition("_")
        (path / group).mkdir(parents=True, exist_ok=True)
        (path / group / f"{config}.yaml").write_text(text)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package ``plugged`` with configs and an entry point, and one that cannot be imported."""
    package = folder(tmp_path / "plugged" / "conf", env_mine=MINE, env_thevenin="id: theirs\nkwargs: {}\n")
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("raise RuntimeError('no licence\\nfound')")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint(name, f"{name}.conf", "voltgym.conf") for name in ("plugged", "broken")]
    monkeypatch.setattr(search_path, "entry_points", lambda group: points)
    search_path.plugins.cache_clear()
    yield "pkg://plugged.conf"
    search_path.plugins.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("plugged", "broken")]:
        del sys.modules[name]


def test_an_installed_plug_in_is_found_by_itself(installed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert configs.compose("train", ["env=mine"])["env"]["id"] == "CartPole-v1"
    listing.main(["env"])
    out, err = capsys.readouterr()
    assert "A pendulum of mine.  (plugged)\n" in out
    assert (
        err
        == "voltgym: the plug-in broken is left out, broken.conf cannot be imported: RuntimeError: no licence found\n"
    )


def test_its_configs_are_suggested(installed: str) -> None:
    with pytest.raises(VoltGymError, match="Did you mean 'mine'"):
        configs.compose("train", ["env=mien"])


def test_it_changes_no_name_of_ours(installed: str) -> None:
    assert configs.compose("train", ["env=thevenin"])["env"]["id"] == "VoltGym/Thevenin-v0"
    assert "theirs" not in configs.read("env", "thevenin")
    assert configs.owners("env")["thevenin"] == ""


def test_another_hydra_application_sees_nothing_of_it(installed: str, tmp_path: Path) -> None:
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    configs.compose("train")
    folder(tmp_path / "theirs", env_one="a: 1")
    with hydra.initialize_config_dir(str(tmp_path / "theirs"), version_base="1.3"):
        assert GlobalHydra.instance().config_loader().get_group_options("env") == ["one"]


def test_a_place_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = folder(tmp_path / "mine", env_mine=MINE, cell_one="# A cell.\n", suite_small=SUITE)
    for told in (["--config-dir", str(place)], [f"--config-dir={place}"], [f"hydra.searchpath=[file://{place}]"]):
        config = configs.compose("train", arguments.overrides(["env=mine", *told, "-m"]))
        assert config["env"]["id"] == "CartPole-v1"
        listing.main(["cell", *told])
        assert f"A cell.  (file://{place})" in capsys.readouterr().out
        suite = compare.load_suite("small", told)
        assert suite["common"] == ["env=mine", f"hydra.searchpath=['file://{place}']"]
        assert [job.name for job in compare.make_jobs(suite)] == ["one"]


SUITE = """folder: runs/small
workers: 1
common: [env=mine]
jobs: {one: [agent=random]}
tables: []
"""


def test_two_places_at_once(installed: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "more", agent_mine="_target_: toys.Agent\n")
    told = ["--config-dir", str(place), f"+hydra.searchpath=[{installed}]", "env=mine", "agent=mine"]
    config = configs.compose("train", arguments.overrides(told))
    assert (config["env"]["id"], config["agent"]["_target_"]) == ("CartPole-v1", "toys.Agent")


def test_hydras_flags_are_no_overrides() -> None:
    argv = ["-m", "--config-name", "fit", "env=x", "--cfg", "job", "a=-1", "--info", "config", "--info", "b=1"]
    assert arguments.overrides(argv) == ["env=x", "a=-1", "b=1"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--config-dir"], "--config-dir is followed by nothing; expected a folder"),
        (["--config-dir", "-m"], "expected a folder"),
        (["--config-dir", "/no/such"], "no folder '/no/such' to search for configs; expected"),
        (["hydra.searchpath=x"], "hydra.searchpath is 'x'; expected a list, such as"),
        (["hydra.searchpath=[pkg://no_such.conf]"], "no package 'no_such.conf' to search for configs .*; install it"),
        (["hydra.searchpath=[http://x]"], "cannot search 'http://x' for configs; expected pkg://"),
        (["--multrun"], "unknown option '--multrun'. Did you mean '--multirun'"),
        (["--cfg"], "--cfg is followed by nothing; expected a value"),
    ],
)
def test_mistakes_are_one_line(argv: list[str], says: str, recwarn: Any) -> None:
    with pytest.raises(VoltGymError, match=says) as caught:
        configs.compose("train", arguments.overrides(argv))
    assert "\n" not in str(caught.value)
    assert [w for w in recwarn if "not available" in str(w.message)] == []
