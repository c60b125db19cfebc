"""Policies as ONNX: they act as their numpy does, in a process of their own that is given nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from voltgym.agents.base import load_policy, save_policy
from voltgym.agents.lstm import Cell, LstmPolicy
from voltgym.agents.mlp import MlpPolicy, describe_space
from voltgym.agents.onnx_checks import MOST_BYTES, OnnxError, check
from voltgym.agents.onnx_export import to_onnx
from voltgym.agents.onnx_policy import OnnxPolicy, PolicyFailed
from voltgym.agents.policies import DesignPolicy
from voltgym.agents.slack_model import SlackGreedy, SlackModel
from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes

RNG = np.random.default_rng(0)
BOX = describe_space(gym.spaces.Box(np.float32([-1, 0]), np.float32([2, 5])))
RATE = describe_space(gym.spaces.Box(np.float32([0]), np.float32([3])))
THEVENIN = "VoltGym/Thevenin-v0"


def network(sizes: list[int], activation: str = "Tanh") -> list[Any]:
    layers: list[Any] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [activation] * (i > 0) + [(RNG.normal(size=(b, a)) * 0.3, RNG.normal(size=b) * 0.1)]
    return layers


@pytest.fixture
def run() -> Iterator[Callable[..., OnnxPolicy]]:
    """Policies that are ended with the test."""
    made: list[OnnxPolicy] = []

    def make(data: bytes, **more: Any) -> OnnxPolicy:
        made.append(OnnxPolicy(data, "bms", **more))
        return made[-1]

    yield make
    for policy in made:
        policy.close()


@pytest.mark.parametrize("activation", ["Tanh", "ReLU", "SiLU"])
def test_a_network_acts_as_its_numpy(activation: str, run: Callable[..., OnnxPolicy]) -> None:
    policy = MlpPolicy(network([6, 16, 16, 2], activation), BOX, "bms")
    observation = RNG.normal(size=(40, 6)).astype(np.float32) * 3
    action, memory = run(to_onnx(policy, (6,)))(observation)
    expected = policy(observation)[0]
    assert action.dtype == np.float32
    np.testing.assert_allclose(action, expected, rtol=0, atol=1e-6)
    assert memory is None
    assert len(np.unique(expected[:, 0])) > 10


def test_masked_actions_are_never_taken(run: Callable[..., OnnxPolicy]) -> None:
    policy = MlpPolicy(network([6, 7]), describe_space(gym.spaces.Discrete(7, start=3)), "full")
    observation, mask = RNG.normal(size=(40, 6)).astype(np.float32), RNG.random((40, 7)) < 0.3
    mask[:, 2] = True
    there = run(to_onnx(policy, (6,), masked=True))
    np.testing.assert_array_equal(there(observation, mask=mask)[0], policy(observation, mask=mask)[0])
    np.testing.assert_array_equal(there(observation)[0], policy(observation)[0])
    assert "mask" not in check(to_onnx(policy, (6,)))["inputs"]


def test_a_memory_goes_in_and_out_and_begins_anew(run: Callable[..., OnnxPolicy]) -> None:
    size = 5
    cells = [
        Cell(RNG.normal(size=(4 * size, d)), RNG.normal(size=(4 * size, size)), RNG.normal(size=4 * size))
        for d in (6, size)
    ]
    policy = LstmPolicy(cells, MlpPolicy(network([size, 4, 1]), RATE, "bms"))
    there = run(to_onnx(policy, (6,)))
    assert sorted(there.memory) == ["memory_cell_0", "memory_cell_1", "memory_hidden_0", "memory_hidden_1"]
    one = two = None
    for step in range(8):
        observation, first = (
            RNG.normal(size=(3, 6)).astype(np.float32),
            np.array([step == 0, step in (0, 4), step == 0]),
        )
        a, one = policy(observation, one, first)
        b, two = there(observation, two, first)
        np.testing.assert_allclose(b, a, atol=1e-6)
    assert two is not None
    assert not np.allclose(two["memory_cell_0"][0], two["memory_cell_0"][1])


def test_the_same_policy_is_the_same_bytes_and_others_are_said() -> None:
    policy = MlpPolicy(network([3, 1]), RATE, "bms")
    assert to_onnx(policy, (3,)) == to_onnx(policy, (3,))
    with pytest.raises(VoltGymError, match="DesignPolicy cannot be written as ONNX; expected MlpPolicy"):
        to_onnx(DesignPolicy(None, [1.0]), (3,))


def test_it_is_kept_and_read_like_any_policy(tmp_path: Path) -> None:
    policy = OnnxPolicy(to_onnx(MlpPolicy(network([3, 1]), RATE, "bms"), (3,)), "bms")
    save_policy(policy, tmp_path, env_id=THEVENIN, env_kwargs={})
    again: Any = load_policy(tmp_path, env_id=THEVENIN)
    observation = np.ones((2, 3), dtype=np.float32)
    np.testing.assert_array_equal(again(observation)[0], policy(observation)[0])
    assert again.information == "bms"
    policy.close()
    again.close()


def test_shapes_are_compared_with_those_of_the_task(run: Callable[..., OnnxPolicy]) -> None:
    core = make_episodes(THEVENIN, 2)
    size = core.task.observation_space.shape[0]  # type: ignore[index]
    run(to_onnx(MlpPolicy(network([size, 1]), RATE, "bms"), (size,))).bind(core)
    with pytest.raises(PolicyFailed, match=r"takes observation of shape \[3\]; in VoltGym/Thevenin-v0 it is"):
        run(to_onnx(MlpPolicy(network([3, 1]), RATE, "bms"), (3,))).bind(core)
    with pytest.raises(PolicyFailed, match=r"action is float32 of shape \[2\]"):
        run(to_onnx(MlpPolicy(network([size, 2]), BOX, "bms"), (size,))).bind(core)


def test_the_process_has_no_secret_and_ends(run: Callable[..., OnnxPolicy], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTGYM_PRIVATE_SALT", "never to be seen")
    policy = run(to_onnx(MlpPolicy(network([3, 1]), RATE, "bms"), (3,)))
    process = policy._channel.process
    surroundings = Path(f"/proc/{process.pid}/environ")
    if surroundings.exists():
        assert b"never to be seen" not in surroundings.read_bytes()
    policy.close()
    assert process.poll() is not None
    with pytest.raises(PolicyFailed, match="its process ended"):
        policy(np.ones((1, 3), dtype=np.float32))


# -- what is not run ---------------------------------------------------------------------------------------------------


def model(
    nodes: list[Any],
    weights: list[Any] | None = None,
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    **more: Any,
) -> bytes:
    given = [value("observation", ["N", 3]), *(inputs or [])]
    graph = helper.make_graph(nodes, "policy", given, outputs or [value("action", ["N", 1])], initializer=weights or [])
    opsets = [helper.make_opsetid("", 17), *more.pop("opsets", [])]
    made = helper.make_model(graph, opset_imports=opsets, **more)
    made.ir_version = 8
    return made.SerializeToString()


def value(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def weight(array: Any, name: str = "w") -> Any:
    return numpy_helper.from_array(np.asarray(array, dtype=np.float32), name)


def times(name: str = "w") -> Any:
    return helper.make_node("MatMul", ["observation", name], ["action"])


COLUMN = weight(np.ones((3, 1)))


def branch(name: str) -> Any:
    return helper.make_graph([helper.make_node("Identity", ["observation"], [name])], "g", [], [value(name, ["N", 3])])


def control_flow() -> bytes:
    node = helper.make_node("If", ["c"], ["action"], then_branch=branch("a"), else_branch=branch("b"))
    return model([node], [numpy_helper.from_array(np.array(True), "c")])


def hidden_graph() -> bytes:
    node = helper.make_node("Identity", ["observation"], ["action"])
    node.attribute.append(helper.make_attribute("body", branch("a")))
    return model([node])


def external(attribute: bool = False) -> bytes:
    tensor = weight(np.ones((3, 1)))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    if not attribute:
        return model([times()], [tensor])
    return model([helper.make_node("Constant", [], ["w"], value=tensor), times()])


def huge() -> bytes:
    tensor = weight(np.ones((3, 1)))
    tensor.dims[:] = [3, 10**15]
    return model([times()], [tensor])


def sparse() -> bytes:
    tensor = helper.make_sparse_tensor(weight([1.0], "v"), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [3, 1])
    return model([helper.make_node("Constant", [], ["w"], sparse_value=tensor), times()])


def functions() -> bytes:
    opset, node = helper.make_opsetid("", 17), helper.make_node("Tanh", ["x"], ["y"])
    function = helper.make_function("mine", "F", ["x"], ["y"], [node], [opset])
    return model([times()], [COLUMN], functions=[function], opsets=[helper.make_opsetid("mine", 1)])


def text_weight() -> bytes:
    return model([times()], [COLUMN, helper.make_tensor("t", TensorProto.STRING, [1], [b"x"])])


def many(count: int) -> bytes:
    names = ["observation", *(f"n{i}" for i in range(count))]
    nodes = [helper.make_node("Tanh", [a], [b]) for a, b in pairwise(names)]
    return model([*nodes, helper.make_node("MatMul", [names[-1], "w"], ["action"])], [COLUMN])


LOTS = [weight(np.zeros(2_000_000), f"u{i}") for i in range(3)]
NOT_RUN: list[tuple[str, Callable[[], bytes], str]] = [
    ("control flow", control_flow, "uses 'If', which is not run here"),
    ("hidden graph", hidden_graph, "carries a graph"),
    ("random", lambda: model([helper.make_node("RandomNormalLike", ["observation"], ["action"])]), "'RandomNormal"),
    ("fills memory", lambda: model([helper.make_node("ConstantOfShape", ["observation"], ["action"])]), "not run here"),
    ("own domain", lambda: model([helper.make_node("F", ["observation"], ["action"], domain="x")]), "'x.F'"),
    ("other opset", lambda: model([times()], [COLUMN], opsets=[helper.make_opsetid("com.microsoft", 1)]), "soft 1"),
    ("functions", functions, "has functions"),
    ("external weights", external, "is kept in another file"),
    ("external constant", lambda: external(attribute=True), "is kept in another file"),
    ("huge weights", huge, "has the shape .* 4000000 numbers at most"),
    ("many weights", lambda: model([times()], [COLUMN, *LOTS]), "6000003 weights; expected at most|bytes"),
    ("sparse weights", sparse, "a graph or a sparse tensor"),
    ("texts", text_weight, "is of type 8; expected numbers"),
    ("too many operators", lambda: many(600), "601 operators; expected at most 500"),
    ("huge file", lambda: b"\0" * (MOST_BYTES + 1), "bytes; expected at most"),
    ("no ONNX", lambda: b"\x80\x04K\x01.", "damaged or no ONNX"),
    ("empty", lambda: b"", "ONNX"),
    ("no action", lambda: model([times("w")], [COLUMN], outputs=[value("observation", ["N", 3])]), "expected"),
    ("more outputs", lambda: model([times()], [COLUMN], outputs=[value("action", ["N", 1]), value("w", [3, 1])]), "w"),
    ("more inputs", lambda: model([times()], [COLUMN], [value("scenario", ["N", 3])]), "has the input 'scenario'"),
    ("seed wanted", lambda: model([times()], [COLUMN], [value("seed", ["N"])]), "has the input 'seed'"),
    ("memory not kept", lambda: model([times()], [COLUMN], [value("memory_x", ["N", 2])]), "next_memory_<name>"),
    ("free shape", lambda: model([times()], [COLUMN], [value("mask", ["N", "M"])]), "with a fixed shape"),
    ("huge input", lambda: model([times()], [COLUMN], [value("mask", ["N", 10**9])]), "has the shape"),
    ("unknown value", lambda: model([times("nowhere")]), "damaged or no ONNX"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), [n[1:] for n in NOT_RUN], ids=[n[0] for n in NOT_RUN])
def test_what_is_not_run(make: Callable[[], bytes], says: str) -> None:
    with pytest.raises(OnnxError, match=says) as caught:
        check(make())
    assert "\n" not in str(caught.value)


def test_the_models_of_these_tests_run_where_nothing_is_wrong(run: Callable[..., OnnxPolicy]) -> None:
    assert run(model([times()], [COLUMN]))(np.ones((2, 3), dtype=np.float32))[0].tolist() == [[3.0], [3.0]]


# -- what breaks while it runs -----------------------------------------------------------------------------------------


def grows(side: int, times_over: int) -> bytes:
    """An outer product of a wide row, multiplied by itself: much memory, much time, few weights."""
    nodes = [
        helper.make_node("MatMul", ["observation", "wide"], ["row"]),
        helper.make_node("Transpose", ["row"], ["column"], perm=[1, 0]),
        helper.make_node("MatMul", ["column", "row"], ["p0"]),
        *(helper.make_node("MatMul", [f"p{i}", "p0"], [f"p{i + 1}"]) for i in range(times_over)),
        helper.make_node("ReduceMean", [f"p{times_over}"], ["action"], axes=[1], keepdims=1),
    ]
    return model(nodes, [weight(np.zeros((3, side)), "wide")])


def test_too_much_memory(run: Callable[..., OnnxPolicy]) -> None:
    policy = run(grows(40_000, 1))
    with pytest.raises(PolicyFailed, match="the policy broke while it ran"):
        policy(np.ones((1, 3), dtype=np.float32))


def test_too_much_time(run: Callable[..., OnnxPolicy]) -> None:
    policy = run(grows(2_000, 400), row_seconds=0.0, total_seconds=5)
    with pytest.raises(PolicyFailed, match=r"took more than 1\.0 s; it was stopped"):
        policy(np.ones((1, 3), dtype=np.float32))
    assert policy._channel.process.poll() is not None


def test_shapes_that_are_not_as_declared(run: Callable[..., OnnxPolicy]) -> None:
    policy = run(grows(4, 1))
    with pytest.raises(PolicyFailed, match="does not have the shape"):
        policy(np.ones((1, 3), dtype=np.float32))


def test_actions_that_are_not_finite_are_a_failure_of_the_episode(run: Callable[..., OnnxPolicy]) -> None:
    from voltgym.experiments.evaluate import evaluate_policy  # the tests know every layer

    size = make_episodes(THEVENIN, 1).task.observation_space.shape[0]  # type: ignore[index]
    policy = MlpPolicy([(np.zeros((1, size)), np.array([np.nan]))], RATE, "bms")
    there = run(to_onnx(policy, (size,)))
    records = evaluate_policy(there, THEVENIN, {}, split="test", episodes=2, agent="a", seed=0)
    assert [r["failure"] for r in records] == ["ACTION", "ACTION"]


def test_greedy_on_learned_slacks_acts_as_its_numpy(run: Callable[..., OnnxPolicy]) -> None:
    rng = np.random.default_rng(1)
    first = np.column_stack([rng.normal(size=(16, 5)) * 0.2, np.full(16, 1.0)]), np.full(16, 3.0)
    last = -np.abs(rng.normal(size=(3, 16))) * 0.1, np.full(3, 6.0)  # slacks that fall as the action rises
    observation = rng.normal(size=(60, 5)).astype(np.float32)
    inside = []
    for margin in (-20.0, 1.0, 3.0, 1e3):
        policy = SlackGreedy(SlackModel([first, last], 0.0, 3.0), margin, "bms")
        action, _ = run(to_onnx(policy, (5,)))(observation)
        np.testing.assert_allclose(action, policy(observation)[0], atol=2e-3)
        inside.append(float(np.mean((action > 0) & (action < 3))))
    assert max(inside) > 0.3
