"""Compile a kernel's source once and keep it: a cache by content in the user's cache folder."""

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

FLAGS = (
    "-std=gnu11 -O2 -fPIC -shared -march=native -fno-math-errno -fno-trapping-math -ffp-contract=fast -w".split()
)
"""No -ffast-math: every operation is done as written for each lane, so that neighbours and threads change nothing."""

CACHE_VARIABLE = "VOLTGYM_CACHE"
COMPILER_VARIABLE = "VOLTGYM_CC"


class NoCompiler(RuntimeError):
    """No C compiler could be found, or none of those found could compile the kernel."""


@dataclass(frozen=True)
class Compiler:
    """A command that takes cc's arguments."""

    command: tuple[str, ...]
    identity: str
    """What it says of itself, so that another version compiles anew."""


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``$VOLTGYM_CACHE``, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("voltgym")) / "kernels"


@functools.cache
def compilers() -> tuple[Compiler, ...]:
    """The compilers that answer, best first: ``$VOLTGYM_CC``, cc, gcc, clang, then the ziglang package's."""
    commands = [shlex.split(os.environ[COMPILER_VARIABLE])] if os.environ.get(COMPILER_VARIABLE) else []
    commands += [[name] for name in ("cc", "gcc", "clang")]
    if find_spec("ziglang") is not None:
        commands.append([sys.executable, "-m", "ziglang", "cc"])
    found = (_identify(command) for command in commands)
    return tuple(compiler for compiler in found if compiler is not None)


def _identify(command: Sequence[str]) -> Compiler | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        out = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return Compiler(tuple(command), out.splitlines()[0] if out else "unknown")


@functools.cache
def processor() -> str:
    """The processor's instruction sets: code compiled for this machine must not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("flags", "Features", "model name", "CPU part")
    return "\n".join(sorted({line for line in lines if line.split("\t")[0].strip() in wanted}))


def build(text: str) -> tuple[Path, Compiler]:
    """The shared library of a C source: from the cache, or compiled now.

    Safe with many processes: each compiles into a file of its own and renames it into place, which is atomic.

    Raises:
        NoCompiler: no compiler was found or all failed; the message has their last words.
    """
    failures = []
    for compiler in compilers():
        key = hashlib.sha256("\0".join([text, *FLAGS, compiler.identity, processor()]).encode()).hexdigest()[:32]
        path = cache_folder() / f"{key}.so"
        if path.exists():
            return path, compiler
        try:
            _compile(compiler, text, path)
            return path, compiler
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{shlex.join(compiler.command)}: {_words(error)}")
    said = "; ".join(failures) or "none of cc, gcc, clang and the Python package ziglang is installed"
    raise NoCompiler(f"no C compiler could build the kernel ({said}). `pip install ziglang` brings one.")


def _words(error: BaseException) -> str:
    text = getattr(error, "stderr", None) or str(error)
    return text.strip().splitlines()[-1][:300] if text.strip() else type(error).__name__


def _compile(compiler: Compiler, text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source, target = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
        source.write_text(text)
        command = [*compiler.command, *FLAGS, str(source), "-o", str(target), "-lm"]
        subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        os.replace(target, path)


def load(text: str) -> tuple[ctypes.CDLL, Compiler]:
    """Build and load; a library that does not load (a corrupted cache) is thrown away and built again."""
    path, compiler = build(text)
    try:
        return ctypes.CDLL(str(path)), compiler
    except OSError:
        path.unlink(missing_ok=True)
        path, compiler = build(text)
        return ctypes.CDLL(str(path)), compiler


Loader = Callable[[str], tuple[ctypes.CDLL, Compiler]]
