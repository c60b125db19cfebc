"""Compile C once and keep it: a cache by content in the user's cache folder."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import filelock
import platformdirs

FLAGS = (
    *("-std=gnu11", "-O2", "-fPIC", "-shared", "-march=native", "-w"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"),
)
"""No -ffast-math: every operation is done as written for each lane, so that neighbours and threads change nothing."""

CACHE_VARIABLE = "VOLTGYM_CACHE"
COMPILER_VARIABLE = "VOLTGYM_CC"
PATIENCE = 600.0
"""[s] for a compiler, and for another process that is compiling the same."""


class NoCompiler(RuntimeError):
    """No C compiler could be found, or none of those found could compile the source."""


class Compiler(NamedTuple):
    """A command that takes cc's arguments, and what it says of itself (another version compiles anew)."""

    command: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"{shlex.join(self.command)} ({self.version})"


def cache_folder() -> Path:
    """Where compiled code is kept: ``$VOLTGYM_CACHE``, else the user's cache folder, else one for this process only."""
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("voltgym")) / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _own_folder()
    return folder if os.access(folder, os.W_OK) else _own_folder()


@functools.cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="voltgym-kernels-"))


def compilers() -> tuple[Compiler, ...]:
    """The compilers that answer, best first: ``$VOLTGYM_CC`` alone if it is set, else cc, gcc, clang, ziglang's."""
    chosen = os.environ.get(COMPILER_VARIABLE)
    if chosen:
        commands = [tuple(shlex.split(chosen))]
    else:
        commands = [("cc",), ("gcc",), ("clang",)]
        if find_spec("ziglang") is not None:
            commands.append((sys.executable, "-m", "ziglang", "cc"))
    return tuple(compiler for compiler in map(_identify, commands) if compiler is not None)


@functools.cache
def _identify(command: tuple[str, ...]) -> Compiler | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        out = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return Compiler(command, out.splitlines()[0] if out else "unknown version")


@functools.cache
def processor() -> str:
    """The processor's instruction sets: code compiled for this machine must not be run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.split("\t")[0].strip() in wanted}))


def build(text: str) -> tuple[Path, Compiler]:
    """The shared library of a C source: from the cache, or compiled now.

    Safe with many processes: the first one compiles, under a lock and into a file of its own, which is renamed into
    place at once; the others wait. The file's name holds a checksum of what is in it, so that a damaged one is noticed
    and built again.

    Raises:
        NoCompiler: no compiler was found or all failed; the message has their last words.
    """
    failures = []
    folder = cache_folder()
    for compiler in compilers():
        key = _digest("\0".join([text, *FLAGS, *compiler.command, compiler.version, processor()]).encode())
        try:
            return _cached(folder, key) or _compile_once(folder, key, compiler, text), compiler
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{shlex.join(compiler.command)}: {_last_words(error)}")
    said = "; ".join(failures) or _nothing_found()
    raise NoCompiler(
        f"no C compiler could build the kernel ({said}). Install a C compiler, or `pip install ziglang`, which is one."
    )


def load(text: str) -> tuple[ctypes.CDLL, Compiler]:
    """Build and load.

    Raises:
        NoCompiler: it could not be built, or what was built does not load.
    """
    path, compiler = build(text)
    try:
        return ctypes.CDLL(str(path)), compiler
    except OSError as error:
        path.unlink(missing_ok=True)
        raise NoCompiler(
            f"what {compiler} built does not load: {error}. Try another compiler in ${COMPILER_VARIABLE}."
        ) from None


def _nothing_found() -> str:
    chosen = os.environ.get(COMPILER_VARIABLE)
    if chosen:
        return f"${COMPILER_VARIABLE} is {chosen!r}, which does not run"
    return "none of cc, gcc, clang and the Python package ziglang is installed"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _cached(folder: Path, key: str) -> Path | None:
    for path in folder.glob(f"{key}-*.so"):
        try:
            if path.name == f"{key}-{_digest(path.read_bytes())}.so":
                return path
        except OSError:
            continue
        path.unlink(missing_ok=True)
    return None


def _compile_once(folder: Path, key: str, compiler: Compiler, text: str) -> Path:
    with filelock.FileLock(folder / f"{key}.lock", timeout=PATIENCE):
        return _cached(folder, key) or _compile(folder, key, compiler, text)


def _compile(folder: Path, key: str, compiler: Compiler, text: str) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        source, target = Path(scratch) / "kernel.c", Path(scratch) / "kernel.so"
        source.write_text(text, encoding="utf-8")
        command: Sequence[str] = [*compiler.command, *FLAGS, str(source), "-o", str(target), "-lm"]
        subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        path = folder / f"{key}-{_digest(target.read_bytes())}.so"
        os.replace(target, path)
        return path


def _last_words(error: BaseException) -> str:
    text = (getattr(error, "stderr", None) or str(error)).strip()
    telling = [line[line.index("error") :] for line in text.splitlines() if "error" in line] or text.splitlines()
    return telling[0][:300] if telling else type(error).__name__
