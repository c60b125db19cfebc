"""Check an environment: Gymnasium's own checker, then voltgym's contract, with what to mend."""

from __future__ import annotations

import sys
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import configs
from voltgym.experiments.making import make_env

USAGE = """usage: voltgym check-env ID [argument=value ...]

ID is any registered environment, or package.module:Id for one of your own package. Exit status 1 if something that is
required is wrong; what an environment may lack is only listed."""


def mark(ok: bool, required: bool) -> str:
    """A finding's mark: fine, to be mended, or lacking what it need not have."""
    if ok:
        return "ok   "
    return "MEND " if required else "lacks"


def main(argv: list[str]) -> None:
    """Print the findings; exit status 1 if something is wrong."""
    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which environment?\n{USAGE}")
    env_id = argv[0]
    for argument in argv[1:]:
        if "=" not in argument:
            raise VoltGymError(f"cannot read {argument!r}: expected argument=value")
    kwargs: Any = configs.merge({"kwargs": {}}, [f"kwargs.{argument}" for argument in argv[1:]])["kwargs"]
    make_env(env_id, kwargs).close()  # an id or an argument that doesn't exist is said in one line
    from voltgym.envs.checker import check_env_contract

    findings = check_env_contract(env_id, **kwargs)
    for ok, name, explanation, required in findings:
        print(f"{mark(ok, required)}  {name}: {explanation}")
    wrong = [name for ok, name, _, required in findings if required and not ok]
    print(f"\n{env_id}: {'nothing to mend' if not wrong else f'mend {len(wrong)}: ' + ', '.join(wrong)}")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("check-env", sys.argv[1:])
