"""A molecule by quantum chemistry from several sides: its conformers, another method, and DFT where there is any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from voltgym.envs.contracts import Objective
from voltgym.envs.errors import check_name
from voltgym.envs.solvent.goals import EC
from voltgym.envs.solvent.physics import DFTModel, XTBModel, canonical
from voltgym.envs.solvent.table import answers
from voltgym.experiments.gate_designs import Draw, Window
from voltgym.experiments.gate_parts import Check, Row
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, ELECTRONIC, IONIZATION, LIQUID

PROTOCOL, OTHER, DFT = "xTB", "GFN1-xTB", "DFT"
CONFORMERS = 3
"""Beside the lowest one, of those that ``geometry.embed`` keeps."""
WHEN_DFT = ("kept", "true", "false")


class Quantum:
    """xTB as the environment has it, and what another conformer, GFN1-xTB and DFT say beside it.

    Args:
        populated: [kJ/mol] above the lowest within which a conformer counts.
        most_conformer, most_method: [eV] by which the ionization energy may differ between conformers, and the one
            relative to ethylene carbonate between methods.
        dft: ``kept`` takes DFT where it is shipped or on the disk, ``true`` computes it, ``false`` leaves it out.
    """

    def __init__(self, populated: float, most_conformer: float, most_method: float, dft: str | bool = "kept") -> None:
        dft = str(dft).lower()
        check_name("option.dft", dft, WHEN_DFT)
        self.populated, self.most_conformer, self.most_method = populated, most_conformer, most_method
        self.dft = dft
        self.level = "xTB (conformers, methods)" + (" and DFT" if dft == "true" else "")

    @cached_property
    def _xtb(self) -> XTBModel:
        return XTBModel()

    @cached_property
    def _dft(self) -> DFTModel:
        model = DFTModel()
        model.known = answers(model.fidelity, model.method)
        return model

    # -- computing -------------------------------------------------------------------------------------------------

    def variants(self, design: str) -> list[list[str]]:
        """One at a time: each takes seconds."""
        names = [PROTOCOL, *(f"conformer {k + 1}" for k in range(CONFORMERS)), OTHER]
        if self.dft == "true" or (self.dft == "kept" and self._kept(design)):
            names.append(DFT)
        return [[name] for name in names]

    def _kept(self, design: str) -> bool:
        key = canonical(design)
        return key in self._dft.known or self._dft.store.get(key) is not None

    def compute(self, design: str, variant: str) -> Row:
        """By kind of variant; a failure of the chemistry is a row without values."""
        kind = "conformer" if variant.startswith("conformer") else variant
        values, reason = _COMPUTE[kind](self, design, variant)
        needed = variant == PROTOCOL or (variant == DFT and self.dft == "true")
        return {"label": variant, "values": values, "reason": reason, "needed": needed}

    def protocol(self, design: str, variant: str) -> tuple[dict[str, float] | None, str]:
        """The environment's own protocol, with its geometries."""
        answer = self._xtb.answer(design)
        return (dict(answer["values"]), "") if answer["converged"] else (None, answer["reason"])

    def conformer(self, design: str, variant: str) -> tuple[dict[str, float] | None, str]:
        """Another conformer: its own geometry; none if there is none, or it is hardly populated."""
        from voltgym.envs.solvent import xtb
        from voltgym.envs.solvent.geometry import Unbuildable, embed, intact

        place, check = int(variant.split()[1]), xtb.clock(120.0)
        try:
            molecule, starts = embed(canonical(design))
            if place >= len(starts):
                return None, "there are no more conformers"
            lowest = min(xtb.optimise(start, 0, check)[0] for start in starts[:2])
            energy, structure = xtb.optimise(starts[place], 0, check)
            above = (energy - lowest) * xtb.KJ_MOL
            if not intact(molecule, structure):
                return None, "the conformer rearranges when it is optimised"
            if above > self.populated:
                return None, f"it lies {above:.0f} kJ/mol above the lowest and is hardly populated"
            return _charged(structure, energy, "IPEA1-xTB", "GFN2-xTB", check), ""
        except (Unbuildable, xtb.Trouble) as error:
            return None, str(error)

    def other(self, design: str, variant: str) -> tuple[dict[str, float] | None, str]:
        """GFN1-xTB on the same geometry, as differences to ethylene carbonate: methods are shifted by volts."""
        found = [self._by_gfn1(smiles) for smiles in (design, EC)]
        if isinstance(found[0], str) or isinstance(found[1], str):
            return None, next(text for text in found if isinstance(text, str))
        return {name: found[0][name] - found[1][name] for name in found[0]}, ""

    def _by_gfn1(self, design: str) -> dict[str, float] | str:
        from voltgym.envs.solvent import xtb
        from voltgym.envs.solvent.geometry import Structure

        answer = self._xtb.answer(design)
        if not answer["converged"]:
            return str(answer["reason"])
        kept = answer["geometry"]["molecule"]
        structure = Structure(np.array(kept["numbers"]), np.array(kept["positions"]))
        try:
            energy, _ = xtb.single_point("GFN1-xTB", structure, 0)
            return _charged(structure, energy, "GFN1-xTB", "GFN1-xTB", xtb.clock(120.0))
        except xtb.Trouble as error:
            return str(error)

    def by_dft(self, design: str, variant: str) -> tuple[dict[str, float] | None, str]:
        """As differences to ethylene carbonate."""
        found = [self._dft.known.get(canonical(smiles)) or self._dft.answer(smiles) for smiles in (design, EC)]
        bad = next((answer for answer in found if not answer["converged"]), None)
        if bad is not None:
            return None, str(bad["reason"])
        return {name: found[0]["values"][name] - found[1]["values"][name] for name in found[0]["values"]}, ""

    # -- judging ---------------------------------------------------------------------------------------------------

    def draws(
        self, design: str, rows: Sequence[Row], spread: Mapping[str, float], rng: np.random.Generator, count: int
    ) -> list[Draw]:
        """The variants in turn, and every property as far off as its standard deviation says."""
        offsets = self._offsets(rows)
        out = []
        for i in range(count):
            label, offset = offsets[i % len(offsets)]
            noise = {name: float(std * rng.standard_normal()) for name, std in spread.items()}
            noise[LIQUID] = 0.0  # it is a probability: the spread of an answer yes or no is in it already
            changes = {name: noise[name] + offset.get(name, 0.0) for name in noise}
            out.append(Draw(f"{label}, draw {i + 1}", changes))
        return out

    def _offsets(self, rows: Sequence[Row]) -> list[tuple[str, dict[str, float]]]:
        """By variant: how far it is from the protocol, the relative ones on top of the protocol's own reference.

        None without the protocol's own values.
        """
        by = {row["label"]: row["values"] for row in rows if row["values"] is not None}
        if PROTOCOL not in by:
            return []
        own, reference = by[PROTOCOL], self.protocol(EC, PROTOCOL)[0] or {}
        out = []
        for label, values in by.items():
            base = {name: own[name] - (reference[name] if label in (OTHER, DFT) else 0.0) for name in own}
            out.append((label, {name: values[name] - base[name] for name in values}))
        return out

    def windows(self, objective: Objective) -> list[Window]:
        """The zero points of the goal's desirabilities."""
        known: Any = objective
        return [
            Window(
                term.name,
                term.zero,
                1.0 if term.full > term.zero else -1.0,
                known.reference[term.name] if term.relative or term.window else 0.0,
                term.window,
            )
            for term in known.terms
        ]

    def checks(self, design: str, rows: Sequence[Row]) -> list[Check]:
        """Whether conformers and methods agree on the ionization energy."""
        by = {row["label"]: row["values"] for row in rows if row["values"] is not None}
        if PROTOCOL not in by:
            return []
        others = {label: values for label, values in by.items() if label.startswith("conformer")}
        apart = {label: abs(values[IONIZATION] - by[PROTOCOL][IONIZATION]) for label, values in others.items()}
        out = [_agree("Conformers", apart, self.most_conformer)]
        methods = {label: abs(change[IONIZATION]) for label, change in self._offsets(rows) if label in (OTHER, DFT)}
        return [*out, _agree("Methods", methods, self.most_method)]

    def chart(self, design: str, rows: Sequence[Row]) -> list[str]:
        """The molecule, and what each variant says relative to the protocol."""
        from voltgym.envs.solvent.pictures import grid_svg
        from voltgym.experiments.strips import Dot, draw_strip
        from voltgym.experiments.strips import Row as Line

        lines = []
        for name in (IONIZATION, AFFINITY, BINDING):
            dots = [Dot(change[name], None, f"{label}: {change[name]:+.3g}")
                    for label, change in self._offsets(rows) if name in change]  # fmt: skip
            lines.append((name, Line(name, 0, dots, f"{len(dots)} variants")))
        strips = [draw_strip(f"{name}: less what xTB has", [line]) for name, line in lines if line.dots]
        return [grid_svg([design], [[design]], title=design), *strips]


def _agree(name: str, apart: Mapping[str, float], most: float) -> Check:
    worst = max(apart, key=lambda label: apart[label], default="")
    if not worst:
        return Check(name, True, f"{name.lower()}: there is only one", threshold=most, kind="validity", unit="eV")
    said = f"{name.lower()} differ by {apart[worst]:.2f} eV in ionization energy ({worst}), {most:g} eV allowed"
    left = most - apart[worst]
    return Check(name, left >= 0, said, worst, left, "eV", most, "validity")


def _charged(structure: Any, energy: float, ionized: str, reduced: str, check: Any) -> dict[str, float]:
    """Ionization energy and electron affinity [eV] at a geometry, by the methods named."""
    from voltgym.envs.solvent import xtb

    check()
    neutral, cation = (xtb.single_point(ionized, structure, charge)[0] for charge in (0, 1))
    check()
    anion = xtb.single_point(reduced, structure, -1)[0]
    return {IONIZATION: (cation - neutral) * xtb.EV, AFFINITY: (energy - anion) * xtb.EV}


_COMPUTE = {PROTOCOL: Quantum.protocol, "conformer": Quantum.conformer, OTHER: Quantum.other, DFT: Quantum.by_dft}
"""How a variant is computed, by its kind."""
assert {IONIZATION, AFFINITY, BINDING} < set(ELECTRONIC)
