"""The report of one run: what it is, how its episodes went, what it learned, and how to make it again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from voltgym.envs.contracts import Objective
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import charts, page
from voltgym.experiments.files import write_text
from voltgym.experiments.pictures import choose, grouped, named, objective_of, picture, told, value_text
from voltgym.experiments.progress import duration
from voltgym.experiments.records import Record, read_json_lines, read_records
from voltgym.experiments.report_tables import episode_table, result_tables, titles_of
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.tables import entry

TONES = {"finished": "good", "failed": "bad", "interrupted": "bad"}


def write_run(run: RunFolder) -> Path:
    """Write ``report.html`` of a run, whatever there is of it so far."""
    manifest, config = run.manifest(), run.config()
    records = read_records(run.records_file) if run.records_file.exists() else []
    status = str(manifest["status"])
    html = page.render(
        f"{config['name']} on {short(config['env']['id'])}",
        verdict(records) or "Nothing is evaluated yet.",
        page.Cell(status, TONES.get(status, "")),
        [
            about(run, manifest, config, records),
            *results(records),
            *learning(run, config),
            again(run, manifest),
        ],
    )
    write_text(run.report, html)
    return run.report


def short(env_id: str) -> str:
    """``FastCharge`` for ``VoltGym/FastCharge-v0``."""
    return env_id.rpartition("/")[2].rpartition("-v")[0] or env_id


def verdict(records: Sequence[Record]) -> str:
    """One sentence on the first group of records."""
    if not records:
        return ""
    group = next(iter(grouped(records).values()))
    e = entry("", group)
    name, value = e.value
    episodes = f"{len(group)} {group[0]['split']} episode{'s' if len(group) > 1 else ''}"
    said = [] if math.isnan(e.feasible) else [f"{round(e.feasible * len(group))} of {episodes} feasible"]
    if math.isfinite(value):
        of = f" on average over {episodes}" if math.isnan(e.feasible) else " on average over the feasible ones"
        said.append(named(name, value) + (of if len(group) > 1 else ""))
    return ". ".join(said) + "."


def about(run: RunFolder, manifest: Mapping[str, Any], config: Mapping[str, Any], records: Sequence[Record]) -> Any:
    """What was run, by which code, and how it ended."""
    env, git = config["env"], manifest.get("git") or {}
    commit = (git.get("commit") or "unknown")[:12] + (" with changes" if git.get("dirty") else "")
    items = [
        ("Environment", env["id"]),
        ("Arguments", ", ".join(f"{k}={v}" for k, v in env["kwargs"].items()) or "none"),
        ("Agent", str(config["agent"].get("_target_", "unknown"))),
        ("Sees", records[0]["information"] if records else "unknown"),
        ("Training seed", str(manifest["seed"])),
        ("Budget", f"{_thousands(manifest['budget'])} {str(config.get('unit', '')).replace('_', ' ')}"),
        ("Took", _took(manifest)),
        ("Started", str(manifest["started"]).replace("T", " ").replace("+00:00", " UTC")),
        ("Code", f"voltgym {manifest['versions'].get('voltgym')}, commit {commit}"),
        ("Config hash", str(manifest["config_hash"])[:16]),
    ]
    blocks: list[page.Block] = [page.Facts(items)]
    if manifest["status"] != "finished":
        blocks.insert(0, page.Text(_unfinished(run), "bad"))
    prints = records[0]["fingerprint"] if records else {}
    more = [(f"{name}", str(value)) for name, value in {**manifest["versions"], **prints}.items() if value is not None]
    blocks.append(page.Folded("Fingerprint and versions", page.Facts(more)))
    return page.Section("The run", blocks)


def _unfinished(run: RunFolder) -> str:
    """Where it stopped, without the path: a report may be read elsewhere."""
    said = run.how_far().replace(f"resume={run.path}", "resume=FOLDER").replace(f" of {run.path}", "")
    return said[:1].upper() + said[1:]


def _thousands(number: Any) -> str:
    return f"{number:,}".replace(",", " ") if isinstance(number, int) else str(number)


def _took(manifest: Mapping[str, Any]) -> str:
    if not manifest.get("finished"):
        return "not finished"
    start, end = (datetime.fromisoformat(manifest[name]) for name in ("started", "finished"))
    return f"{duration((end - start).total_seconds())} with evaluation"


def results(records: Sequence[Record]) -> list[page.Section]:
    """The table, and for each group of records its episodes and its curves."""
    if not records:
        return []
    groups = grouped(records)
    titles = titles_of(groups)
    first: list[page.Block] = [*result_tables(groups, titles)]
    sections = [page.Section("Results", first)]
    for key, group in groups.items():
        blocks = group_blocks(group)
        if blocks:
            sections.append(page.Section(f"Episodes: {titles[key]}", blocks))
    return sections


def group_blocks(group: Sequence[Record]) -> list[page.Block]:
    """Where the results of one group lie, the curves of the episodes of interest, and every episode as a table."""
    objective = objective_of(group[0])
    blocks: list[page.Block] = []
    if len(group) > 1:
        strip = charts.episode_strip([("every episode", 0, group)])
        legend = [page.CROSS] if any(r["feasible"] is False for r in group) else []
        blocks.append(page.Figures([strip], "A dot an episode; the upright line is the median.", legend))
    if objective is not None:
        blocks.append(curve_cards(group, objective))
    blocks.append(page.Folded(f"Every episode ({len(group)})", episode_table(group, objective)))
    return blocks


def curve_cards(group: Sequence[Record], objective: Objective) -> page.Block:
    """The episodes of interest, side by side on the same axes."""
    pictures = [picture(title, record) for title, record in choose(group, objective)]
    drawn = [p for p in pictures if p.panels]
    if not drawn:
        return page.Text(f"No curves: {pictures[0].problem}", "bad")
    spans = charts.shared_spans([p.panels for p in drawn])
    cards = []
    for p in drawn:
        judged = {True: ("feasible", "good"), False: ("not feasible", "bad"), None: ("", "")}[p.record["feasible"]]
        said = f"Episode {p.record['episode']}. {value_text(p.record)}. {told(p.record, 2)}."
        more = page.Folded("Scenario", page.Text(told(p.record)))
        cards.append(page.Card(p.title, *judged, said, charts.episode_charts(p.panels, spans), more, p.problem))
    caption = (
        "All cards have the same axes. A pale band beside a curve reaches to the worst value within each step; margins "
        "are at the worst moment, and a limit counts as broken beyond its tolerance."
    )
    return page.Cards(cards, caption, [*charts.level_keys([p.panels for p in drawn]), page.BROKEN])


def learning(run: RunFolder, config: Mapping[str, Any]) -> list[page.Section]:
    """Learning curves: validation results where the agent kept them, and what it reported while it learned."""
    unit = str(config.get("unit", "steps")).replace("_", " ")
    figures: list[page.Block] = []
    for file, caption in ((run.path / "curve.jsonl", VALIDATION), (run.curve_file, REPORTED)):
        drawn = charts.learning_charts([charts.Learning(config["name"], 0, unit, lines_of(file))])
        if drawn:
            figures.append(page.Figures(drawn, caption))
    return [page.Section("Learning", figures)] if figures else []


VALIDATION = "Results on validation episodes, played between updates without exploration."
REPORTED = "What the agent reported while it learned."


def lines_of(file: Path) -> list[Mapping[str, Any]]:
    """The objects of a file of JSON lines that have steps; none if there is no such file."""
    if not file.exists():
        return []
    return [line for line in read_json_lines(file, quiet=True) if isinstance(line, dict) and "steps" in line]


def again(run: RunFolder, manifest: Mapping[str, Any]) -> page.Section:
    """The command that repeats the run."""
    command = reproduce(run)
    if command is None:
        text = "The run was not started from the command line: its whole config is in manifest.json."
        return page.Section("Again", [page.Text(text)])
    said: list[page.Block] = [
        page.Text("In the folder that the run was started from, with the versions above:"),
        page.Commands([command]),
    ]
    return page.Section("Again", said)


def reproduce(run: RunFolder) -> str | None:
    """``voltgym train`` with the overrides that the run was started with; None where they are not known."""
    file = run.path / ".hydra" / "overrides.yaml"
    if not file.exists():
        return None
    from omegaconf import OmegaConf

    try:
        overrides = [str(o) for o in OmegaConf.load(file)]
    except Exception as error:  # whatever YAML finds wrong with a damaged file
        raise VoltGymError(f"{file} is damaged ({type(error).__name__}); restore it, or delete it") from None
    return shlex.join(["voltgym", "train", *(o for o in overrides if not o.startswith("quiet="))])
