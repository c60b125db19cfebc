"""Search: proposals follow from what is known, find a known optimum, and a search goes on where it was."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cli, sweep, sweep_plan, swept
from voltgym.experiments.records import read_records
from voltgym.experiments.search import TpeSearch, distribution
from voltgym.experiments.tables import entry

SPACE = [
    "env=thevenin",
    "agent.rate=tag(log,interval(1e-3,1e1))",
    "agent.kind=choice(good,bad)",
    "agent.n=int(interval(1,8))",
]


def worth(overrides: Any) -> float:
    """Best at a rate of 0.1, the good kind and 6."""
    found = {key: one.value() for key, one in swept.by_key(overrides).items()}
    off = (math.log10(found["agent.rate"]) + 1) ** 2 + 0.05 * (found["agent.n"] - 6) ** 2
    return -off - (found["agent.kind"] == "bad")


def test_it_finds_a_known_optimum_and_repeats_itself() -> None:
    searcher = TpeSearch(trials=60, batch=4, initial=10)
    told: list[tuple[list[str], float | None]] = []
    while more := searcher.next(SPACE, told):
        again = TpeSearch(trials=60, batch=4, initial=10).next(SPACE, told)
        assert more == again, "the same proposals from the same results"
        told += [(overrides, worth(overrides)) for overrides in more]
    assert len(told) == 60
    assert max(value for _, value in told if value is not None) > -0.1
    late = [worth(overrides) for overrides, _ in told[-20:]]
    early = [worth(overrides) for overrides, _ in told[:10]]
    assert sum(late) / 20 > sum(early) / 10, "it learned"
    assert all("evaluation.split=validation" in overrides for overrides, _ in told)


def test_failed_trials_count_as_the_worst() -> None:
    searcher = TpeSearch(trials=10, batch=2, initial=2)
    first = searcher.next(SPACE, [])
    more = searcher.next(SPACE, [(first[0], None), (first[1], float("nan"))])
    assert len(more) == 2


@pytest.mark.parametrize(
    ("settings", "overrides", "says"),
    [
        ({}, ["env=thevenin"], "something to search over"),
        ({}, ["seed=0,1"], "a search over seed finds a lucky one"),
        ({}, ["++seed=0,1"], "a search over seed finds a lucky one"),
        ({}, ["budget=1,2", "evaluation.split=test"], "what is tuned on the test split"),
        ({}, ["budget=1,2", "++evaluation.split='private'"], "what is tuned on the 'private' split"),
        ({}, ["evaluation.split=test,validation"], "what is tuned on the test split"),
        ({}, ["agent.x=interval(-inf,inf)"], "from less to more"),
        ({}, ["agent.x=tag(logg,interval(1,2))"], "unknown tag 'logg'"),
        ({}, ["agent.x=tag(log,interval(0,1))"], "above 0 with a log"),
        ({}, ["agent.x=interval(2,1)"], "from less to more"),
        ({"metric": "retrn"}, [], "Did you mean 'return'?"),
        ({"trials": 0}, [], "trials is 0"),
    ],
)
def test_a_search_that_there_cannot_be(settings: dict[str, Any], overrides: list[str], says: str) -> None:
    with pytest.raises(VoltGymError, match=says.replace("?", r"\?")):
        TpeSearch(**settings).next(overrides, [])


def test_nothing_is_tried_twice_and_a_search_ends_where_nothing_is_left() -> None:
    searcher = TpeSearch(trials=20, batch=4, initial=2)
    told: list[tuple[list[str], float | None]] = []
    while more := searcher.next(["agent.x=range(0,1,0.25)", "agent.b=true,null"], told):
        told += [(overrides, 0.0) for overrides in more]
    assert len({tuple(overrides) for overrides, _ in told}) == len(told) == 8


def test_a_split_that_is_chosen_is_kept() -> None:
    assert TpeSearch(batch=1).next(["evaluation.split=train", "budget=4,5"], [])[0][0] == "evaluation.split=train"


@pytest.mark.parametrize("space", ["interval(0.99995,1)", "interval(100000.5,100001.5)", "interval(-1e-5,0.12346)"])
def test_numbers_are_within_their_interval_and_differ(space: str) -> None:
    searcher = TpeSearch(trials=30, batch=10, initial=30)
    told: list[tuple[list[str], float | None]] = []
    while more := searcher.next([f"agent.x={space}"], told):
        told += [(overrides, 0.0) for overrides in more]
    assert len({tuple(overrides) for overrides, _ in told}) == 30
    kind = distribution(swept.by_key([f"agent.x={space}"])["agent.x"])
    assert all(kind.low <= float(overrides[-1].partition("=")[2]) <= kind.high for overrides, _ in told)


def test_whole_numbers_stay_whole() -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = {key: distribution(one) for key, one in swept.by_key(SPACE[1:]).items()}
    assert isinstance(found["agent.rate"], FloatDistribution)
    assert found["agent.rate"].log
    assert isinstance(found["agent.kind"], CategoricalDistribution)
    assert isinstance(found["agent.n"], IntDistribution)
    log = distribution(swept.by_key(["agent.n=tag(log,int(interval(1,300)))"])["agent.n"])
    assert isinstance(log, IntDistribution)
    assert log.log


def test_the_command_line_searches_and_goes_on(monkeypatch: pytest.MonkeyPatch, no_report: Any, tmp_path: Any) -> None:
    launched: list[int] = []

    def launch(plan: Any, jobs: Any) -> None:
        from voltgym.experiments import sweep_job

        for job in jobs:
            launched.append(job.number)
            sweep_job.train(plan, job)
            if len(launched) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "launch", launch)
    toy = [
        "env=thevenin",
        "agent=random",
        "agent._target_=toys.Agent",
        "evaluation=nominal",
        "evaluation.recheck.episodes=0",
    ]
    folder = tmp_path / "search"
    asked = [
        "+agent.rate=interval(0.3,0.9)",
        "hydra/sweeper=tpe",
        "hydra.sweeper.trials=4",
        f"hydra.sweep.dir={folder}",
    ]
    with pytest.raises(SystemExit) as end:
        cli.run_command("train", ["-m", *toy, *asked[1:]])
    assert end.value.code == 2, "nothing to search over"
    assert not folder.exists()
    with pytest.raises(SystemExit):
        cli.run_command("train", ["-m", *toy, *asked])
    assert [job.number for job in sweep_plan.read(folder).jobs] == [0, 1, 2, 3]
    cli.run_command("train", [f"resume={folder}"])
    assert launched == [0, 1, 2, 3], "nothing twice"
    done = sweep_plan.read(folder)
    assert len({override for job in done.jobs for override in job.overrides if "rate" in override}) == 4
    by_value = {**done.search, "sweeper": {**done.search["sweeper"], "metric": "value"}}  # type: ignore[dict-item,index]
    least = min(value for value in minutes(done) if math.isfinite(value))
    said = sweep.best(replace(done, search=by_value))
    assert said.startswith(f"best: Time to target [min] {least:.4g}, trial "), "as measured, not as larger is better"
    assert sweep.best(done).startswith("best: mean return ")
    assert sweep.best(replace(done, search=None)) == ""


def minutes(done: sweep_plan.Sweep) -> list[float]:
    return [entry("", read_records(done.run(job).records_file)).value[1] for job in done.jobs]
