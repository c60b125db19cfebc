"""The tables of a run's report: results by group of episodes, the re-check, and every episode."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from voltgym.envs.contracts import Objective
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.plotting import margin_text
from voltgym.experiments import metrics, page
from voltgym.experiments.pictures import first_value, objective_of
from voltgym.experiments.records import Record
from voltgym.experiments.tables import entry

MOST_ROWS = 200
"""Episodes that the folded table lists."""


def titles_of(groups: Mapping[Any, Sequence[Record]]) -> dict[Any, str]:
    """What each group is called: its split, and whatever arguments tell it from the others."""
    kwargs = {key: group[0]["env_kwargs"] for key, group in groups.items()}
    names = dict.fromkeys(name for each in kwargs.values() for name in each)
    differ = [n for n in names if len({json.dumps(each.get(n), sort_keys=True) for each in kwargs.values()}) > 1]
    return {key: ", ".join([f"split {key[1]}", *(f"{n}={kwargs[key].get(n)}" for n in differ)]) for key in groups}


def result_tables(groups: Mapping[Any, Sequence[Record]], titles: Mapping[Any, str]) -> list[page.Table]:
    """One row a group: how many are feasible, the mean result, the worst margin of each limit, the re-check."""
    entries = {key: entry(titles[key], group) for key, group in groups.items()}
    names = dict.fromkeys(e.value[0] for e in entries.values())
    limits = [n for n in dict.fromkeys(n for e in entries.values() for n in e.margins) if n != COMPLETED]
    columns = ["Evaluated on", "Episodes", "Feasible", *names, *(f"Worst margin: {bare(n)}" for n in limits)]
    rows: list[list[str | page.Cell]] = []
    for key, e in entries.items():
        values = [f"{e.value[1]:.2f}" if n == e.value[0] and math.isfinite(e.value[1]) else "–" for n in names]
        margins = [margin_cell(n, e.margins.get(n, math.nan), objective_of(groups[key][0])) for n in limits]
        rows.append([titles[key], str(e.episodes), share(e.feasible), *values, *margins])
    notes = ["Results are means over feasible episodes."] if limits else []
    checked = recheck_table(groups, titles)
    return [page.Table("Results on the physics", columns, rows, notes), *checked]


def bare(name: str) -> str:
    """A slack's name without its unit."""
    return name.split(" [")[0]


def share(feasible: float) -> page.Cell:
    """A share of feasible episodes."""
    if math.isnan(feasible):
        return page.Cell("–")
    return page.Cell(f"{100 * feasible:.0f} %", "good" if feasible >= 0.95 else "bad")


def margin_cell(name: str, slack: float, objective: Objective | None = None) -> page.Cell:
    """A worst margin; bad where it is beyond the tolerance."""
    if not math.isfinite(slack):
        return page.Cell("–")
    tolerance = 0.0 if objective is None else objective.tolerances.get(name, 0.0)
    return page.Cell(margin_text(name, slack), "bad" if slack < -tolerance else "")


def recheck_table(groups: Mapping[Any, Sequence[Record]], titles: Mapping[Any, str]) -> list[page.Table]:
    """The same actions on a finer model, where that was done."""
    checked = {key: [r["recheck"] for r in group if r.get("recheck")] for key, group in groups.items()}
    checked = {key: found for key, found in checked.items() if found}
    if not checked:
        return []
    limits = [n for n in dict.fromkeys(n for c in checked.values() for n in c[0]["worst_slacks"]) if n != COMPLETED]
    columns = ["Evaluated on", "Model", "Feasible there", "Failed there", *(f"Worst margin: {bare(n)}" for n in limits)]
    tolerances = next(iter(checked.values()))[0]["tolerances"]
    allowed = ", ".join(f"{bare(n)} {margin_text(n, t).lstrip('+')}" for n, t in tolerances.items())
    rows = [_recheck_row(titles[key], found, limits) for key, found in checked.items()]
    notes = [
        f"Never part of the score. Tolerances there: {allowed}. A failed episode has margins up to its failure only."
    ]
    return [page.Table("The same actions on a finer model", columns, rows, notes)]


def _recheck_row(title: str, checked: Sequence[Any], limits: Sequence[str]) -> list[str | page.Cell]:
    failed, fine = sum(c["failure"] != "NONE" for c in checked), sum(c["feasible"] for c in checked)
    worst = metrics.worst_margins(checked)
    cells = []
    for name in limits:
        slack = worst.get(name, math.nan)
        bad = slack < -checked[0]["tolerances"].get(name, 0.0)
        cells.append(page.Cell(margin_text(name, slack), "bad" if bad else ""))
    failures = page.Cell(str(failed), "bad" if failed else "")
    return [title, checked[0]["fidelity"], f"{fine} of {len(checked)}", failures, *cells]


def episode_table(group: Sequence[Record], objective: Objective | None) -> page.Table:
    """A row an episode."""
    limits = [n for n in group[0]["worst_slacks"] if n != COMPLETED]
    name = first_value(group[0])[0]
    columns = ["Episode", "Feasible", name, "Steps", "Return", *(f"Margin: {bare(n)}" for n in limits), "Failure"]
    judged = {True: page.Cell("yes"), False: page.Cell("no", "bad"), None: page.Cell("–")}
    rows = []
    for r in group[:MOST_ROWS]:
        value = first_value(r)[1]
        slacks = [math.nan if r["worst_slacks"].get(n) is None else r["worst_slacks"][n] for n in limits]
        rows.append(
            [
                str(r["episode"]),
                judged[r["feasible"]],
                f"{value:.2f}" if math.isfinite(value) else "–",
                str(r["steps"]),
                "–" if r["return"] is None else f"{r['return']:.3f}",
                *(margin_cell(n, slack, objective) for n, slack in zip(limits, slacks, strict=True)),
                "–" if r["failure"] in (None, "NONE") else r["failure"],
            ]
        )
    left = len(group) - len(rows)
    return page.Table("Episodes", columns, rows, [f"{left} more in episodes.jsonl."] if left else [])
