"""Begin an environment, an agent or a surrogate of your own: a small package that works and passes the kit as it is."""

from __future__ import annotations

import keyword
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template

from voltgym.envs.errors import VoltGymError, check_name
from voltgym.experiments import configs
from voltgym.experiments.files import write_text

USAGE = """usage: voltgym new env|agent|surrogate NAME [FOLDER]

  voltgym new env my_charge               a package my_charge in ./my_charge, with an environment, its YAML and a test
  voltgym new agent my_search ~/code/my_search

NAME is that of the Python package and of its config. FOLDER must be empty, or not there yet."""

KINDS = {
    "env": ("An environment", "voltgym train env=$package agent=ppo budget=20000"),
    "agent": ("An agent", "voltgym train env=thevenin agent=$package budget=100"),
    "surrogate": ("A surrogate", "voltgym fit surrogate=$package out=model"),
}
"""What there is to begin, in words, and the command to try it with."""


def files(kind: str, name: str) -> dict[str, str]:
    """The files of the package: path -> text."""
    said, command = KINDS[kind]
    words = {
        "package": name,
        "distribution": name.replace("_", "-"),
        "Class": "".join(part[:1].upper() + part[1:] for part in name.split("_")),
        "kind": kind,
        "module": kind,
        "Description": said,
        "command": Template(command).substitute(package=name),
    }
    return {
        "pyproject.toml": _filled("common.pyproject", words),
        "README.md": _filled("common.README", words),
        f"{name}/__init__.py": f'"""{said} for voltgym."""\n',
        f"{name}/{kind}.py": _filled(f"{kind}.module", words),
        f"{name}/conf/__init__.py": f'"""Configs of {name}: one YAML a thing."""\n',
        f"{name}/conf/{kind}/{name}.yaml": _filled(f"{kind}.config", words),
        f"tests/test_{name}.py": _filled(f"{kind}.test", words),
    }


def _filled(template: str, words: dict[str, str]) -> str:
    text = resources.files("voltgym.experiments").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def check_package(name: str) -> None:
    """Raise `VoltGymError` for a name that no new package can have."""
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii() or name != name.lower():
        hint = "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_") or "my_charge"
        hint = hint if hint.isidentifier() and not keyword.iskeyword(hint) else f"my_{hint}"
        raise VoltGymError(
            f"{name!r} cannot name a package; expected lower-case letters, digits and _, such as {hint!r}"
        )
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise VoltGymError(f"there is a package {name!r} already; choose another name, such as 'my_{name}'")


def main(argv: list[str]) -> None:
    """Write the package and say what to do next."""
    if not 2 <= len(argv) <= 3:
        raise VoltGymError(f"expected what to begin and its name, found {' '.join(argv) or 'nothing'}\n{USAGE}")
    kind, name = argv[:2]
    check_name("kind", kind, KINDS)
    check_package(name)
    if name in configs.choices(kind):  # which would be found first
        raise VoltGymError(f"there is a config {kind}={name} already; choose another name, such as 'my_{name}'")
    folder = Path(argv[2] if len(argv) > 2 else name).expanduser()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise VoltGymError(
            f"{folder} exists and is not an empty folder; choose another: voltgym new {kind} {name} FOLDER"
        )
    for path, text in files(kind, name).items():
        write_text(folder / path, text)
    command = Template(KINDS[kind][1]).substitute(package=name)
    print(f"{folder}: {KINDS[kind][0].lower()}, its config and its test. Next:\n")
    print(f"  cd {folder}\n  pip install -e .\n  pytest\n  {command}")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("new", sys.argv[1:])
