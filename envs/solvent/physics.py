"""Quantum chemistry as property models: xTB for many molecules, DFT for finalists.

A batch never raises for a molecule: one that does not converge, falls apart or takes too long is a typed failure with
NaN values. Results are kept on the disk by canonical SMILES, method and versions. What says nothing of the molecule is
not kept: a time-out, since more time may help, and any error that the chemistry did not expect (memory, a broken
installation).

The time limit is looked at between self-consistent fields (xTB) or their cycles (DFT), which take well under a second
each for molecules of this size; larger ones are refused.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError, number, shown
from voltgym.envs.ledger import Ledger
from voltgym.envs.solvent.elements import MAX_ATOMS
from voltgym.envs.store import Store
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.solvent_names import ELECTRONIC

ELEMENTS = {"C", "N", "O", "F", "S", "P", "H"}

Answer = dict[str, Any]
"""``values`` by name, ``converged``, ``reason`` (empty where it did), ``final`` (trying again gives the same),
``seconds``, and ``geometry``."""


class QuantumModel:
    """Ionization energy, electron affinity, Li+ binding energy and dipole of molecules, from first computation on.

    Args:
        compute: the properties and the geometry of one molecule.
        method: what the results depend on; part of their key on the disk.
        calls: what the ledger calls a molecule.
        ledger: where molecules are counted, whether they are computed or found on the disk, and ``solver_ms``.
        folder: of the results; None for the user's cache.
        seconds: after which a molecule is given up.
    """

    names: tuple[str, ...] = ELECTRONIC
    fidelity: str = ""
    """The level of the fidelity ladder, as ``property_model`` names it."""
    corrected: bool = True
    """Whether its values are to be brought to the scale of DFT (``families.py``)."""

    def __init__(
        self,
        compute: Callable[[str, float], tuple[dict[str, float], Any]],
        *,
        method: str,
        calls: str,
        ledger: Ledger | None = None,
        folder: Path | str | None = None,
        seconds: float = 120.0,
    ) -> None:
        self._compute, self.method, self.calls = compute, method, calls
        self.ledger = ledger or Ledger()
        self.store = Store("solvent", method, folder)
        self.known: Mapping[str, Mapping[str, Any]] = {}
        """Shipped answers by canonical SMILES, which come first (``table.py``)."""
        self.seconds = number("seconds", seconds, "a time limit in seconds above 0", low=1e-9)

    @property
    def digest(self) -> str:
        """What the results depend on."""
        return self.method

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 4) values, NaN where a molecule failed; ``SOLVER`` if it was tried, ``DOMAIN`` if it is no molecule."""
        self.ledger.charge(self.calls, len(designs))
        mean = np.full((len(designs), len(self.names)), np.nan)
        failure = np.zeros(len(designs), dtype=np.int8)
        for i, smiles in enumerate(designs):
            if trouble(smiles):
                failure[i] = Failure.DOMAIN
                continue
            answer = self.known.get(canonical(smiles)) or self.answer(smiles)
            self.ledger.spent["solver_ms"] += int(1000 * answer["seconds"])
            if answer["converged"]:
                mean[i] = [answer["values"][name] for name in self.names]
            else:
                failure[i] = Failure.SOLVER
        return Prediction(mean, np.zeros_like(mean), np.zeros(len(designs)), failure)

    def answer(self, smiles: str) -> Answer:
        """All that is known of a molecule, computed if need be; of its canonical SMILES, whichever way it is written.

        Raises:
            VoltGymError: it is no molecule of this space.
        """
        if wrong := trouble(smiles):
            raise VoltGymError(wrong)
        smiles = canonical(smiles)
        kept = self.store.get(smiles)
        if kept is not None:
            return kept
        begin, final = time.monotonic(), True
        values: Mapping[str, float] = {}
        geometry, reason = None, ""
        try:
            values, geometry = self._compute(smiles, self.seconds)
            if not all(math.isfinite(value) for value in values.values()):
                reason = "a value is not finite"
        except Exception as error:  # whatever a chemistry code does to one molecule must not stop the others
            final = getattr(error, "final", False)
            reason = str(error) or type(error).__name__
        answer = {
            "values": {name: float(value) for name, value in values.items()} if not reason else {},
            "converged": not reason,
            "reason": reason,
            "final": final,
            "seconds": round(time.monotonic() - begin, 3),
            "geometry": geometry,
        }
        if final:
            self.store.put(smiles, answer)
        return answer


def trouble(smiles: Any) -> str:
    """What is wrong with a SMILES as input of quantum chemistry; empty if nothing is."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) and smiles else None
    if molecule is None:
        return f"{shown(smiles)} is no SMILES; expected one such as 'COC(=O)OC'"
    for atom in molecule.GetAtoms():
        if atom.GetSymbol() not in ELEMENTS:
            return f"{shown(smiles)} has the atom {atom.GetSymbol()}; expected only C, N, O, F, S, P and hydrogen"
        if atom.GetIsotope():
            return f"{shown(smiles)} has the isotope {atom.GetIsotope()}{atom.GetSymbol()}; expected none"
        if atom.GetFormalCharge() or atom.GetNumRadicalElectrons():
            return f"{shown(smiles)} has a charge or a radical at {atom.GetSymbol()}; expected a neutral closed shell"
    size = molecule.GetNumHeavyAtoms()
    if not 1 <= size <= MAX_ATOMS:
        return f"{shown(smiles)} has {size} heavy atoms; expected 1 to {MAX_ATOMS}"
    return f"{shown(smiles)} is several molecules; expected one" if "." in smiles else ""


def canonical(smiles: str) -> str:
    """The SMILES under which a molecule is computed and kept: RDKit's canonical one, without stereochemistry."""
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    Chem.RemoveStereochemistry(molecule)
    return Chem.MolToSmiles(molecule)


def _xtb(smiles: str, seconds: float) -> tuple[dict[str, float], Any]:
    from voltgym.envs.solvent import xtb

    values, geometry = xtb.compute(smiles, seconds)
    return values, xtb.as_json(geometry)


class XTBModel(QuantumModel):
    """GFN2-xTB and IPEA1-xTB; seconds a molecule. See ``xtb.py``."""

    fidelity = "xtb"

    def __init__(self, **options: Any) -> None:
        from voltgym.envs.solvent.xtb import PROTOCOL

        method = f"xtb protocol {PROTOCOL}, tblite {version('tblite')}, rdkit {version('rdkit')}"
        super().__init__(_xtb, **{"method": method, "calls": "xtb_calls", **options})


class DFTModel(QuantumModel):
    """B3LYP/def2-SVP on the geometries of xTB; a minute or so a molecule. See ``dft.py``."""

    fidelity = "dft"
    corrected = False

    def __init__(self, **options: Any) -> None:
        from voltgym.envs.solvent import dft

        options = {"seconds": 1800.0, **options}
        self.geometries = XTBModel(folder=options.get("folder"))
        method = f"dft protocol {dft.PROTOCOL}, pyscf {version('pyscf')}, on {self.geometries.method}"

        def compute(smiles: str, seconds: float) -> tuple[dict[str, float], Any]:
            start = self.geometries.answer(smiles)
            if not start["converged"]:
                kind = dft.Trouble if start.get("final", True) else dft.TimeOut
                raise kind(f"there is no geometry: {start['reason']}")
            return dft.compute(start["geometry"], seconds), None

        super().__init__(compute, **{"method": method, "calls": "dft_calls", **options})
