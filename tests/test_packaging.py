"""What is in the tree is what an installed wheel has: every package, config, data file and type marker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("envs", "agents", "surrogates", "conf", "experiments")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SUFFIXES = {".py", *(Path(p).suffix or p for p in SETTINGS["tool"]["setuptools"]["package-data"]["*"])}
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def is_shipped(path: Path) -> bool:
    """Is ``path`` code or data that belongs into the wheel?"""
    return path.is_file() and (path.suffix in SUFFIXES or path.name in SUFFIXES) and "__pycache__" not in path.parts


def shipped_files() -> set[str]:
    """Every file that the wheel must have, relative to the root."""
    return {p.relative_to(ROOT).as_posix() for f in FOLDERS for p in (ROOT / f).rglob("*") if is_shipped(p)}


def test_packages_equal_the_tree() -> None:
    declared = set(SETTINGS["tool"]["setuptools"]["packages"])
    present = {"voltgym." + ".".join(Path(f).parent.parts) for f in shipped_files()}
    assert declared == present, f"in pyproject only: {declared - present}; in the tree only: {present - declared}"


def test_every_top_folder_is_mapped_and_typed() -> None:
    assert SETTINGS["tool"]["setuptools"]["package-dir"] == {f"voltgym.{f}": f for f in FOLDERS}
    assert not (ROOT / "__init__.py").exists(), "voltgym is a namespace: no __init__.py at the root"
    code = {f for f in FOLDERS if any((ROOT / f).rglob("*.py"))}
    assert {f for f in code if not (ROOT / f / "py.typed").exists()} == set()


def test_no_data_file_is_left_out_by_its_suffix() -> None:
    """A data file with a suffix that pyproject doesn't ship would work in a checkout and be missing once installed."""
    every = {p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {p.relative_to(ROOT).as_posix() for p in every if not is_shipped(p) and p.suffix != ".md"} == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that a stale ``build/`` cannot leak renamed modules into it."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("voltgym-*.whl"))


def test_the_wheel_has_everything(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == {f"voltgym/{f}" for f in shipped_files()}


def test_the_installed_wheel_works_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    # The target first on the path: what runs is the installed copy, not the checkout.
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); sys.meta_path[:] = ["
        "f for f in sys.meta_path if 'editable' not in (getattr(f, '__module__', None) or '')];"
        "import voltgym.envs; from voltgym.experiments import cli, configs, compare;"
        "config = configs.compose('train', ['env=thevenin', 'agent=random', 'evaluation=nominal']);"
        "compare.load_suite('demo'); print(voltgym.envs.__file__, config['env']['id'], len(cli.commands()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, env_id, commands = done.stdout.split()
    assert Path(file).is_relative_to(target)
    assert env_id == "VoltGym/Thevenin-v0"
    assert int(commands) >= 6
    assert sorted(p.name for p in (target / "bin").iterdir()) == ["voltgym"]
