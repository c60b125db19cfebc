from __future__ import annotations

from dataclasses import replace

import leaderboard_toys as toys
import numpy as np
import pytest

from voltgym.experiments import design_metrics, metrics, standing
from voltgym.experiments.results import Run
from voltgym.experiments.standing import APART, FAULTY, RANKED, UNTRUSTED, Standing
from voltgym.experiments.standing_search import curve
from voltgym.experiments.standing_table import interval_text, percent, rank_text, table
from voltgym.experiments.standings import standings
from voltgym.experiments.statistics import Interval, Rank, iqm

TRACK = toys.control()


def by_name(runs: list[Run], track: toys.Track = TRACK) -> dict[str, Standing]:
    return {f"{s.entry}/{s.section}": s for s in standings(runs, track)}


@pytest.fixture(scope="module")
def usual() -> list[Run]:
    return toys.control_set(TRACK)


def test_anchors_score_zero_and_one(usual: list[Run]) -> None:
    found = by_name(usual)
    assert found["five_stage_cc/ranked"].score.value == 0.0
    assert found["greedy/ranked"].score.value == pytest.approx(1.0)
    assert found["five_stage_cc/ranked"].improvement == 0.5


def test_the_score_is_the_iqm_of_the_means_of_runs(usual: list[Run]) -> None:
    ppo = by_name(usual)["ppo/ranked"]
    base, best = (next(r for r in usual if r.entry == name) for name in TRACK.score.anchors)
    each = [
        metrics.score(r.records, base.records, best.records, toys.TIME, 90)
        for r in usual
        if (r.entry, r.fingerprint) == ("ppo", toys.PRINT)
    ]
    assert ppo.score.value == pytest.approx(float(iqm(np.array(each))))
    assert ppo.score.low < ppo.score.value < ppo.score.high
    assert ppo.gap == pytest.approx(float(np.mean([1 - s for s in each])))


def test_too_few_feasible_episodes_rank_below_all_others(usual: list[Run]) -> None:
    found = [s for s in standings(usual, TRACK) if s.rank and s.information == "full"]
    last = [s.entry for s in found if s.below]
    assert last == [s.entry for s in found][-len(last) :] == ["careless", "random"]
    careless = found[-2]
    assert careless.score.value > next(s for s in found if s.entry == "five_stage_cc").score.value
    assert careless.rank is not None
    assert careless.rank.best == len(found) - 1


def test_classes_are_ranked_apart(usual: list[Run]) -> None:
    found = by_name(usual)
    assert found["greedy/ranked"].rank == Rank(1, 1, 1.0)
    assert found["ppo/ranked"].rank is not None
    assert found["ppo/ranked"].rank.best == 1


def test_few_seeds_are_provisional_and_fixed_entries_are_not(usual: list[Run]) -> None:
    found = by_name(usual)
    assert found["early/ranked"].provisional
    assert not found["ppo/ranked"].provisional
    assert not found["cccv/ranked"].provisional
    assert found["cccv/ranked"].fixed


def test_another_fingerprint_is_apart_and_never_scored_by_these_anchors(usual: list[Run]) -> None:
    other = by_name(usual)["ppo/another fingerprint"]
    assert other.fingerprint == toys.OTHER_PRINT
    assert other.rank is None
    assert np.isnan(other.score.value)
    assert "five_stage_cc" in other.why
    anchors = [replace(r, fingerprint=toys.OTHER_PRINT) for r in usual if r.entry in TRACK.score.anchors]
    again = by_name([*usual, *anchors])["ppo/another fingerprint"]
    assert again.rank is None
    assert np.isfinite(again.score.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: {"records": r.records[:-2]}, "48 of 50 episodes are there; 48, 49 are missing"),
        (lambda r: {"records": [*r.records[:-1], r.records[0]]}, "episode 0 is there 2 times"),
        (lambda r: {"records": [*r.records, {**r.records[0], "episode": 50}]}, "50 is too many"),
        (lambda r: {"records": [{**x, "split": "train"} for x in r.records]}, "split 'train'"),
        (lambda r: {"records": [{**x, "env_kwargs": {"cell": "X"}} for x in r.records]}, "other arguments: cell"),
        (lambda r: {"budget": 2_000_000}, "budget is 2,000,000 env steps, the track allows 1,000,000"),
    ],
)
def test_a_faulty_run_says_what_is_wrong_and_is_not_ranked(usual: list[Run], change: object, said: str) -> None:
    run = toys.control_run(TRACK, "mine", 4, 1.1)
    found = by_name([*usual, replace(run, **change(run))])["mine/not scored"]  # type: ignore[operator]
    assert said in found.why
    assert found.why.startswith("seed 4: ")
    assert found.rank is None


def test_a_seed_that_is_there_twice_is_a_fault(usual: list[Run]) -> None:
    run = toys.control_run(TRACK, "mine", 4, 1.1)
    assert by_name([*usual, run, run])["mine/not scored"].why == "seed 4 is there 2 times"


def test_without_an_anchor_nothing_is_scored_and_all_say_so(usual: list[Run]) -> None:
    found = standings([r for r in usual if r.entry != "greedy"], TRACK)
    assert {s.section for s in found} == {FAULTY, APART}
    assert all("no score without greedy" in s.why for s in found if s.fingerprint == toys.PRINT and s.entry != "short")


def test_runs_of_another_version_are_left_out(usual: list[Run]) -> None:
    assert standings([replace(run, version=0) for run in usual], TRACK) == []


def test_control_ranks_from_rerun_entries_once_there_is_one(usual: list[Run]) -> None:
    assert {s.section for s in standings(usual, TRACK) if s.author == standing.OURS} == {RANKED, APART, FAULTY}
    boaster = toys.rerun_entry(TRACK)[10:]
    assert by_name([*usual, *boaster])["boaster/not ranked"].rank is None
    found = by_name([*usual, *toys.rerun_entry(TRACK)])
    assert found["outsider/ranked"].rank == Rank(1, 1, 1.0)
    assert found["ppo/not ranked"].section == UNTRUSTED
    assert found["greedy/ranked"].rank, "another class has no such entry yet"


def test_an_outsider_cannot_be_the_anchor(usual: list[Run]) -> None:
    slow = toys.control_run(TRACK, "five_stage_cc", 0, 2.5, author="a lab", trust="re-run")
    before, after = (
        [s.score.value for s in standings(runs, TRACK) if s.entry == "cccv"] for runs in (usual, [slow, *usual])
    )
    assert before == after


def test_designs_have_regret_and_areas_and_a_gap() -> None:
    track = toys.designs()
    runs = toys.design_set(track)
    found = by_name(runs, track)
    search = found["botorch/ranked"].search
    assert search is not None
    firsts = [max(x["values"][toys.MERIT] for x in r.records) for r in runs if r.entry == "botorch"]
    assert search.regret == pytest.approx(float(np.mean([0.8 - v for v in firsts])))
    assert search.surrogate_gap == pytest.approx(0.05)
    assert search.auc.low <= search.auc.value <= search.auc.high
    assert search.checkpoints[100] <= search.checkpoints[500]
    assert search.acceleration is not None
    assert search.acceleration[0] > 1
    exploiter = found["exploiter/ranked"]
    assert exploiter.below
    assert exploiter.score.value == 0.0
    assert exploiter.search is not None
    assert exploiter.search.surrogate_gap == pytest.approx(0.5)
    assert np.isnan(exploiter.search.regret)


def test_a_bound_is_shown_as_one() -> None:
    track = toys.designs()
    runs = [toys.design_run(track, "random_designs", k, 0.9) for k in range(4)]
    runs += [toys.design_run(track, "worse", k, 0.1) for k in range(4)]
    search = by_name(runs, track)["worse/ranked"].search
    assert search is not None
    factor, bound = search.acceleration or (0.0, False)
    assert bound
    assert 0 < factor <= 1
    assert any("≤" in cell for row in table(standings(runs, track), track).rows for cell in row)


def test_a_search_that_hands_in_nothing_scores_nothing() -> None:
    track = toys.designs()
    run = replace(toys.design_run(track, "botorch", 0, 0.9), records=[])
    found = by_name([run], track)["botorch/ranked"]
    assert found.score.value == 0.0
    assert found.feasible == 0.0


def test_a_front_has_its_hypervolume() -> None:
    track = toys.pareto()
    found = by_name(toys.design_set(track), track)["botorch/ranked"]
    assert found.value == pytest.approx(found.score.value * 0.6)
    assert found.search is not None
    assert np.isnan(found.search.regret), "a front has no single best value"


def test_the_area_is_that_of_every_call() -> None:
    track = toys.designs()
    run = toys.design_run(track, "botorch", 0, 0.5)
    found = curve(run, track)
    assert found is not None
    scores = np.zeros(1000)
    for step in run.curve:
        if step["value"] is not None:
            scores[step["spent"] - 1] = max(track.score.of_value(step["value"]), 0)
    expected = design_metrics.auc_top(scores, 1, 1000)
    assert design_metrics.auc_best(found.spent, found.best, 1000) == pytest.approx(expected)
    some = np.unique(np.searchsorted(found.spent, np.flatnonzero(np.diff(found.best, prepend=0.0)) + 1, side="left"))
    assert design_metrics.auc_best(found.spent[some], found.best[some], 1000) == pytest.approx(expected)


def test_control_has_no_best_so_far() -> None:
    assert curve(toys.control_run(TRACK, "ppo", 0, 1.1), TRACK) is None


def test_the_table_leaves_out_what_nobody_has(usual: list[Run]) -> None:
    shown = table(standings(usual, TRACK), TRACK)
    assert shown.columns[:5] == ("class", "rank", "entry", "score", "feasible")
    assert "regret" not in shown.columns
    assert len(shown.rows) == 10
    assert "10" in shown.rows[0][shown.columns.index("seeds")]


def test_texts() -> None:
    assert rank_text(Rank(1, 3, 2.0)) == "1–3"
    assert rank_text(Rank(2, 2, 2.0)) == "2"
    assert rank_text(None) == "-"
    assert percent(0.999) == "99.9 %"
    assert percent(1.0) == "100 %"
    assert percent(0.001) == "0.1 %"
    assert interval_text(Interval(0.931, 0.9, 0.95)) == "0.93 [0.90, 0.95]"
    assert interval_text(Interval(0.5, float("nan"), float("nan"))) == "0.50"


def test_designs_are_feasible_by_what_is_scored() -> None:
    track, front = toys.designs(), toys.pareto()
    for each, shares in ((track, (0.0, 1.0)), (front, (1.0, 1.0))):
        run = toys.design_run(each, "botorch", 0, 0.9)
        spoilt = [{**record, "feasible": k > 0} for k, record in enumerate(run.records)]
        kept = [{**record, "feasible": k == 0} for k, record in enumerate(run.records)]
        found = [by_name([replace(run, records=r)], each)["botorch/ranked"] for r in (spoilt, kept)]
        assert tuple(s.feasible for s in found) == shares
        assert found[1].search is not None
        assert found[1].search.handed_in == pytest.approx(0.2)


def test_the_way_of_acting_is_no_other_problem() -> None:
    track = toys.designs(env_kwargs={"property_model": "xtb", "action": "edits"})
    runs = [toys.design_run(track, "botorch", seed, 0.9) for seed in range(3)]
    other = {"env_kwargs": {**runs[0].records[0]["env_kwargs"], "action": "continuous"}}
    changed = [replace(run, records=[{**r, **other} for r in run.records]) for run in runs]
    assert by_name(changed, track)["botorch/ranked"].rank
    two = by_name(changed[:2], track)["botorch/ranked"]
    assert (two.rank, two.why) == (None, "fewer than 3 seeds: no rank")


def test_what_does_not_carry_over_is_a_gap_in_scores_however_hard_the_episodes_are() -> None:
    def trained(run: Run, harder: float) -> Run:
        return replace(
            run, trained=[{**r, "values": {toys.TIME: harder * r["values"][toys.TIME]}} for r in run.records]
        )

    pairs = zip(TRACK.score.anchors, (1.4, 1.0), strict=True)
    base, best = (toys.control_run(TRACK, name, None, factor) for name, factor in pairs)
    same, better = (toys.control_run(TRACK, name, 0, 1.1) for name in ("same", "better"))
    runs = [*(trained(run, 1.2) for run in (base, best, same)), trained(better, 1.2 / 1.05)]
    found = by_name(runs)
    t_base, t_best = (metrics.times(run.records, toys.TIME, 90) for run in (base, best))
    span = float(np.mean(np.log(t_base / t_best)))
    assert found["same/ranked"].train_gap == pytest.approx(0.0, abs=1e-12)
    assert found["better/ranked"].train_gap == pytest.approx(np.log(1.05) / span)
    assert "train-test gap" in table(list(found.values()), TRACK).columns
    unknown = by_name([*runs[:3], better])["better/ranked"]
    assert np.isnan(unknown.train_gap)


def test_a_budget_of_something_else_is_no_budget() -> None:
    track = toys.designs()
    runs = [replace(toys.design_run(track, "mine", seed, 0.9), unit="evaluations") for seed in range(3)]
    (found,) = standings(runs, track)
    assert found.section == FAULTY
    assert "its budget counts evaluations, that of the track unique designs" in found.why
