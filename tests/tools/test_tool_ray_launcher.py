"""Sweeps on Ray: the records of joblib to the last bit, and all of them when a node dies in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voltgym.experiments.records import read_records

pytestmark = pytest.mark.tools
ray = pytest.importorskip("ray")

TOYS = Path(__file__).parents[1] / "experiments"
TOY = (
    "env=thevenin",
    "agent=random",
    "agent._target_=toys.Agent",
    "evaluation=nominal",
    "evaluation.recheck.episodes=0",
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "voltgym.experiments.cli", "train", "-m", *TOY, *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOYS), "OMP_NUM_THREADS": "1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


def records(folder: Path) -> dict[str, list]:
    return {file.parent.name: read_records(file) for file in folder.rglob("episodes.jsonl")}


def test_ray_makes_the_records_that_joblib_makes(tmp_path: Path) -> None:
    for name in ("joblib", "ray"):
        arguments = ("seed=0,1,2", f"hydra.sweep.dir={tmp_path / name}", f"hydra/launcher={name}")
        done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert len(records(tmp_path / "ray")) == 3
    assert records(tmp_path / "ray") == records(tmp_path / "joblib")


def test_a_node_that_dies_takes_no_job_with_it(tmp_path: Path) -> None:
    """Two nodes with one processor each, of which one is killed while it works: the other does its jobs as well."""
    from ray.cluster_utils import Cluster

    os.environ.update(environment())  # what the nodes' workers inherit
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        folder = tmp_path / "sweep"
        arguments = (
            "+agent.pause=0.2",
            "budget=40",
            "seed=range(4)",
            f"hydra.sweep.dir={folder}",
            "hydra/launcher=ray",
        )
        told = command(*arguments, f"hydra.launcher.init.address={cluster.address}")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen(told, env=environment(), **pipes)  # type: ignore[call-overload]
        end = time.monotonic() + 180
        while len(list(folder.rglob("learning.jsonl"))) < 2 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.2)
        assert len(list(folder.rglob("learning.jsonl"))) >= 2, "both nodes work"
        cluster.remove_node(nodes[0], allow_graceful=False)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert sorted(records(folder)) == [f"{i:03d}-seed-{i}" for i in range(4)]
    finally:
        cluster.shutdown()
