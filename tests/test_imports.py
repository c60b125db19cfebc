"""Who may import whom: layers point one way, and every heavy library has its place.

The rules are read off the source (no import runs), so a forbidden import inside a function counts too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("surrogates", "envs", "agents", "experiments")
"""Lowest first: a layer imports itself and what is below it, never what is above."""

PLACES = {
    "hydra": ("experiments/",),
    "stable_baselines3": ("agents/sb3/",),
    "sb3_contrib": ("agents/sb3/",),
    "botorch": ("agents/botorch",),
    "cma": ("agents/cma.py",),
    "optuna": ("agents/tpe.py", "experiments/search.py"),
    "joblib": ("experiments/launchers/",),
    "submitit": ("experiments/launchers/",),
    "ray": ("experiments/launchers/",),
    "moocore": ("agents/pareto.py",),
    "onnx": ("agents/onnx_",),
    "onnxruntime": ("agents/onnx_worker.py",),
    "pybamm": ("envs/charging/",),
    "casadi": ("envs/charging/",),
    "ase": ("envs/cathode/", "envs/solvent/"),
    "sevenn": ("envs/cathode/",),
    "chgnet": ("envs/cathode/",),
    "xtb": ("envs/solvent/",),
    "tblite": ("envs/solvent/",),
    "rdkit": ("envs/solvent/", "surrogates/solvent_"),
    "pyscf": ("envs/solvent/",),
    "pymatgen": ("envs/cathode/",),
}
"""Top-level module -> the only places that may import it; what such a name begins with; a folder ends with a slash."""

HEAVY = ("pybamm", "casadi", "torch", "stable_baselines3", "botorch", "hydra", "rdkit", "pymatgen")


def imported_modules(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Every (line, absolute module) that ``source``, a module of ``package``, imports, by name or by string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def violations(path: str, source: str) -> list[str]:
    """What ``source`` at ``path`` (relative to the root, with slashes) imports against the rules; one line each."""
    layer = path.split("/")[0]
    package = ".".join(["voltgym", *path.split("/")[:-1]])
    found = []
    for line, module in imported_modules(source, package):
        top, _, rest = module.partition(".")
        if top in (*LAYERS, "conf"):
            found.append(f"{path}:{line}: import {module} bare; write voltgym.{module}")
        target = rest.split(".")[0] if top == "voltgym" else ""
        if layer in LAYERS and target in LAYERS and LAYERS.index(target) > LAYERS.index(layer):
            found.append(f"{path}:{line}: {layer} imports {module}; the direction is {' <- '.join(LAYERS)}")
        if layer == "conf":
            found.append(f"{path}:{line}: conf is data and imports nothing, not {module}")
        if layer in LAYERS and top in PLACES and not path.startswith(PLACES[top]):
            found.append(f"{path}:{line}: {top} may be imported in {', '.join(PLACES[top])} only")
    return sorted(set(found))


def sources() -> list[str]:
    """Every Python file of the suite, relative to the root."""
    folders = (*LAYERS, "conf", "tests")
    return sorted(p.relative_to(ROOT).as_posix() for f in folders for p in (ROOT / f).rglob("*.py"))


@pytest.mark.parametrize("path", sources())
def test_imports_follow_the_layers(path: str) -> None:
    found = violations(path, (ROOT / path).read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("surrogates/gp.py", "from voltgym.envs import core", "surrogates imports voltgym.envs"),
        ("envs/core.py", "import voltgym.agents.base", "envs imports voltgym.agents.base"),
        ("envs/charging/twin.py", "from ...agents import base", "envs imports voltgym.agents"),
        ("agents/random.py", "from ..experiments.records import Record", "agents imports voltgym.experiments"),
        ("agents/random.py", "from voltgym import experiments", "agents imports voltgym.experiments"),
        ("envs/core.py", "def f():\n    import pybamm", "pybamm may be imported in envs/charging/ only"),
        ("agents/random.py", "from importlib import import_module\nimport_module('botorch.models')", "botorch may be"),
        ("agents/random.py", "from stable_baselines3.common import vec_env", "stable_baselines3 may be"),
        ("envs/core.py", "import hydra.utils", "hydra may be imported in experiments/ only"),
        ("tests/test_x.py", "import envs", "import envs bare"),
        ("experiments/train.py", "from surrogates.base import State", "import surrogates.base bare"),
        ("conf/x.py", "import os", "conf is data"),
    ],
)
def test_the_checker_sees_a_bad_import(path: str, source: str, expected: str) -> None:
    assert any(expected in line for line in violations(path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("experiments/train.py", "import hydra\nfrom voltgym.agents import base\nfrom . import records"),
        (
            "agents/sb3/agent.py",
            "import stable_baselines3\nfrom voltgym.envs import core\nfrom ...surrogates.base import take",
        ),
        ("envs/charging/twin.py", "import pybamm, casadi\nfrom ..core import Twin\nfrom . import cells"),
        ("agents/botorch.py", "import botorch"),
    ],
)
def test_the_checker_lets_a_good_import_pass(path: str, source: str) -> None:
    assert violations(path, source) == []


def test_importing_envs_is_quick_and_light() -> None:
    """Importing the environments registers ids and loads no simulator, no learning library and no configuration."""
    code = (
        "import sys, time; import gymnasium; start = time.process_time(); import voltgym.envs;"
        f"print(time.process_time() - start, *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout
    seconds, *loaded = out.split()
    assert loaded == []
    assert float(seconds) < 0.5
