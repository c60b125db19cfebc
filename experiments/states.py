"""What the shipped estimators of a cell's states say beside the truth and beside the simple ways: a page of charts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.experiments import configs, page, states_charts
from voltgym.experiments.files import write_text
from voltgym.experiments.states_scores import percent

USAGE = """usage: voltgym states [out=states.html]

Simulates a drive and a charge, follows their SOC by the shipped estimator, a Kalman filter and coulomb counting; shows
cells of the shipped set that the SOH and RUL estimators have not seen; and writes all that as a page.
"""

DEFAULTS: dict[str, Any] = {"out": "states.html"}
SIMULATED = "Simulated cells and sensors: agreement with a twin, not with an experiment."


def main(argv: Sequence[str]) -> None:
    """Write the page."""
    out = Path(str(configs.merge(DEFAULTS, list(argv))["out"]))
    write_text(out, html())
    print(out)


def html() -> str:
    """The page."""
    from voltgym.surrogates import rul, soc, soh

    cards = {"SOC": soc.load_shipped().card, "SOH": soh.load_shipped().known.card, "RUL": rul.load_shipped().known.card}
    lines = _lines(cards)
    table = page.Table("On cells that were not learned from", HEADS, lines, [SIMULATED])
    missed = [row[0] for row in lines if isinstance(row[-1], page.Cell) and row[-1].tone == "bad"]
    verdict = page.Cell(f"{', '.join(map(str, missed))} missed" if missed else "aims met", "bad" if missed else "good")
    sections = [page.Section("Errors", [table]), *states_charts.sections()]
    return page.render("States of a cell", SIMULATED, verdict, sections)


HEADS = ("state", "error", "what", "learned", "simple", "aim", "")


def _lines(cards: Mapping[str, Any]) -> list[list[str | page.Cell]]:
    from voltgym.experiments import fit_rul, fit_soh, soc_card

    soc, soh, rul = (cards[name]["scores"] for name in ("SOC", "SOH", "RUL"))
    rows = [
        ("SOC", "RMSE", "new cells, half on new kinds of profiles", soc["test"]["learned"]["RMSE"],
         ("Kalman filter", soc["test"]["Kalman filter"]["RMSE"]), soc_card.AIM),
        ("SOH", "RMSE", "new cells", soh["new cells"]["learned"]["RMSE"],
         ("plane", soh["new cells"]["linear"]["RMSE"]), fit_soh.AIM),
        ("RUL", "MAPE", "new cells", rul["new cells"]["learned"], ("line", rul["new cells"]["linear"]), fit_rul.AIM),
    ]  # fmt: skip
    return [
        [state, error, what, percent(found), f"{percent(value)} ({who})", percent(aim, 1), _met(found <= aim)]
        for state, error, what, found, (who, value), aim in rows
    ]


def _met(good: bool) -> page.Cell:
    return page.Cell("met" if good else "missed", "good" if good else "bad")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("states", sys.argv[1:])
