"""The command line: ``voltgym COMMAND ...`` runs the module of that name in ``voltgym.experiments``.

A command is any module here with a function ``main(argv)``; its first docstring line is its help. Nothing is listed by
hand and nothing but the chosen module is imported.
"""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from pathlib import Path

THIS = Path(__file__)


def commands() -> dict[str, str]:
    """Every command and its one-line help, read off the source files."""
    found = {}
    for file in sorted(THIS.parent.glob("*.py")):
        source = file.read_text(encoding="utf-8")
        if file != THIS and "\ndef main(argv" in source:
            text = ast.get_docstring(ast.parse(source)) or ""
            found[file.stem.replace("_", "-")] = text.splitlines()[0] if text else ""
    return found


def main() -> None:
    """The entry point of the console script."""
    command, *argv = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help", "help"):
        print(overview())
        return
    run_command(command, argv)


def overview() -> str:
    """The help text: every command in a line."""
    known = commands()
    width = max(map(len, known))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in known.items()]
    return "\n".join(["usage: voltgym COMMAND ...", "", *lines, "", "voltgym COMMAND --help says more."])


def run_command(command: str, argv: list[str]) -> None:
    """Run a command. An error that the user can mend is printed as it is and ends with exit status 2."""
    os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")  # nothing may wait on a network
    from voltgym.envs.errors import UnknownName, VoltGymError

    try:
        known = commands()
        if command not in known:
            raise UnknownName("command", command, known)
        module = import_module(f"voltgym.experiments.{command.replace('-', '_')}")
        if argv in (["-h"], ["--help"]):
            print(getattr(module, "USAGE", module.__doc__))
            return
        module.main(argv)
    except VoltGymError as error:
        print(f"voltgym {command}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"voltgym {command}: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `voltgym list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # a full disk, a read-only folder, a file where a folder was expected
        where = f"{error.filename}: " if error.filename else ""
        print(f"voltgym {command}: {where}{error.strerror or error}; choose another place, or free it", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
