"""Results of physics on the disk: one small file a design and method, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

CACHE_VARIABLE = "VOLTGYM_CACHE"
"""The environment variable that moves the cache."""


class Store:
    """Answers by a design's key for one method. Several processes may use the same folder.

    A file is written beside its place and then moved there, so a kill leaves no half of one. A file that is damaged, or
    is of another design or method, is no answer: it is said once and computed again.

    Args:
        kind: which physics, such as "solvent"; the name of a subfolder.
        method: what the answers depend on: versions and settings, as text.
        folder: where; None for ``VOLTGYM_CACHE`` or the user's cache folder.
    """

    def __init__(self, kind: str, method: str, folder: Path | str | None = None) -> None:
        chosen = folder or os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("voltgym")
        self.method = method
        self.folder = Path(chosen) / kind / hashlib.sha256(method.encode()).hexdigest()[:16]
        self._said = False

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept of a design, or None."""
        file = self._file(key)
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self._reject(file, type(error).__name__)
            return None
        try:
            kept = json.loads(text)
            if (kept["key"], kept["method"]) != (key, self.method):
                self._reject(file, "it is of another design or method")
            elif kept["check"] != _digest(kept["answer"]):
                self._reject(file, "its checksum does not fit")
            else:
                return dict(kept["answer"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self._reject(file, type(error).__name__)
        return None

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer. Where the disk refuses, it is not kept, and that is said once."""
        plain = dict(answer)
        text = json.dumps({"key": key, "method": self.method, "answer": plain, "check": _digest(plain)})
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            number, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
            with os.fdopen(number, "w", encoding="utf-8") as out:
                out.write(text)
            os.replace(part, file)
        except OSError as error:
            self._say(f"results cannot be kept in {self.folder} ({error.strerror}); set {CACHE_VARIABLE} elsewhere")

    def _file(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:34]}.json"

    def _reject(self, file: Path, why: str) -> None:
        self._say(f"{file} is damaged ({why}) and is computed again")

    def _say(self, text: str) -> None:
        if not self._said:
            warnings.warn(text, stacklevel=3)
            self._said = True


def _digest(answer: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()[:16]
