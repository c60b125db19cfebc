from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import replace
from pathlib import Path

import leaderboard_toys as toys
import numpy as np
import pytest
from test_report import Page

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import leaderboard, leaderboard_build, results
from voltgym.experiments.leaderboard_build import site
from voltgym.experiments.leaderboard_cells import interval_svg, span
from voltgym.experiments.leaderboard_charts import progress, styles
from voltgym.experiments.leaderboard_designs import handed_in, middle_run
from voltgym.experiments.leaderboard_page import TrackView, render
from voltgym.experiments.leaderboard_pictures import pictures
from voltgym.experiments.leaderboard_words import anchors_text, notices
from voltgym.experiments.results import ResultError, Run
from voltgym.experiments.standing import RANKED
from voltgym.experiments.standings import standings
from voltgym.experiments.statistics import Interval

TRACK = toys.control()


@pytest.fixture(scope="module")
def control() -> list[Run]:
    return toys.control_set(TRACK)


@pytest.fixture(scope="module")
def view(control: list[Run]) -> TrackView:
    return site(control, [TRACK])[0]


@pytest.fixture(scope="module")
def html(view: TrackView) -> str:
    solvent = toys.designs()
    return render([view, *site(toys.design_set(solvent), [solvent])])


def test_build_writes_one_file_from_records(control: list[Run], tmp_path: Path) -> None:
    results.write(tmp_path / "kept", control)
    leaderboard.main(["build", f"results={tmp_path / 'kept'}", f"out={tmp_path / 'site'}"])
    assert [p.name for p in (tmp_path / "site").iterdir()] == ["index.html"]
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    Page(text)
    assert "3,148 episodes in 63 runs" in text


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "which one"),
        (["biuld"], "build"),
        (["build", "results"], "not key=value"),
        (["build", "result=x"], "results"),
        (["build", "results=nowhere"], "nowhere has no results"),
    ],
)
def test_mistakes_are_told(argv: list[str], said: str) -> None:
    with pytest.raises(VoltGymError, match=said):
        leaderboard.main(argv)


def test_a_subcommand_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    leaderboard.main(["build", "--help"])
    assert "index.html" in capsys.readouterr().out


def test_it_is_whole_and_asks_for_nothing(html: str) -> None:
    page = Page(html)
    assert page.of("script") == [{}]
    assert page.of("link") == [{"rel": "icon", "href": "data:,"}]
    assert not page.of("img")
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", html)
    assert "url(" not in html
    assert "@import" not in html
    ids = [attributes["id"] for _, attributes in page.seen if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for attributes in page.of("a")}
    assert {link[1:] for link in links if link} <= set(ids)


def test_the_policy_names_the_one_script(html: str) -> None:
    script = html.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [str(m["content"]) for m in Page(html).of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_what_others_write_is_escaped(html: str) -> None:
    assert "<script>alert(1)" not in html
    assert "<b>&#34;Ünsafe" not in html
    assert html.count("<script>") == 1
    assert "&lt;b&gt;&#34;Ünsafe&#34; &amp; &#39;quoted&#39;" in html
    wild = '<img src=x onerror="alert(1)">'
    run = replace(toys.control_run(TRACK, wild, 0, 1.1), author=wild, fingerprint=wild, config_hash=wild, unit=wild)
    record = {**run.records[0], "design": wild, "worst_slacks": {wild: 1.0}}
    solvent = toys.designs(title=wild, about=wild)
    mine = replace(toys.design_run(solvent, wild, 0, 0.9), author=wild, unit=wild)
    mine = replace(mine, records=[{**r, "design": wild} for r in mine.records])
    broken = replace(run, records=[record, *run.records[1:]])
    text = render([*site([broken], [TRACK]), *site([mine], [solvent])])
    assert "<img" not in text
    assert not Page(text).of("img")


def test_sections_are_said_and_apart(view: TrackView) -> None:
    titles = [table.title for table in view.tables]
    assert titles == ["Sees states and parameters", "May look ahead on the twin", "Another fingerprint", "Not scored"]
    other = view.tables[2].rows
    assert [e.standing.fingerprint for e in other] == [toys.OTHER_PRINT]
    assert any("authors' own runs" in text for text in view.notices)


def test_once_there_is_a_rerun_entry_the_others_are_not_ranked(control: list[Run]) -> None:
    found = site([*control, *toys.rerun_entry(TRACK)], [TRACK])[0]
    tables = {table.title: [e.standing.entry for e in table.rows] for table in found.tables}
    assert tables["Sees states and parameters"] == ["outsider"]
    assert {"ppo", "boaster", "five_stage_cc"} <= set(tables["Not ranked (self-reported)"])
    assert any("(class lookahead)" in text for text in found.notices)


def test_private_episodes_are_ranked_apart_and_before_what_everybody_can_see(
    control: list[Run], tmp_path: Path
) -> None:
    def unseen(run: Run) -> Run:
        return replace(run, trust="re-run", records=[{**r, "split": results.PRIVATE} for r in run.records])

    anchors = [unseen(run) for run in control if run.entry in TRACK.score.anchors and run.fingerprint == toys.PRINT]
    outsiders = [unseen(toys.control_run(TRACK, "outsider", k, 1.01, author="a lab")) for k in range(10)]
    private, public = site([*control, *anchors, *outsiders], [TRACK])
    assert (private.id, private.track.title) == ("track:control_full_private", f"{TRACK.title}: private episodes")
    assert dict(private.facts)["Judged on"] == "50 episodes, split private"
    tables = {table.title: [e.standing.entry for e in table.rows] for table in private.tables}
    assert tables["Sees states and parameters"] == ["outsider", "five_stage_cc"]
    told = {table.title: [e.standing.entry for e in table.rows] for table in public.tables}
    assert "Sees states and parameters" not in told
    assert public.notices[0] == "Everybody can see these episodes: the ranks are those on private ones."
    assert public.notices[0] not in private.notices
    assert {"ppo", "five_stage_cc"} <= set(told["Not ranked (self-reported)"])
    results.write(tmp_path / "kept", control)
    results.write(tmp_path / "kept" / results.PRIVATE, [*anchors, *outsiders])
    text = leaderboard_build.write_site(tmp_path / "kept", tmp_path).read_text(encoding="utf-8")
    assert text.count('id="track:') == 2
    alone = leaderboard_build.write_site(tmp_path / "kept" / results.PRIVATE, tmp_path).read_text(encoding="utf-8")
    assert alone.count('id="track:') == 1
    assert "is of VoltGym" not in alone


def test_runs_of_another_version_are_counted(control: list[Run]) -> None:
    old = [replace(run, version=0) for run in control[:3]]
    assert "3 runs of other versions of this track are not shown." in site([*control, *old], [TRACK])[0].notices


def test_entries_keep_their_address(control: list[Run]) -> None:
    ids = {e.id for e in site(control, [TRACK])[0].entries}
    more = {e.id for e in site([*control, *toys.rerun_entry(TRACK)], [TRACK])[0].entries}
    assert ids < more
    assert "entry:control_full:ppo-full" in ids
    assert "entry:control_full:outsider-a-lab-full" in more


def test_proven_is_said_only_where_it_is() -> None:
    assert "proven" not in anchors_text(TRACK)
    assert "greedy, the best known" in anchors_text(TRACK)
    assert "the proven front" in anchors_text(toys.pareto())
    assert "the proven optimum" in anchors_text(toys.designs(optimum="proven"))
    assert "best known" in anchors_text(toys.designs())


def test_designs_are_never_told_to_be_rerun() -> None:
    track = toys.designs()
    assert not any("authors' own" in text for text in notices(standings(toys.design_set(track), track), track, 0))


def test_curves_of_a_search_are_not_called_physics(html: str) -> None:
    assert "which may be a surrogate: not the physics" in html


def test_an_empty_track_has_a_page() -> None:
    found = site([], [TRACK])
    assert found[0].tables == []
    Page(render(found))


def test_an_outlier_does_not_press_the_axis_together(control: list[Run]) -> None:
    axis = span([s for s in standings(control, TRACK) if s.section == RANKED])
    assert axis[0] == -0.5
    assert axis[1] == pytest.approx(1.0, abs=0.1)
    assert "<path" in interval_svg(Interval(-3.0, -4.0, -2.0), axis)
    assert "<circle" in interval_svg(Interval(0.5, 0.4, 0.6), axis)
    assert "<rect" not in interval_svg(Interval(0.5, float("nan"), float("nan")), axis)
    assert 'class="hollow"' in interval_svg(Interval(0.5, 0.4, 0.6), axis, hollow=True)


def test_eight_entries_are_drawn_each_in_its_own_style(control: list[Run]) -> None:
    found = standings(control, TRACK)
    drawn = styles(found)
    assert sorted(drawn.values()) == list(range(8))
    assert {found[i].entry for i in drawn}.isdisjoint({"careless", "random"})


def test_a_curve_is_the_median_with_its_quartiles() -> None:
    track = toys.designs()
    (s,) = [s for s in standings(toys.design_set(track), track) if s.entry == "random_designs"]
    series = progress(s, track)
    assert series is not None
    assert series.between is not None
    low, high = series.between
    assert (low <= series.y).all()
    assert (series.y <= high).all()
    assert (np.diff(series.y) >= 0).all()
    assert series.y[0] == 0.0


def test_charges_are_drawn_from_actions_alone(control: list[Run]) -> None:
    (s,) = [s for s in standings(control, TRACK) if s.entry == "sac"]
    (picture,) = pictures(s, TRACK)
    assert picture.title == "C-rate as played"
    assert any("Not feasible" in chart for chart in picture.charts)
    assert len(picture.charts) == 4


@pytest.mark.parametrize(
    ("env_id", "title"), [("VoltGym/Solvent-v0", "Molecules"), ("VoltGym/Cathode-v0", "Compositions")]
)
def test_designs_are_drawn(env_id: str, title: str) -> None:
    track = toys.designs(env_id=env_id)
    (s,) = [s for s in standings(toys.design_set(track), track) if s.entry == "graph_ga"]
    (picture,) = pictures(s, track)
    assert picture.title == title
    assert all(chart.startswith(("<svg", "<div")) for chart in picture.charts)
    best = handed_in(s, track)[0]
    assert best.design in "".join(picture.charts)
    assert best.value == max(run.records[0]["values"][toys.MERIT] for run in s.runs)


def test_protocols_are_drawn_over_soc() -> None:
    track = toys.designs(env_id="VoltGym/ProtocolDesign-v0", hand_in=0, episodes=1)
    runs = [toys.design_run(track, "cma", k, 0.8) for k in range(3)]
    runs = [replace(r, records=[{**_first(r, track), "actions": [[1.0, 0.8, 0.6]]}]) for r in runs]
    (s,) = standings(runs, track)
    assert s.why == ""
    (picture,) = pictures(s, track)
    assert picture.charts[0].count('class="series') == 3


def _first(run: Run, track: toys.Track) -> toys.Record:
    record = toys.design_run(toys.designs(), "cma", 0, 0.8).records[0]
    return {**record, "env_id": track.env_id, "env_kwargs": dict(track.env_kwargs), "seed": run.seed}


def test_designs_that_cannot_be_drawn_are_left_out() -> None:
    track = toys.designs()
    run = toys.design_run(track, "mine", 0, 0.9)
    odd = [{**r, "design": "not a molecule"} for r in run.records]
    (s,) = standings([replace(run, records=odd)], track)
    assert pictures(s, track) == []


def test_the_middle_run_is_nearest_to_the_score(control: list[Run]) -> None:
    (s,) = [s for s in standings(control, TRACK) if s.entry == "ppo" and s.rank]
    far = {run.seed: abs(float(row.mean()) - s.score.value) for run, row in zip(s.runs, s.scores, strict=True)}
    assert middle_run(s).seed == min(far, key=far.__getitem__)


def test_what_is_read_lazily_is_the_same(tmp_path: Path) -> None:
    track = toys.designs()
    runs = [*toys.design_set(track, seeds=2), *toys.control_set(TRACK, seeds=1)]
    results.write(tmp_path, runs)
    for name in (track.name, TRACK.name):
        slow, quick = results.read(tmp_path, name), results.read(tmp_path, name, check="first", lazily=True)
        decoded = [[{**x, "actions": list(x["actions"])} for x in run.records] for run in quick]
        whole = [replace(r, records=d, curve=list(r.curve)) for r, d in zip(quick, decoded, strict=True)]
        assert whole == slow
        assert len(quick[0].records[0]["actions"]) == len(slow[0].records[0]["actions"])
        assert quick[0].records[0]["actions"][0] == slow[0].records[0]["actions"][0]


def test_damaged_results_are_told(tmp_path: Path) -> None:
    results.write(tmp_path, toys.control_set(TRACK, seeds=1))
    (tmp_path / f"{TRACK.name}.episodes.parquet").write_bytes(b"no")
    with pytest.raises(ResultError, match="damaged"):
        results.read(tmp_path, TRACK.name, check="first", lazily=True)


def test_unknown_trust_is_told(tmp_path: Path) -> None:
    results.write(tmp_path, [replace(toys.control_run(TRACK, "mine", 0, 1.0), trust="believed")])
    with pytest.raises(ResultError, match="believed"):
        results.read(tmp_path, TRACK.name, check="first", lazily=True)


@pytest.mark.slow
def test_a_hundred_thousand_episodes_fit_into_five_megabytes(tmp_path: Path) -> None:
    for name in ("control_full", "control_bms"):
        track = toys.control(name)
        runs = toys.control_set(track)
        for k in range(94):
            runs += [toys.control_run(track, f"entry-{k}", seed, 1.02 + k / 100) for seed in range(10)]
        results.write(tmp_path / "kept", runs)
    start = time.perf_counter()
    file = leaderboard_build.write_site(tmp_path / "kept", tmp_path)
    print(f"{time.perf_counter() - start:.1f} s, {file.stat().st_size / 1e6:.2f} MB")
    assert file.stat().st_size < 5e6
