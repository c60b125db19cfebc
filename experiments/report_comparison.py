"""The report of a comparison: the ranked tables, where every agent's episodes lie, and their curves side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.contracts import Objective
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import charts, page
from voltgym.experiments.files import write_text
from voltgym.experiments.pictures import first_value, objective_of, picture, tightest, told
from voltgym.experiments.records import Record, read_records
from voltgym.experiments.report_run import REPORTED, VALIDATION, lines_of, reproduce, short
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.tables import Table

COMPARISON_FILE = "comparison.json"
MOST_OVERLAID = 8
"""Agents in one chart of curves: the first of the ranking."""

Key = tuple[str, str]
"""Environment id and split: what agents meet on. Their arguments may differ in what they observe."""

Records = Mapping[str, Sequence[Record]]
"""By agent."""


def write_comparison_of(folder: Path) -> Path:
    """Write the report of what ``comparison.json`` in ``folder`` says was compared."""
    file = folder / COMPARISON_FILE
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        tables = [Table(**_tuples(table)) for table in kept["tables"]]
        runs = {name: RunFolder(folder / path) for name, path in kept["runs"].items()}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise VoltGymError(f"{file} is damaged ({error}); run the comparison again") from None
    return write_comparison(folder, tables, {name: read_records(run.records_file) for name, run in runs.items()}, runs)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    rows = tuple(tuple(str(cell) for cell in row) for row in table["rows"])
    return {**table, "columns": tuple(table["columns"]), "rows": rows, "notes": tuple(table["notes"])}


def write_comparison(
    folder: Path, tables: Sequence[Table], records: Records, runs: Mapping[str, RunFolder] | None = None
) -> Path:
    """Write ``report.html`` of several agents into ``folder``.

    ``tables`` are shown as they are; ``records`` (by agent) are drawn; ``runs`` (by agent) give learning curves and
    commands. Agents keep their colour throughout.
    """
    runs = runs or {}
    order = ranking(tables, records)
    styles = {name: i for i, name in enumerate(order)}
    keys = list(dict.fromkeys(_key(r) for group in records.values() for r in group))
    sections = [page.Section("Ranking", [table_block(table, tolerances(keys, records)) for table in tables])]
    for key in keys:
        groups = {name: group for name in order if (group := [r for r in records[name] if _key(r) == key])}
        sections.append(page.Section(f"{short(key[0])}, split {key[1]}", environment_blocks(groups, styles)))
    sections += learning(runs, order, styles) + again(runs, order)
    count = f"{len(order)} agent{'s' if len(order) != 1 else ''}"
    where = " and ".join(dict.fromkeys(short(key[0]) for key in keys))
    subtitle = f"{count} on {where}, judged on the same episodes." if keys else "Nothing is finished yet."
    html = page.render("Comparison of agents", subtitle, page.Cell(count), sections)
    path = folder / "report.html"
    write_text(path, html)
    return path


def ranking(tables: Sequence[Table], records: Records) -> list[str]:
    """The agents as the tables rank them, then those that are in none."""
    ranked = [row[t.columns.index("agent")] for t in tables if "agent" in t.columns for row in t.rows]
    return [name for name in dict.fromkeys([*ranked, *records]) if name in records]


def _key(record: Record) -> Key:
    return record["env_id"], record["split"]


def tolerances(keys: Sequence[Key], records: Records) -> dict[str, float]:
    """By slack name: how much of a negative worst margin is still allowed."""
    out: dict[str, float] = {}
    for key in keys:
        objective = objective_of(next(r for group in records.values() for r in group if _key(r) == key))
        out |= {} if objective is None else objective.tolerances
    return out


def table_block(table: Table, allowed: Mapping[str, float]) -> page.Block:
    """A ranked table; the agent's name heads its row, and a margin beyond the tolerance is marked."""
    head = table.columns.index("agent") if "agent" in table.columns else 0
    rows = [[_cell(c, text, allowed) for c, text in zip(table.columns, row, strict=True)] for row in table.rows]
    return page.Table(table.title, [c or "note" for c in table.columns], rows, table.notes, head)


def _cell(column: str, text: str, allowed: Mapping[str, float]) -> str | page.Cell:
    name = column.removeprefix("worst ")
    try:
        bad = name != column and float(text) < -allowed.get(name, 0.0)
    except ValueError:
        return text
    return page.Cell(text, "bad") if bad else text


def environment_blocks(groups: Records, styles: Mapping[str, int]) -> list[page.Block]:
    """Where every agent's episodes lie, and the curves of all agents on a few of them."""
    strip = charts.episode_strip([(name, styles[name], group) for name, group in groups.items()])
    caption = "A dot an episode; the upright line is an agent's median over what is feasible."
    blocks: list[page.Block] = [page.Figures([strip], caption, [page.CROSS])]
    objective = objective_of(next(iter(groups.values()))[0])
    if objective is None:
        return blocks
    for title, episode in telling(groups, objective):
        blocks.append(overlay(title, episode, groups, styles))
    return blocks


def telling(groups: Records, objective: Objective) -> list[tuple[str, int]]:
    """Episodes that every agent played and that say most: the first, and the one that fewest could do."""
    shared = sorted(set.intersection(*({r["episode"] for r in group} for group in groups.values())))
    if not shared:
        return []
    by_episode = {k: [r for group in groups.values() for r in group if r["episode"] == k] for k in shared}
    hardest = min(
        shared, key=lambda k: (sum(r["feasible"] is True for r in by_episode[k]), _margin(by_episode[k], objective))
    )
    first = (f"Episode {shared[0]}", shared[0])
    return [first] if hardest == shared[0] else [first, (f"Episode {hardest}, which the fewest could do", hardest)]


def _margin(records: Sequence[Record], objective: Objective) -> float:
    return min(tightest(r, objective)[1] for r in records)


def overlay(title: str, episode: int, groups: Records, styles: Mapping[str, int]) -> page.Block:
    """The curves of the agents on one episode, a chart a quantity."""
    chosen = {name: next(r for r in group if r["episode"] == episode) for name, group in groups.items()}
    pictures = {name: picture(name, record) for name, record in list(chosen.items())[:MOST_OVERLAID]}
    drawn = {name: p for name, p in pictures.items() if p.panels}
    if not drawn:
        return page.Text(f"No curves: {next(iter(pictures.values())).problem}", "bad")
    shown = charts.overlaid_charts([(name, styles[name], p.panels) for name, p in drawn.items()])
    legend = [page.key(f"{name}{_result(chosen[name])}", styles[name]) for name in drawn]
    left = [name for name in chosen if name not in drawn]
    caption = f"{told(next(iter(chosen.values())))}." + (f" Not drawn: {', '.join(left)}." if left else "")
    caption += "".join(f" {name}: {p.problem}" for name, p in drawn.items() if p.problem)
    legend += charts.level_keys([p.panels for p in drawn.values()])
    return page.Figures(shown, caption, [*legend, page.CROSS], title)


def _result(record: Record) -> str:
    value = first_value(record)[1]
    said = "not reached" if math.isnan(value) else f"{value:.1f}"
    return f" ({said}{'' if record['feasible'] is not False else ', not feasible'})"


def learning(runs: Mapping[str, RunFolder], order: Sequence[str], styles: Mapping[str, int]) -> list[page.Section]:
    """Learning curves together: an agent appears where it reported the number."""
    figures: list[page.Block] = []
    for file, caption in (("curve.jsonl", VALIDATION), ("learning.jsonl", REPORTED)):
        curves = [
            charts.Learning(name, styles[name], _unit(runs[name]), lines_of(runs[name].path / file))
            for name in order
            if name in runs
        ]
        drawn = charts.learning_charts(curves, most=6)
        if drawn:
            legend = [page.key(curve.label, curve.style) for curve in curves if curve.lines]
            figures.append(page.Figures(drawn, caption, legend))
    return [page.Section("Learning", figures)] if figures else []


def _unit(run: RunFolder) -> str:
    config = run.config()
    return f"{str(config.get('unit', 'steps')).replace('_', ' ')} in {short(config['env']['id'])}"


def again(runs: Mapping[str, RunFolder], order: Sequence[str]) -> list[page.Section]:
    """The command behind every agent."""
    commands = [command for name in order if name in runs and (command := reproduce(runs[name]))]
    if not commands:
        return []
    said = page.Text("Each agent alone, in the folder that the comparison was started from:")
    return [page.Section("Again", [said, page.Commands(commands)])]
