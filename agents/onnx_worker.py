"""The process that a policy in ONNX runs in: it is given observations and nothing else, and may not use much.

Started by ``onnx_policy.py``. Frames go over standard input and output: a kind (one byte), a length, and so many bytes.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

HEAD = struct.Struct("<cQ")
ARRAYS, TEXT, TROUBLE, MODEL = b"A", b"J", b"E", b"M"
"""Kinds of frames: arrays as npz, JSON, what went wrong, an ONNX file."""
MEMORY_BYTES = 2 * 2**30
"""Of address space, libraries included."""


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """What :func:`pack` packed; never pickled objects."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def limit(cpu_seconds: int) -> None:
    """Limit this process: memory, processor time, and no files."""
    try:
        import resource
    except ImportError:  # not a POSIX system: the wall-clock limits of the other side remain
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def session_of(data: bytes) -> Any:
    """A checked file, ready to run on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def act(session: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(N, ...) inputs to (N, ...) outputs, a row at a time: no episode sees another."""
    names = [output.name for output in session.get_outputs()]
    count = len(arrays["observation"])
    rows = [session.run(names, {name: a[i : i + 1] for name, a in arrays.items()}) for i in range(count)]
    return {name: np.concatenate([row[j] for row in rows]) for j, name in enumerate(names)}


def receive(source: BinaryIO) -> tuple[bytes, bytes]:
    """The next frame; an empty kind at the end."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return b"", b""
    kind, length = HEAD.unpack(head)
    return kind, source.read(length)


def send(target: BinaryIO, kind: bytes, data: bytes) -> None:
    """One frame."""
    target.write(HEAD.pack(kind, len(data)) + data)
    target.flush()


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Check the file that comes first, answer what its inputs and outputs are, then act until nothing more comes."""
    from voltgym.agents.onnx_checks import check

    try:
        _, data = receive(source)
        signature, session = check(data), session_of(data)
        send(target, TEXT, json.dumps(signature).encode())
        while (frame := receive(source))[0]:
            send(target, ARRAYS, pack(act(session, unpack(frame[1]))))
    except Exception as error:  # whatever a runtime raises over a file of anybody's ends this process, and says why
        send(target, TROUBLE, " ".join(str(error).split())[:500].encode() or type(error).__name__.encode())


def start() -> None:
    """Keep the frames' channel to ourselves, load the libraries, and serve within the limits."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import onnx  # noqa: F401  # before the limits
    import onnxruntime  # noqa: F401

    limit(int(sys.argv[1]))
    serve(sys.stdin.buffer, channel)


if __name__ == "__main__":
    start()
