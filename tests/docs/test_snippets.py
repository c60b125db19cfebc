"""Every ``python`` and ``bash`` fence of the documentation runs, and prints what the page says that it prints.

The fences of a page run in order in one empty folder: Python in one namespace, bash with ``voltgym`` on the path. Flags
after the language: ``slow`` runs with the slow tests only; ``tools`` and ``slurm`` need what a test machine lacks, so
that only the commands are checked; ``file=NAME`` writes the fence into a file instead of running it. A ``text`` fence
right after one that runs is its output, with ``...`` for what differs from run to run.
"""

from __future__ import annotations

import ast
import doctest
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fences
import pytest
from fences import ROOT, Fence

from voltgym.experiments import cli, configs

PAGES = {str(page.relative_to(ROOT)): fences.read(page) for page in fences.pages()}
SLOW = [name for name, blocks in PAGES.items() if any("slow" in block.flags for block in blocks)]
FAST = [name for name, blocks in PAGES.items() if any(not block.flags and not block.file for block in blocks)]
NOT_RUN = ("tools", "slurm")


@pytest.fixture
def python(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An interpreter of the page's own."""
    command = [sys.executable, str(Path(__file__).with_name("page_runner.py"))]
    pipes: dict[str, int] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.stdin.close()


def run_python(code: str, process: subprocess.Popen[str]) -> str:
    assert process.stdin
    assert process.stdout
    print(json.dumps(code), file=process.stdin, flush=True)
    printed, error = json.loads(process.stdout.readline())
    assert not error, error
    return printed


def run_bash(code: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_page(name: str, blocks: list[Fence], folder: Path, process: subprocess.Popen[str]) -> None:
    for block in blocks:
        if block.file:
            target = folder / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code, encoding="utf-8")
            continue
        try:
            printed = run_python(block.code, process) if block.language == "python" else run_bash(block.code, folder)
            if block.output is not None:
                compare(printed, block.output)
        except AssertionError as error:
            raise AssertionError(f"{name}, line {block.line}: {error}") from None


def compare(printed: str, said: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(said, printed, options):
        raise AssertionError(f"the page says\n{said}\nbut it prints\n{printed}")


@pytest.mark.parametrize("name", FAST)
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, python: subprocess.Popen[str]) -> None:
    run_page(name, [b for b in PAGES[name] if not set(b.flags) & {*NOT_RUN, "slow"}], tmp_path, python)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_slow_code_of_a_page_runs(name: str, tmp_path: Path, python: subprocess.Popen[str]) -> None:
    run_page(name, [b for b in PAGES[name] if not set(b.flags) & set(NOT_RUN)], tmp_path, python)


@pytest.mark.parametrize("name", PAGES)
def test_what_is_not_run_here_could_be(name: str) -> None:
    for block in PAGES[name]:
        assert set(block.flags) <= set(fences.FLAGS), f"{name}, line {block.line}: flags {block.flags}"
        if block.language == "python":
            ast.parse(block.code)
        elif block.language == "bash" and block.flags:
            for command in fences.commands(block.code):
                composes(command)


def composes(command: list[str]) -> None:
    """The command exists, and a training's overrides name what there is."""
    assert command[0] in cli.commands(), f"there is no command {command[0]!r}"
    own = {"-m", "--multirun", "--config-dir", "--help"}
    if command[0] != "train" or own & set(command[1:]) - {"-m", "--multirun"}:
        return
    overrides = [word for word in command[1:] if word not in own and not word.lstrip("+").startswith("hydra")]
    if any(word.startswith("resume=") for word in overrides):
        return
    for chosen in configs.expand(overrides):
        configs.compose("train", chosen)


@pytest.mark.parametrize("page", ["```python\n1/0\n```\n", "```python\nprint(1)\n```\n\n```text\n2\n```\n",
                                  "```bash\nfalse\n```\n", "```bash\nvoltgym train env=nothing\n```\n"])  # fmt: skip
def test_a_page_that_is_wrong_is_found(page: str, tmp_path: Path, python: subprocess.Popen[str]) -> None:
    file = tmp_path / "page.md"
    file.write_text(page)
    with pytest.raises(AssertionError, match="line 1: "):
        run_page("page.md", fences.read(file), tmp_path, python)
