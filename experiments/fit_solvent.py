"""Fit the surrogate of solvent molecules and write its model card."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import write_text


def run(*, seeds: int, out: Path | None, data: str) -> None:
    """The surrogate of solvent molecules."""
    import pyarrow.parquet as pq

    from voltgym.surrogates.solvent import load_shipped
    from voltgym.surrogates.solvent_fit import fit, gather
    from voltgym.surrogates.solvent_tables import PROVENANCE

    shipped = Path(str(resources.files("voltgym.surrogates")))
    table = shipped / "data" / data
    if not table.is_file():
        raise VoltGymError(f"there is no {table}; make it with `python -m voltgym.experiments.build_solvent xtb`")
    out = out or shipped / "models" / "solvent"
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {text}", flush=True)

    tell("reading the tables of chemicals")
    xtb = pq.read_table(table).to_pydict()
    designs, values = gather(xtb)
    tell(f"{len(designs)} molecules, {sum(xtb['converged'])} of them by xTB")
    provenance = [source._asdict() for source in PROVENANCE]
    model = fit(designs, values, seeds=seeds, provenance=provenance, tell=tell)
    model.save(out)
    write_text(out / "MODEL_CARD.md", card(model.card, model.digest, model.least_similarity))
    load_shipped.cache_clear()
    tell(f"written to {out}")
    print((out / "MODEL_CARD.md").read_text(encoding="utf-8"))


TARGETS = {
    "Flash point [K]": ("MAE", 18.0),
    "log10 Viscosity [mPa.s]": ("MAE", 0.25),
    "Boiling point [K]": ("MAE", 30.0),
    "Ionization energy [eV]": ("MAE", 0.3),
    "Electron affinity [eV]": ("MAE", 0.5),
    "Li+ binding energy [kJ.mol-1]": ("MAE", 20.0),
    "Liquid at -20 C": ("AUC", 0.75),
}
"""What is aimed at for battery-like molecules: an MAE at most, an AUC at least."""


def card(about: Mapping[str, Any], digest: str, least: float) -> str:
    """The model card as Markdown."""
    lines = [
        "# Solvent surrogate",
        "",
        f"Weights `{digest}`. Made by `voltgym fit surrogate=solvent seeds={about['seeds']}`.",
        "",
        "Ensembles of five networks for boiling and melting, Gaussian processes for the rest; "
        "counted Morgan fingerprints and 20 descriptors; for electronic properties also Hueckel levels and "
        "lithium sites of the graph. Electronic properties are gas-phase values of xTB, not an "
        "electrochemical window, and a prediction of them is a prediction of xTB, not of an experiment.",
        "",
        f"## Scores on groups left out ({about['folds']} folds, {about['seeds']} splits, mean and spread over splits)",
        "",
        "A group is a Bemis-Murcko scaffold; molecules without rings are grouped by their functional groups. "
        "Battery-like: aprotic, not aromatic, no chlorine, at most 12 heavy atoms. Coverage is that of 90 % intervals "
        "whose calibration saw other folds only.",
        "",
        "| property | molecules | rows | R2 | MAE | coverage | AUC | aim |",
        "|---|---|---|---|---|---|---|---|",
        *_score_lines(about["properties"]),
        "",
        "## Domain",
        "",
        f"A molecule is inside if the mean of its similarities to the nearest measured and the nearest computed "
        f"molecule is at least {least} (Tanimoto on counts) and every descriptor is within the middle 99 % of the "
        "data. "
        "Mean absolute error of battery-like molecules by the similarity to the nearest one that was learned from:",
        "",
        *_similarity_lines(about["properties"]),
        "",
        "## Data",
        "",
        "Measured values are read from the installed `chemicals` package when the model is fitted; estimates are left "
        "out. Electronic properties are our own calculations (`surrogates/data/solvent_xtb.parquet`).",
        "",
        "| column | tables of chemicals | unit | what |",
        "|---|---|---|---|",
        *(f"| {s['column']} | {', '.join(s['tables'])} | {s['unit']} | {s['about']} |" for s in about["provenance"]),
    ]
    return "\n".join(lines) + "\n"


def _score_lines(rows: Mapping[str, Any]) -> list[str]:
    out = []
    for name, row in rows.items():
        plain, battery = name.removesuffix(" battery"), name.endswith(" battery")
        cells = [_pm(row[key]) if key in row else "" for key in ("R2", "MAE", "coverage", "AUC")]
        kind, aim = TARGETS.get(plain, ("", 0.0))
        met = ""
        if battery and kind:
            found = row[kind][0]
            good = found <= aim if kind == "MAE" else found >= aim
            met = f"{'<=' if kind == 'MAE' else '>='} {aim:g}: {'met' if good else '**missed**'}"
        out.append(
            f"| {plain} | {'battery-like' if battery else 'all'} | {row['n'][0]:.0f} | {' | '.join(cells)} | {met} |"
        )
    return out


def _pm(pair: Sequence[float]) -> str:
    return f"{pair[0]:.3g} ± {pair[1]:.1g}"


def _similarity_lines(rows: Mapping[str, Any]) -> list[str]:
    named = {name: row["by similarity"] for name, row in rows.items() if "by similarity" in row}
    edges = [f"from {edge:g}" for edge, _, _ in next(iter(named.values()))]
    lines = [f"| property | {' | '.join(edges)} |", "|---|" + "---|" * len(edges)]
    for name, row in named.items():
        lines.append(f"| {name} | " + " | ".join("-" if not n else f"{mae:.3g} ({n})" for _, n, mae in row) + " |")
    return lines
