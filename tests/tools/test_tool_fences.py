"""Every fence of ``docs/tools.md`` that needs a tool runs: by itself, after the first plain fence of its section."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.tools
pytest.importorskip("torchrl")  # where one tool is, all are: what a fence lacks is then a fault

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
BLOCK = re.compile(r"^```(python|bash)( tools)?\n(.*?)^```$", re.M | re.S)


class Fence(NamedTuple):
    name: str
    language: str
    code: str


def fences() -> list[Fence]:
    out = []
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = list(BLOCK.finditer(section))
        start = next((block[3] for block in blocks if block[1] == "python" and not block[2]), "")
        for i, block in enumerate(b for b in blocks if b[2]):
            before = start if block[1] == "python" else ""
            out.append(Fence(f"{section.splitlines()[0]} {i}", block[1], before + block[3]))
    return out


@pytest.mark.parametrize("fence", fences(), ids=lambda fence: fence.name.replace(" ", "_"))
def test_it_runs(fence: Fence, tmp_path: Path) -> None:
    command = [sys.executable, "-c"] if fence.language == "python" else ["bash", "-euc"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "MINARI_DATASETS_PATH": str(tmp_path / "data")}
    done = subprocess.run([*command, fence.code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]


def test_the_page_has_a_fence_for_every_tool() -> None:
    text = "\n".join(fence.code for fence in fences())
    tools = "rl_zoo3 torchrl ray tianshou skrl minari ax baybe pymoo nevergrad"
    assert [tool for tool in tools.split() if not re.search(rf"(import|from|-m) {tool}\b", text)] == []
