from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from test_evaluate import Best
from toys import Constant

from voltgym.envs.charging.objective import Limits
from voltgym.envs.charging.viewer import EpisodeViewer
from voltgym.envs.errors import VoltGymError
from voltgym.envs.plotting import Panel
from voltgym.experiments import charts, manifest, svg
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.files import append_json_line, write_json
from voltgym.experiments.pictures import choose, objective_of
from voltgym.experiments.records import write_records
from voltgym.experiments.report import main, write_report
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.tables import ranked, scored, table

THEVENIN = "VoltGym/Thevenin-v0"
VOID = {"meta", "br", "img", "link", "input", "hr", "base"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order; collects what tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def make_run(
    path: Path, policy: Any = None, env_id: str = THEVENIN, name: str = "mine", status: str = "finished", **more: Any
) -> Path:
    """A run folder as `voltgym train` leaves it, without the training."""
    env = {"id": env_id, "kwargs": {}}
    config = {"env": env, "agent": {"_target_": "toys.Agent"}, "evaluation": {}, "name": name, "unit": "env_steps"}
    about = manifest.start({**config, "seed": 3, "budget": 20_000})
    write_json(path / "manifest.json", {**about, "status": status, "finished": manifest.now(), **more})
    if policy is not None:
        kwargs: dict[str, Any] = {"split": "test", "episodes": 5, "agent": name, "seed": 3}
        write_records(path / "episodes.jsonl", evaluate_policy(policy, env_id, {}, **kwargs))
    return path


def records_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]


def text_of(path: Path) -> str:
    return write_report(path).read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Too fast: reaches the goal and breaks the limit."""
    return make_run(tmp_path / "run", Constant(2.0))


def test_a_report_asks_for_nothing_from_anywhere(run: Path) -> None:
    page = text_of(run)
    assert not re.search(r"https?://|//[a-z]|@import|url\(|<script|<link|<iframe|srcset", page)
    assert not [attributes for _, attributes in Page(page).seen if {"src", "href", "xlink:href"} & attributes.keys()]


def test_a_report_is_well_formed_and_can_be_read_aloud(run: Path) -> None:
    page = text_of(run)
    parsed = Page(page)
    assert parsed.of("html") == [{"lang": "en"}]
    assert all("scope" in attributes for attributes in parsed.of("th"))
    assert len(parsed.of("caption")) == len(parsed.of("table")) > 0
    drawn = [attributes for attributes in parsed.of("svg") if attributes.get("role") == "img"]
    assert len(drawn) > 3
    assert all(attributes["aria-label"] for attributes in drawn)
    for source in page.split('<svg viewBox="0 0 ')[1:]:
        whole = re.split(r"</svg>\s*(?=</div>|<svg|</article>)", source)[0]
        ElementTree.fromstring(f'<svg viewBox="0 0 {whole}</svg>')
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed.of("meta")
    assert "prefers-color-scheme: dark" in page


def test_a_report_says_what_was_run_and_how_it_went(run: Path) -> None:
    page = text_of(run)
    objective = objective_of(records_of(run)[0])
    assert objective is not None
    for said in (*objective.scales, THEVENIN, "toys.Agent", "20 000 env steps", "finished", "0 of 5 test episodes"):
        assert said.split(" [")[0] in page, said
    for title in ("First episode", "Fastest", "Slowest", "smallest margin"):
        assert title.lower() in page.lower()
    assert page.count("voltgym 0.") == 1
    assert "suite" in page, "the fingerprint"


def test_what_is_infeasible_is_marked(run: Path, tmp_path: Path) -> None:
    broken, kept = text_of(run), text_of(make_run(tmp_path / "kept", Best()))
    for mark in ('class="broken"', 'class="cross"', 'class="bad"', ">not feasible<"):
        assert mark in broken
        assert mark not in kept
    assert 'class="limit"' in kept


def test_learning_curves_are_drawn_from_both_files(run: Path) -> None:
    assert "<h2>Learning</h2>" not in text_of(run)
    for i in range(1, 4):
        append_json_line(run / "learning.jsonl", {"steps": i, "total": 3, "seconds": 1, "left": 0, "best so far": i})
        append_json_line(run / "curve.jsonl", {"steps": i, "return": 0.1 * i, "feasible": 0.5, "value": None})
    page = text_of(run)
    assert "<h2>Learning</h2>" in page
    for name in ("best so far", "return", "feasible"):
        assert f'<text class="name" x="0" y="11">{name}</text>' in page
    assert '<text class="name" x="0" y="11">value</text>' not in page, "there is no number to draw"


def test_a_plain_environment_has_its_return_and_no_limits(tmp_path: Path) -> None:
    class Left:
        information = "bms"

        def __call__(self, observation: np.ndarray, *_: Any) -> tuple[np.ndarray, None]:
            return np.zeros(len(observation), dtype=np.int64), None

    page = text_of(make_run(tmp_path / "cart", Left(), "CartPole-v1"))
    Page(page)
    assert "Return" in page
    assert "CartPole" in page
    assert 'class="limit"' not in page
    assert "feasible ones" not in page


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    page = text_of(make_run(tmp_path / "run", status="failed", error="VoltGymError: told to break"))
    Page(page)
    assert "Nothing is evaluated yet" in page
    assert "voltgym train resume=" in page
    assert "told to break" in page
    assert str(tmp_path) not in page


def test_the_command_that_repeats_it_is_there(run: Path) -> None:
    assert "not started from the command line" in text_of(run)
    (run / ".hydra").mkdir()
    (run / ".hydra" / "overrides.yaml").write_text("- env=thevenin\n- name='two words'\n- quiet=true\n")
    assert "voltgym train env=thevenin" in text_of(run)
    assert "quiet" not in text_of(run)


def test_records_of_another_version_leave_the_rest_of_the_report(run: Path) -> None:
    records = records_of(run)
    write_records(run / "episodes.jsonl", [{**r, "scenario": {**r["scenario"], "SOC": 0.5}} for r in records])
    page = text_of(run)
    assert "No curves" in page
    assert "another scenario" in page
    assert "<h2>Results</h2>" in page


def test_curves_that_are_not_those_of_the_record_say_so(run: Path) -> None:
    records = records_of(run)
    assert "not those of the record" not in text_of(run)
    slacks = {"Voltage [V]": records[0]["worst_slacks"]["Voltage [V]"] + 0.002}
    write_records(run / "episodes.jsonl", [{**records[0], "worst_slacks": slacks}, *records[1:]])
    assert "not those of the record" in text_of(run)


def test_two_evaluations_of_a_run_are_two_rows(run: Path) -> None:
    more = evaluate_policy(Constant(0.6), THEVENIN, {"max_steps": 200}, split="nominal", episodes=1, agent="a", seed=0)
    write_records(run / "episodes.jsonl", [*records_of(run), *more])
    page = text_of(run)
    assert "split nominal, max_steps=200" in page
    assert "split test, max_steps=None" in page


def test_a_recheck_is_a_table_of_its_own(run: Path) -> None:
    found = {"fidelity": "DFN", "feasible": True, "failure": "NONE", "worst_slacks": {"Voltage [V]": -0.003}}
    records = [{**r, "recheck": {**found, "tolerances": {"Voltage [V]": 0.005}}} for r in records_of(run)]
    write_records(run / "episodes.jsonl", records)
    page = text_of(run)
    assert "finer model" in page
    assert "5 of 5" in page
    assert "-3.0 mV" in page


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    """Two agents, of which one breaks the limit, as `voltgym compare` leaves them."""
    agents = {"steady": Best(), "<b>bold</b>": Constant(2.0)}
    paths = {name: make_run(tmp_path / f"job{i}", p, name=name) for i, (name, p) in enumerate(agents.items())}
    append_json_line(paths["steady"] / "learning.jsonl", {"steps": 5, "total": 5, "reward": 1.0})
    entries = ranked(scored({name: records_of(path) for name, path in paths.items()}, None))
    kept = {"tables": [vars(table("Ranks", entries, ["A note."]))], "runs": {n: p.name for n, p in paths.items()}}
    write_json(tmp_path / "comparison.json", kept)
    return tmp_path


def test_a_comparison_shows_every_agent_on_the_same_episodes(comparison: Path) -> None:
    page = text_of(comparison)
    Page(page)
    assert not re.search(r"https?://|<b>bold", page)
    assert page.count("&lt;b&gt;bold&lt;/b&gt;") > 3
    for said in ("Ranks", "A note.", "steady", "Voltage", "which the fewest could do", "5 of 5 feasible", "reward"):
        assert said in page, said
    assert 'class="cross"' in page
    assert {"s0", "s1"} <= set(re.findall(r'class="series (s\d)', page))


def test_agents_keep_their_colour(comparison: Path) -> None:
    page = text_of(comparison)
    legend = dict(re.findall(r'<span class="key (s\d)" aria-hidden="true"></span>([^(<]+)', page))
    curves = set(re.findall(r'<g class="series (s\d)"><title>([^<]+)</title>', page))
    assert {(style, label.strip()) for style, label in legend.items()} == curves


def test_errors_say_what_was_found(tmp_path: Path, comparison: Path) -> None:
    with pytest.raises(VoltGymError, match="no run folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(VoltGymError, match="which run"):
        main([])
    (comparison / "comparison.json").write_text("{}")
    with pytest.raises(VoltGymError, match="damaged"):
        write_report(comparison)


def test_the_command_prints_where_the_report_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(run)])
    assert capsys.readouterr().out.strip() == str(RunFolder(run).report)


def test_chosen_episodes_are_each_shown_once(run: Path) -> None:
    records = records_of(run)
    objective = objective_of(records[0])
    assert objective is not None
    chosen = choose(records, objective)
    assert len({record["episode"] for _, record in chosen}) == len(chosen)
    minutes = {r["episode"]: r["values"]["Time to target [min]"] for r in records}
    by_title = {title.lower(): record["episode"] for title, record in chosen}
    assert minutes[next(k for t, k in by_title.items() if "slowest" in t)] == max(minutes.values())
    assert minutes[next(k for t, k in by_title.items() if "fastest" in t)] == min(minutes.values())
    assert [title for title, _ in choose(records[:1], objective)] == ["First episode"]


def test_the_panels_of_a_charge_become_charts_with_their_limits() -> None:
    names = ("Voltage [V]", "Maximum voltage [V]", "Temperature [K]", "Maximum temperature [K]")
    row = dict.fromkeys(names[:2], 4.1) | dict.fromkeys(names[2:], 300.0) | {"C-rate": 1.0, "SOC": 0.4}
    row |= {"Anode potential [V]": 0.05, "Minimum anode potential [V]": 0.05}
    trace = [row | {"Time [s]": 30.0 * i} for i in range(4)]
    trace[2] = trace[2] | {"Minimum anode potential [V]": -0.01}
    panels = EpisodeViewer(Limits(voltage_limit=4.2)).panels(trace)
    drawn = charts.episode_charts(panels, charts.shared_spans([panels]))
    assert len(drawn) == 5
    limited = {p.name for p, chart in zip(panels, drawn, strict=True) if 'class="limit"' in chart}
    assert limited == {"Voltage [V]", "Temperature [°C]", "Anode potential [mV]"}
    assert [p.name for p, chart in zip(panels, drawn, strict=True) if 'class="broken"' in chart] == [
        "Anode potential [mV]"
    ]
    for chart in drawn:
        ElementTree.fromstring(chart)


def test_shared_axes_hold_every_episode() -> None:
    one = Panel("SOC", np.array([0.0, 10]), np.array([0.1, 0.8]))
    other = Panel("SOC", np.array([0.0, 30]), np.array([0.3, 0.8]))
    x, y = charts.shared_spans([[one], [other]])["SOC"]
    assert x == (0, 30)
    assert y[0] <= 0.1 < 0.8 <= y[1]


@pytest.mark.parametrize("span", [(0.0, 1.0), (-12.5, 180.0), (3.2, 4.25), (0.0, 2e6), (5.0, 5.0)])
def test_ticks_are_few_round_and_inside(span: tuple[float, float]) -> None:
    marks = svg.ticks(span, 5)
    assert len(marks) <= 6
    assert all(span[0] - 1e-9 <= mark <= span[1] + 1e-9 for mark in marks)
    assert len({svg.tick_text(mark) for mark in marks}) == len(marks)


def test_what_is_not_a_number_interrupts_a_curve() -> None:
    series = svg.Series("gap", np.arange(5.0), np.array([1.0, 2, np.nan, 2, 1]))
    chart = svg.draw(svg.Chart("gap", "x", [series]))
    path = re.search(r'<path d="([^"]+)"', chart)
    assert path is not None
    assert path[1].count("M") == 2
    assert "nan" not in chart
    lonely = svg.Series("all", np.arange(3.0), np.full(3, np.nan))
    assert "nan" not in svg.draw(svg.Chart("nothing", "x", [lonely]))
