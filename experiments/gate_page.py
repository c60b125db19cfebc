"""The page of a verdict: the verdict in words on top, its checks, the pictures of the gate, and how it came about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.plotting import margin_text
from voltgym.experiments import page
from voltgym.experiments.files import write_text
from voltgym.experiments.gate_verdict import Verdict

FILE = "verdict.html"
WORDS = {True: "deploy", False: "do not deploy"}
TONES = {True: "good", False: "bad"}


def write_page(folder: Path, verdict: Verdict, sections: Sequence[page.Section]) -> Path:
    """Write ``verdict.html`` into ``folder``."""
    about, deploy = verdict["recommendation"], verdict["deploy"]
    html = page.render(
        f"{about['label']}: {WORDS[deploy]}",
        f"{about['source'].capitalize()}, for {about['env_id'].rpartition('/')[2]}; judged on {verdict['level']}.",
        page.Cell(WORDS[deploy], TONES[deploy]),
        [
            page.Section("Verdict", _verdict(verdict)),
            *sections,
            page.Section("Checks", [_checks(verdict)]),
            page.Section("How it was judged", _made(verdict)),
        ],
    )
    write_text(folder / FILE, html)
    return folder / FILE


def _verdict(verdict: Verdict) -> list[page.Block]:
    reasons = [page.Text(_capital(reason["text"]) + ".", "bad") for reason in verdict["reasons"]]
    said = "Nothing speaks against it within its declared use." if verdict["deploy"] else "It must not be deployed:"
    changed = verdict["thresholds"]["changes"]
    marks = (
        [page.Text(f"The thresholds were changed ({', '.join(changed)}): not the frozen gate.", "bad")]
        if changed
        else []
    )
    gap = verdict["surrogate_gap"]["text"]
    facts = [
        ("Declared use", f"{verdict['use']['name']}: {verdict['use']['about']}"),
        ("Judged on", verdict["level"]),
        (f"Expected {verdict['expected']['name'].split(' [')[0].lower()}", _expected(verdict["expected"])),
        ("Feasible", _share(verdict["feasible"])),
        ("How far the prediction was off", _capital(gap)),
    ]
    notes = [page.Text(text) for text in verdict["notes"]]
    return [page.Text(said), *reasons, *marks, *notes, page.Facts(facts)]


def _expected(found: Mapping[str, Any]) -> str:
    if found["mean"] is None:
        return "none: nothing reached its goal"
    unit = found["name"].rpartition(" [")[2].rstrip("]") if found["name"].endswith("]") else ""
    spread = "" if found["low"] is None else f", 95 % interval {found['low']:.3g} to {found['high']:.3g}"
    return f"{found['mean']:.3g} {unit}".rstrip() + spread


def _share(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "nothing was drawn"
    low, high = 100 * found["low"], 100 * found["high"]
    return f"{found['passed']} of {found['of']} drawn scenarios ({low:.0f} to {high:.0f} %, Wilson 95 %)"


def _checks(verdict: Verdict) -> page.Table:
    rows: list[list[str | page.Cell]] = []
    for check in verdict["checks"]:
        fine = check["passed"]
        rows.append([check["limit"], page.Cell("kept" if fine else "FAILS", TONES[fine]), _margin(check),
                     check["where"] or "-", _threshold(check)])  # fmt: skip
    return page.Table(
        "Every check, with the least margin over all scenarios of the declared use, and what it is held against",
        ["Check", "", "margin", "where", "held against"], rows)  # fmt: skip


def _margin(check: Mapping[str, Any]) -> str:
    if check["margin"] is None:
        return "-"
    return margin_text(f"x [{check['unit']}]" if check["unit"] else "x", check["margin"])


def _threshold(check: Mapping[str, Any]) -> str:
    value = check["threshold"]
    return "-" if value is None else f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _made(verdict: Verdict) -> list[page.Block]:
    frozen = verdict["thresholds"]
    state = "changed" if frozen["changed"] else "frozen"
    facts = [
        ("Gate", f"{frozen['gate']}, version {frozen['version']}, {state}"),
        ("Hash of the thresholds", frozen["hash"][:16]),
        ("Made", verdict["made"]),
        *((name, version or "not installed") for name, version in verdict["versions"].items()),
    ]
    config = json.dumps({k: v for k, v in frozen["config"].items() if k != "uses"}, indent=1, ensure_ascii=False)
    scenarios = page.Folded(f"All {len(verdict['scenarios'])} scenarios", _scenarios(verdict))
    return [
        page.Commands([verdict["command"]]),
        scenarios,
        page.Folded("Thresholds", page.Commands(config.splitlines())),
        page.Folded("Versions", page.Facts(facts)),
    ]


def _scenarios(verdict: Verdict) -> page.Table:
    names = list(dict.fromkeys(name for row in verdict["scenarios"] for name in row.get("margins") or {}))
    rows: list[list[str | page.Cell]] = []
    for row in verdict["scenarios"]:
        margins = [_one(name, (row.get("margins") or {}).get(name)) for name in names]
        label = ("beyond: " if row.get("beyond") else "") + row["label"]
        value = "-" if row.get("value") is None else f"{row['value']:.4g}"
        fine = bool(row["feasible"])
        rows.append([label, page.Cell("feasible" if fine else "not", TONES[fine]), value, *margins])
    value = verdict["expected"]["name"]
    return page.Table("What was left to each limit", ["Scenario", "", value, *names], rows)


def _one(name: str, value: float | None) -> str:
    return "-" if value is None else margin_text(name, value)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
