"""The code of a Markdown page: which fences it has, and what they say of how they are to be run."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
RUN = ("python", "bash")
FLAGS = ("slow", "tools", "slurm")
_INSTALLS = re.compile(r"^(pip|make|git|docker) ", re.M)
_FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.M | re.S)


class Fence(NamedTuple):
    """One block of code. After the language come flags: ``slow``, ``tools`` or ``slurm``, or ``file=NAME``."""

    language: str
    flags: tuple[str, ...]
    file: str
    code: str
    output: str | None
    """What it is said to print: the ``text`` fence that comes right after it, if one does."""
    line: int


def pages() -> list[Path]:
    """Everything whose fences count."""
    found = (p for p in sorted((ROOT / "docs").rglob("*.md")) if p.relative_to(ROOT / "docs").parts[0][0] != "_")
    return [ROOT / "README.md", *found]


def read(page: Path) -> list[Fence]:
    """The fences of a page that are run or written, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = list(_FENCE.finditer(text))
    out = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=False):
        language, *flags = block[3].split() or [""]
        file = "".join(flag.removeprefix("file=") for flag in flags if flag.startswith("file="))
        follows = after is not None and after[3].strip() == "text" and not text[block.end() : after.start()].strip()
        printed = textwrap.dedent(after[4]) if follows and after is not None else None
        if language in RUN or file:
            kept = tuple(flag for flag in flags if not flag.startswith("file="))
            if language == "bash" and _INSTALLS.search(block[4]):
                kept = (*kept, "tools")  # nothing is installed, and no other tests are begun
            line = text.count("\n", 0, block.start()) + 1
            out.append(Fence(language, kept, file, textwrap.dedent(block[4]), printed, line))
    return out


def commands(code: str) -> list[list[str]]:
    """The ``voltgym`` commands of a bash fence, each as its words."""
    out = []
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        words = words[: next((i for i, word in enumerate(words) if word in ("|", "||", "&&", ";", ">")), None)]
        while words and re.fullmatch(r"\w+=.*", words[0]):  # VARIABLE=value command
            words = words[1:]
        if words and words[0] == "voltgym":
            out.append(words[1:])
    return out
