"""The leaderboard in headless Chromium: it renders, sorts, filters, its links work, and nothing is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import leaderboard_toys as toys
import pytest

from voltgym.experiments.leaderboard_build import site
from voltgym.experiments.leaderboard_page import render

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is one")

TRACK, BMS = "track:control_full", "track:control_bms"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    full, bms = toys.control(), toys.control("control_bms")
    solvents, front = toys.designs(), toys.pareto()
    controls = [*toys.control_set(full), *toys.control_set(bms), *toys.rerun_entry(bms)]
    runs = [*controls, *toys.design_set(solvents), *toys.design_set(front)]
    path = tmp_path_factory.mktemp("site") / "index.html"
    path.write_text(render(site(runs, [full, bms, solvents, front])), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.chromium() as found:
        yield found


@pytest.fixture
def watched(chromium: Any) -> Iterator[browser.Watched]:
    """A page that may neither log nor throw nor ask for anything but its own file."""
    one = browser.Watched(chromium)
    yield one
    assert one.errors == []
    assert {url.split("#")[0] for url in one.asked if not url.startswith("data:")} == {one.page.url.split("#")[0]}
    one.context.close()


def names(page: Any, table: int = 0) -> list[str]:
    """The entries of a table of the view, from above."""
    block = page.locator(".view.shown [data-table]").nth(table)
    return block.locator("tbody tr:visible th a").all_inner_texts()


def test_every_link_leads_to_a_view(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file)
    assert page.locator(".view:visible").count() == 1
    targets = page.evaluate("[...new Set([...document.querySelectorAll('a')].map(a => a.getAttribute('href')))]")
    assert len(targets) > 30
    for target in targets:
        assert target.startswith("#")
        page.evaluate("hash => { location.hash = hash }", target)
        if target != "#content":
            page.wait_for_function("id => document.querySelector('.view.shown').id === id", arg=target[1:])
            assert page.locator(".view:visible").count() == 1


def test_one_clicks_from_the_front_to_an_entry_and_back(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file)
    page.get_by_role("heading", name="FastCharge, states and parameters seen").get_by_role("link").click()
    assert page.title() == "FastCharge, states and parameters seen – voltgym leaderboard"
    page.locator(".view.shown tbody").first.get_by_role("link", name="ppo", exact=True).click()
    assert page.locator(".view.shown h1").inner_text() == "ppo"
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.go_back()
    assert page.locator(".view.shown").get_attribute("id") == TRACK


def test_a_view_that_is_not_there_says_so(watched: browser.Watched, file: Path) -> None:
    assert "no such page" in watched.open(file, "entry:of:nobody").locator(".view:visible h1").inner_text()
    assert watched.open(file, "%E0%A4%A").locator(".view:visible").count() == 1


def test_tables_sort_both_ways_and_keep_what_is_missing_last(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file, TRACK)
    table = page.locator(".view.shown [data-table]").first
    before = names(page)
    assert before[0] == "ppo"
    score = table.get_by_role("button", name="Score")
    score.click()
    assert names(page)[0] == "ppo"
    assert table.locator("th[aria-sort]").all_inner_texts() == ["Score"]
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    score.click()
    assert names(page)[0] == "random"
    table.get_by_role("button", name="Entry").click()
    plain = [name for name in names(page) if name.isidentifier()]
    assert plain == sorted(plain)
    assert len(plain) > 5
    minutes = table.get_by_role("button", name="Time to target [min]")
    minutes.click()
    minutes.click()
    assert names(page)[0] == "careless"
    table.get_by_role("button", name="Rank").click()
    assert names(page) == before


def test_what_is_missing_comes_last(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file, "track:toy_solvent")
    regret = page.locator(".view.shown [data-table]").first.get_by_role("button", name="Regret")
    for _ in range(2):
        regret.click()
        assert names(page)[-1] == "exploiter"


def test_filters_hide_rows_and_empty_tables(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file, BMS)
    form = page.locator(".view.shown form")
    blocks = page.locator(".view.shown [data-table]:visible")
    everything, count = blocks.count(), form.locator("output")
    assert count.inner_text() == "14 entries"
    form.get_by_label("Find").fill("OUTSIDER")
    assert names(page) == ["outsider"]
    assert (blocks.count(), count.inner_text()) == (1, "1 of 14 entries")
    form.get_by_label("Find").fill("")
    form.get_by_label("Trust").select_option("re-run")
    assert names(page) == ["outsider"]
    form.get_by_label("Trust").select_option("")
    form.get_by_label("Class").select_option("lookahead")
    assert blocks.count() == 1
    form.get_by_label("Class").select_option("")
    form.get_by_label("without provisional").check()
    assert page.locator(".view.shown tbody tr:visible .chip", has_text="provisional").count() == 0
    form.get_by_label("without provisional").uncheck()
    assert blocks.count() == everything
    form.get_by_label("Find").fill("nobody at all")
    form.get_by_label("Find").press("Enter")
    assert (blocks.count(), count.inner_text()) == (0, "0 of 14 entries")


def test_names_are_text_and_not_markup(watched: browser.Watched, file: Path) -> None:
    page = watched.open(file, TRACK)
    assert toys.STRANGE in [text.replace("\n", " ") for text in names(page)]
    assert page.locator(".view b", has_text="Ünsafe").count() == 0


VIEWS = (
    *("home", TRACK, BMS, "track:toy_solvent", "entry:toy_solvent:botorch-full", "entry:control_full:ppo-full"),
    *("entry:toy_pareto:botorch-full", "entry:control_full:short-full"),
)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_is_accessible(chromium: Any, file: Path, width: int, scheme: str) -> None:
    watched = browser.Watched(chromium, width, scheme)
    for view in VIEWS:
        watched.open(file, view)
        assert watched.faults() == [], view
    watched.context.close()


def test_faults_of_accessibility_are_seen(chromium: Any, file: Path) -> None:
    watched = browser.Watched(chromium)
    page = watched.open(file, TRACK)
    page.evaluate("document.querySelector('.view.shown .aside').style.color = '#ddd'")
    assert [fault.split(":")[0] for fault in watched.faults()] == ["color-contrast"]
    watched.context.close()


@pytest.mark.parametrize("width", [1920, 1280, 768, 390, 320])
def test_it_fits_every_screen(chromium: Any, file: Path, width: int) -> None:
    watched = browser.Watched(chromium, width)
    for view in VIEWS:
        page = watched.open(file, view)
        assert page.locator(".view.shown").get_attribute("id") == view
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{view} is too wide"
    assert watched.errors == []
    watched.context.close()


def test_the_policy_lets_no_other_script_run_and_nothing_be_asked_for(chromium: Any, file: Path) -> None:
    watched = browser.Watched(chromium)
    page = watched.open(file)
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      const image = document.createElement("img");
      image.src = "https://example.org/x.png";
      document.body.append(script, image);
    }""")
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert sum("Content Security Policy" in error for error in watched.errors) >= 2
    watched.context.close()


def test_without_scripts_it_is_one_long_page(chromium: Any, file: Path) -> None:
    watched = browser.Watched(chromium, script=False)
    page = watched.open(file)
    assert page.locator(".view:visible").count() == page.locator(".view").count()
    assert page.locator("form:visible").count() == 0
    watched.context.close()
