"""What the README says of the benchmark is what its records give."""

from __future__ import annotations

from pathlib import Path

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import benchmark_tables, results, tracks

README = Path(__file__).parents[2] / "README.md"


def test_the_tables_of_the_readme_are_computed() -> None:
    names = [name for name in tracks.names() if name in results.tracks()]
    whole = README.read_text(encoding="utf-8")
    inside = whole.partition(benchmark_tables.BEGIN)[2].partition(benchmark_tables.END)[0]
    assert inside.strip() == benchmark_tables.text_of(names, results.SHIPPED).strip(), (
        "run `voltgym benchmark-tables write=README.md`"
    )


def test_what_is_shipped_is_whole_and_small() -> None:
    for place in (results.SHIPPED, results.SHIPPED / results.PRIVATE):
        for run in results.read(place, check="first"):
            assert run.version == tracks.load(run.track).version
            assert run.author == "voltgym"
            assert run.hidden == (place.name == results.PRIVATE)
            assert not run.hidden or not any(record["scenario"] or record["actions"] for record in run.records)
    size = sum(file.stat().st_size for file in results.SHIPPED.rglob("*") if file.is_file())
    assert size < 12e6


def test_a_place_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("nothing")
    with pytest.raises(VoltGymError, match="needs one line"):
        benchmark_tables.put(file, "x")
    file.write_text(f"a\n{benchmark_tables.BEGIN}\nold\n{benchmark_tables.END}\nb\n")
    benchmark_tables.put(file, r"new \1")
    assert file.read_text() == f"a\n{benchmark_tables.BEGIN}\n\nnew \\1\n{benchmark_tables.END}\nb\n"


def test_no_results_are_said(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="no results"):
        benchmark_tables.main([f"results={tmp_path}"])
