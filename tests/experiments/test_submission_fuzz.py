"""Whatever is done to the bytes of a bundle: it is refused in words, or it is what it was."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import submission_toys as toys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voltgym.agents.onnx_checks import check
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.results import Run
from voltgym.experiments.submission_verify import verify

FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6)
"""Where in the file, as a share, and what the byte there is combined with."""
QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return toys.make_bundles(tmp_path_factory.mktemp("runs"))


def flipped(data: bytes, flips: list[tuple[float, int]]) -> bytes:
    out = bytearray(data)
    for where, bits in flips:
        out[int(where * len(out))] ^= bits
    return bytes(out)


def outcome(data: bytes, track: toys.Track) -> list[Run] | None:
    """The verified runs; None where it is refused. Any other error fails the test."""
    file = Path("bundle.voltgym.zip")
    file.write_bytes(data)
    try:
        return verify(file, track, private=False).runs
    except VoltGymError:
        return None


@QUIET
@given(flips=FLIPS)
def test_flipped_bytes(flips: list[tuple[float, int]], bundles: dict[str, bytes], kept: dict[str, list[Run]]) -> None:
    for kind, track in (("actions", toys.track()), ("policy", toys.track()), ("designs", toys.design_track())):
        found = outcome(flipped(bundles[kind], flips), track)
        assert found is None or found == kept[kind]


@pytest.fixture(scope="module")
def kept(bundles: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Run]]:
    file, out = tmp_path_factory.mktemp("kept") / "bundle.zip", {}
    for kind, track in (("actions", toys.track()), ("policy", toys.track()), ("designs", toys.design_track())):
        file.write_bytes(bundles[kind])
        out[kind] = verify(file, track, private=False).runs
    return out


@QUIET
@given(end=st.floats(0, 1, exclude_max=True))
def test_cut_short(end: float, bundles: dict[str, bytes]) -> None:
    data = bundles["actions"]
    assert outcome(data[: int(end * len(data))], toys.track()) is None


@QUIET
@given(flips=FLIPS, name=st.sampled_from(["submission.yaml", toys.EPISODES]))
def test_flipped_bytes_with_hashes_that_fit(
    flips: list[tuple[float, int]], name: str, bundles: dict[str, bytes]
) -> None:
    """What then passes is another submission (another author, say), computed here like any."""
    content = flipped(toys.unpack(bundles["actions"])[name], flips)
    outcome(toys.with_file(bundles["actions"], name, content), toys.track())


@settings(QUIET, max_examples=25)
@given(flips=FLIPS)
def test_flipped_designs_with_hashes_that_fit(flips: list[tuple[float, int]], bundles: dict[str, bytes]) -> None:
    content = flipped(toys.unpack(bundles["designs"])[toys.DESIGNS], flips)
    outcome(toys.with_file(bundles["designs"], toys.DESIGNS, content), toys.design_track())


@given(data=st.binary(max_size=200))
def test_bytes_of_no_kind(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.zip"
    file.write_bytes(data)
    with pytest.raises(VoltGymError):
        verify(file, toys.track())


@QUIET
@given(flips=FLIPS)
def test_flipped_bytes_of_a_policy(flips: list[tuple[float, int]], bundles: dict[str, bytes]) -> None:
    data = toys.unpack(bundles["policy"])[toys.POLICY]
    with suppress(VoltGymError):
        assert check(flipped(data, flips))["inputs"]["observation"]
