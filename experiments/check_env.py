"""Check an environment: Gymnasium's own checker, then voltgym's contract, with what to mend."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.making import find_spec, make_env

USAGE = """usage: voltgym check-env ID [argument=value ...]

ID is any registered environment, or package.module:Id for one of your own package."""

Finding = tuple[bool, str, str]
"""(is it fine, what was checked, what was found and what to do)."""


def gymnasium_findings(env_id: str, kwargs: Mapping[str, Any]) -> list[Finding]:
    """What Gymnasium's checker says: one finding if all is well, else its errors and warnings."""
    from gymnasium.utils.env_checker import check_env

    env = make_env(env_id, kwargs)
    name = "Gymnasium's checker"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env.unwrapped, skip_render_check=True)
            found = [(True, name, "passed")]
        except Exception as error:  # the checker raises whatever the environment or its own assertions raise
            found = [(False, name, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")]
        finally:
            env.close()
    mine = [w for w in caught if "env_checker" in w.filename or "gymnasium" in w.filename]
    return found + [(True, f"{name}: warning", _clean(w.message)) for w in mine]


def _clean(message: object) -> str:
    return str(message).removeprefix("\x1b[33mWARN: ").removesuffix("\x1b[0m")


def main(argv: list[str]) -> None:
    """Print the findings; exit status 1 if something is wrong."""
    from omegaconf import OmegaConf

    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which environment?\n{USAGE}")
    kwargs: Any = OmegaConf.to_container(OmegaConf.from_dotlist(argv[1:]))
    env_id = argv[0]
    find_spec(env_id)
    from voltgym.envs.checker import check_env_contract

    findings = [*gymnasium_findings(env_id, kwargs), *check_env_contract(env_id, **kwargs)]
    for ok, name, explanation in findings:
        print(f"{'ok  ' if ok else 'MEND'}  {name}: {explanation}")
    wrong = sum(not ok for ok, _, _ in findings)
    print(f"\n{env_id}: {len(findings) - wrong} of {len(findings)} checks passed")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("check-env", sys.argv[1:])
