"""Bundles whose files are not what they should be: refused, each with the reason, and nothing of them is run."""

from __future__ import annotations

import io
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import submission_toys as toys
from onnx import TensorProto, helper
from submission_toys import EPISODES, POLICY, refused

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.submission_verify import verify


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return toys.make_bundles(tmp_path_factory.mktemp("runs"))


# -- its files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../evil.jsonl", "/etc/passwd", "runs/0/../../evil", "runs\\0\\x", "runs/0/", "a" * 9999]
)
def test_paths_that_lead_elsewhere(name: str, bundles: dict[str, bytes]) -> None:
    refused(toys.with_file(bundles["actions"], name, b"{}"), "it has a file .*and nothing else")


def test_a_changed_file_does_not_fit_its_hash(bundles: dict[str, bytes]) -> None:
    files = toys.unpack(bundles["actions"])
    changed = files[EPISODES].replace(b"0.", b"1.", 1)
    refused(toys.repack({**files, EPISODES: changed}, sums=False), "is not the file of the manifest.json")


def test_files_that_are_missing_or_too_many(bundles: dict[str, bytes]) -> None:
    files = toys.unpack(bundles["actions"])
    refused(toys.repack({n: d for n, d in files.items() if n != "submission.yaml"}), "has no submission.yaml")
    refused(toys.repack({n: d for n, d in files.items() if n != "manifest.json"}, sums=False), "has no manifest.json")
    refused(toys.repack({n: d for n, d in files.items() if n != EPISODES}, sums=False), "is only in one of the bundle")
    refused(toys.with_file(bundles["actions"], POLICY, b"x"), "does not belong into a submission of actions")
    refused(
        toys.repack({f"runs/{i}/episodes.jsonl": b"" for i in range(200)}), "it has 201 files; expected at most 100"
    )


def test_a_zip_bomb(bundles: dict[str, bytes]) -> None:
    refused(toys.with_file(bundles["actions"], EPISODES, b" " * 15 * 2**20), "a zip bomb")
    refused(toys.with_file(bundles["actions"], EPISODES, b" " * 17 * 2**20), "unpacks to 17825792 bytes; expected")


def test_a_file_larger_than_it_says(bundles: dict[str, bytes]) -> None:
    data = bytearray(toys.repack({**toys.unpack(bundles["actions"]), EPISODES: b"x" * 5000}))
    entry = data.rindex(EPISODES.encode()) - 46
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    refused(bytes(data), "is damaged or no zip|is not the file of")


def rezipped(data: bytes, change: Callable[[zipfile.ZipInfo], Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in toys.unpack(data).items():
            info = zipfile.ZipInfo(name)
            if name == EPISODES:
                change(info)
            out.writestr(info, content)
    return buffer.getvalue()


def test_links_and_odd_packing(bundles: dict[str, bytes]) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    def packed(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_LZMA

    refused(rezipped(bundles["actions"], link), "is a link or a device")
    refused(rezipped(bundles["actions"], packed), "is packed by method 14")


def test_an_encrypted_file(bundles: dict[str, bytes]) -> None:
    data = bytearray(bundles["actions"])
    data[data.rindex(EPISODES.encode()) - 46 + 8] |= 1
    refused(bytes(data), "is encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice(bundles: dict[str, bytes]) -> None:
    buffer = io.BytesIO(bundles["actions"])
    with zipfile.ZipFile(buffer, "a") as out:
        out.writestr(EPISODES, b"{}")
    refused(buffer.getvalue(), "is there twice")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"x" * 100, b"PK\x05\x06" + b"\xff" * 16 + b"\0\0", b"PK\x05\x06" + b"\0" * 18]
)
def test_what_is_no_zip(data: bytes) -> None:
    refused(data, "it does not end as a zip|it has 65535 files|is damaged|has no manifest")


# -- code in it --------------------------------------------------------------------------------------------------------


class Malicious:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran").absolute(),)


@pytest.fixture
def nothing_ran() -> Any:
    yield
    assert not Path("ran").exists()


@pytest.mark.usefixtures("nothing_ran")
def test_a_pickle_inside(bundles: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any, **more: Any) -> None:
        raise AssertionError("something was unpickled")

    data = pickle.dumps(Malicious())
    monkeypatch.setattr(pickle, "loads", never)
    monkeypatch.setattr(pickle, "load", never)
    refused(toys.with_file(bundles["policy"], "runs/0/policy.pkl", data), "it has a file 'runs/0/policy.pkl'")
    refused(toys.with_file(bundles["actions"], EPISODES, data), "is no JSON")
    refused(toys.with_file(bundles["actions"], "submission.yaml", data), "is no plain YAML|found")


@pytest.mark.usefixtures("nothing_ran")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!!python/object/apply:os.mkdir [ran]", "found the YAML tag"),
        ("track: !!python/name:os.system", "found the YAML tag"),
        ("a: &a [1]\nb: *a", "anchor or alias"),
        ("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]", "anchor or alias"),
        ("a: .nan", "found nan; expected finite"),
        ('a: "\\uD800"', "is no plain YAML"),
        ("a: .inf", "found inf; expected finite"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
        ("[" * 1000, "nested more than 12 deep"),
        ("? {a: 1}\n: b", "is no plain YAML"),
        ("a: [", "is no plain YAML"),
        ("- 1\n" * 6_000, "more than 5000 YAML nodes"),
        ("just words", "is not of type 'object'"),
    ],
)
def test_yaml_that_is_more_than_data(text: str, says: str, bundles: dict[str, bytes]) -> None:
    refused(toys.with_file(bundles["actions"], "submission.yaml", text.encode()), says)


def onnx_of(nodes: list[Any], weights: list[Any], domain: str = "") -> bytes:
    inputs = [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["N", 4])]
    outputs = [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["N", 1])]
    graph = helper.make_graph(nodes, "policy", inputs, outputs, initializer=weights)
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 17)]).SerializeToString()


def external() -> bytes:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [4, 1], [0.0] * 4)
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return onnx_of([helper.make_node("MatMul", ["observation", "w"], ["action"])], [tensor])


def huge() -> bytes:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [0], [])
    tensor.dims[:] = [4, 10**12]
    return onnx_of([helper.make_node("MatMul", ["observation", "w"], ["action"])], [tensor])


@pytest.mark.usefixtures("nothing_ran")
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (external, "is kept in another file"),
        (huge, "has the shape .* 4000000 numbers at most"),
        (lambda: pickle.dumps(Malicious()), "is damaged or no ONNX"),
        (lambda: b"", "ONNX"),
        (lambda: b"\0" * (16 * 2**20), "zip bomb"),
        (lambda: onnx_of([helper.make_node("ConstantOfShape", ["observation"], ["action"])], []), "not run here"),
        (lambda: onnx_of([helper.make_node("Mine", ["observation"], ["action"], domain="mine")], []), "'mine.Mine'"),
    ],
)
def test_policies_that_are_not_run(
    make: Callable[[], bytes], says: str, bundles: dict[str, bytes], monkeypatch: Any
) -> None:
    monkeypatch.setenv("VOLTGYM_PRIVATE_SALT", "a secret of more than sixteen characters")
    file = Path("bundle.voltgym.zip")
    file.write_bytes(toys.with_file(bundles["policy"], POLICY, make()))
    with pytest.raises(VoltGymError, match=says):
        verify(file, toys.track())
