"""The file of a submission: a zip of known names, read within limits and never unpacked onto the disk."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from voltgym.envs.errors import shown
from voltgym.experiments.submission_text import SubmissionError

SUFFIX = ".voltgym.zip"
ABOUT, MANIFEST = "submission.yaml", "manifest.json"
EPISODES, DESIGNS, POLICY = "episodes.jsonl", "designs.jsonl", "policy.onnx"
KIB, MIB = 2**10, 2**20

MOST_FILE = 32 * MIB
MOST_ENTRIES = 100
MOST_DIRECTORY = 32 * KIB
MOST_TOTAL = 192 * MIB
MOST_RATIO = 200
"""Of what a file is to what it takes in the zip; small ones are let off."""
SIZES: Mapping[str, int] = {
    ABOUT: 64 * KIB,
    MANIFEST: 64 * KIB,
    EPISODES: 16 * MIB,
    DESIGNS: 16 * MIB,
    POLICY: 16 * MIB,
}
"""The most that each kind of file may be."""
NAME = re.compile(r"submission\.yaml|manifest\.json|runs/\d{1,10}/(episodes\.jsonl|designs\.jsonl|policy\.onnx)", re.A)
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"
_TROUBLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    OverflowError,
    LookupError,
)
"""What `zipfile` raises over files that are damaged or made to harm."""


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """A zip of ``files``, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            out.writestr(info, files[name], zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def read_zip(path: Path) -> dict[str, bytes]:
    """Every file in the bundle ``path`` by its name.

    Raises `SubmissionError` for anything but a small zip of small files with the names of a bundle.
    """
    try:
        size = path.stat().st_size
        if size > MOST_FILE:
            raise SubmissionError(f"{path} has {size} bytes; expected at most {MOST_FILE}: it is no bundle")
        data = path.read_bytes()
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read: {error.strerror}; name a file *{SUFFIX}") from None
    try:
        _check_end(data)
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            entries = bundle.infolist()
            _check_entries(entries, len(data))
            return {entry.filename: _read(bundle, entry) for entry in entries}
    except SubmissionError as error:
        raise SubmissionError(f"{path}: {error}") from None
    except _TROUBLE as error:
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise SubmissionError(f"{path} is damaged or no zip ({text}); make the bundle again") from None


def _check_end(data: bytes) -> None:
    """How many entries there are, before `zipfile` reads them: it believes what it is told."""
    end = data[-22:]
    if len(end) < 22 or end[:4] != _END or end[-2:] != b"\0\0":
        raise SubmissionError("it does not end as a zip does; make the bundle again")
    if data[-42:-38] == _END64:
        raise SubmissionError("it is a 64-bit zip, which no bundle needs; make the bundle again")
    _, _, _, _, count, length, _, _ = struct.unpack("<4s4H2LH", end)
    if count > MOST_ENTRIES or length > MOST_DIRECTORY:
        raise SubmissionError(f"it has {count} files; expected at most {MOST_ENTRIES}")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if len(entries) > MOST_ENTRIES:
        raise SubmissionError(f"it has {len(entries)} files; expected at most {MOST_ENTRIES}")
    for entry in entries:
        _check_entry(entry)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SubmissionError(f"{twice[0]} is there twice; expected it once")
    total = sum(entry.file_size for entry in entries)
    if total > MOST_TOTAL or sum(entry.compress_size for entry in entries) > size:
        raise SubmissionError(
            f"it unpacks to {total} bytes; expected at most {MOST_TOTAL}, and files that do not overlap"
        )


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, original = entry.filename, getattr(entry, "orig_filename", entry.filename)
    if not NAME.fullmatch(name) or original != name:
        raise SubmissionError(
            f"it has a file {shown(original)}; expected {ABOUT}, {MANIFEST} and runs/<seed>/ with {EPISODES}, {DESIGNS}"
            f" or {POLICY}, and nothing else"
        )
    if entry.flag_bits & 0x1:
        raise SubmissionError(f"{name} is encrypted; expected it open")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise SubmissionError(f"{name} is a link or a device; expected a plain file")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SubmissionError(f"{name} is packed by method {entry.compress_type}; expected deflate")
    most = SIZES[name.rpartition("/")[2]]
    if entry.file_size > most:
        raise SubmissionError(f"{name} unpacks to {entry.file_size} bytes; expected at most {most}")
    if entry.file_size > MIB and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
        raise SubmissionError(f"{name} unpacks to {entry.file_size} bytes from {entry.compress_size}: a zip bomb")


def _read(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What an entry holds; it may say less of its size than there is."""
    with bundle.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise SubmissionError(f"{entry.filename} has {len(data)} bytes or more; it says {entry.file_size}")
    return data
