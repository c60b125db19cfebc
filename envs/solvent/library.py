"""Which molecules the shipped quantum-chemistry data hold: chosen for the design space, the same every time.

Three parts: battery solvents and additives by hand; real molecules, of which ``chemicals`` knows a boiling point, a
flash point, a viscosity or a permittivity (only their identity is taken); and seeded random edits of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors
from rdkit.Chem.rdchem import BondType, Mol, RWMol

HEAVIEST = 14
"""Heavy atoms of the design space; the real molecules go up to ``REAL_HEAVIEST``, as larger ones take long."""
REAL_HEAVIEST = 11
SYMBOLS = {"C", "N", "O", "F", "S", "P"}

FAMILIES = {
    "cyclic carbonate": (
        "O=C1OCCO1 CC1COC(=O)O1 O=c1occo1 O=C1OCC(F)O1 C=CC1COC(=O)O1 CCC1COC(=O)O1 CC1OC(=O)OC1C O=C1OC(F)C(F)O1 "
        "O=C1OCC(C(F)(F)F)O1 O=C1OCC(F)(F)O1 O=C1OCCCO1 COCC1COC(=O)O1 C=C1COC(=O)O1 Cc1coc(=O)o1"
    ),
    "linear carbonate": (
        "COC(=O)OC CCOC(=O)OC CCOC(=O)OCC CCCOC(=O)OC COC(=O)OCC(F)(F)F O=C(OCC(F)(F)F)OCC(F)(F)F CCOC(=O)OCC(F)(F)F "
        "COC(=O)OC(C)C C=COC(=O)OC COC(=O)OCF C=CCOC(=O)OC C#CCOC(=O)OC"
    ),
    "ether": (
        "COCCOC COCCOCCOC C1COCO1 C1CCOC1 CC1CCCO1 CCOCC CCOCCOCC C1COCCO1 COC COCOC CCCCOCCCC C1CCOCC1 CC1OCCO1 "
        "COC(C)COC COC(C)(C)C"
    ),
    "fluorinated ether": (
        "FC(F)C(F)(F)COC(F)(F)C(F)F FC(F)(F)COCC(F)(F)F COC(F)(F)C(F)F CCOC(F)(F)C(F)F FC(F)(F)COCCOCC(F)(F)F "
        "COCCC(F)(F)F COCC(F)(F)F COCCF COC(F)(F)F"
    ),
    "ester": (
        "COC(C)=O CCOC(C)=O COC=O CCOC(=O)CC CCCOC(C)=O COC(=O)CCC COC(=O)C(F)(F)F COC(=O)C(F)F CCOC(=O)C(F)(F)F "
        "CC(=O)OCC(F)(F)F C=COC(C)=O COC(=O)C=C COC(=O)CC"
    ),
    "lactone": "O=C1CCCO1 CC1CCC(=O)O1 O=C1CCCCO1 O=C1CCO1 O=C1C=CCO1 O=C1CCC(F)O1 O=C1OCCC1F",
    "nitrile": (
        "CC#N CCC#N N#CCCC#N N#CCCCC#N N#CCCCCC#N COCCC#N C=CC#N N#CCF N#CCC(F)(F)F CCCC#N CC(C)C#N CSCC#N N#CCC#N"
    ),
    "sulfone": (
        "O=S1(=O)CCCC1 CS(C)(=O)=O CCS(C)(=O)=O CCS(=O)(=O)CC COCCS(C)(=O)=O CC(C)S(C)(=O)=O C=CS(C)(=O)=O "
        "CS(=O)(=O)C(F)(F)F CC1CCS(=O)(=O)C1 CS(=O)(=O)F CCS(=O)(=O)F"
    ),
    "sulfoxide, sulfite, sulfate, sultone": (
        "CS(C)=O O=S1OCCO1 CC1COS(=O)O1 O=S1OCCCO1 COS(=O)OC CCOS(=O)OCC O=S1(=O)CCCO1 O=S1(=O)CCCCO1 O=S1(=O)C=CCO1 "
        "O=S1(=O)OCCO1 CC1COS(=O)(=O)O1 COS(=O)(=O)OC COS(C)(=O)=O O=S1CCCC1"
    ),
    "phosphate": (
        "COP(=O)(OC)OC CCOP(=O)(OCC)OCC CP(=O)(OC)OC O=P(OCC(F)(F)F)(OC)OC COP(OC)OC COP(C)(C)=O CCP(=O)(OC)OC "
        "COP(=O)(F)OC CP(C)(C)=O"
    ),
    "amide, carbamate": (
        "CN(C)C(C)=O CN1CCCC1=O COC(=O)N(C)C CN(C)C(=O)N(C)C CN1CCOC1=O CN(C)S(C)(=O)=O CN(C)S(=O)(=O)N(C)C "
        "CCC(=O)N(C)C CN(C)S(=O)(=O)F CN(C)C(=O)C(F)(F)F"
    ),
    "amine, thioether": "CN(C)C CCN(CC)CC CSC CCSCC C1CCSC1 CN1CCCC1 COCCSC CSCCSC",
    "hydrocarbon": "CC CCC C=C CCCCC C1CCCCC1 C1CCCC1 CC=C C=CC=C Cc1ccccc1 Fc1ccccc1 c1ccccc1 FC(F)(F)c1ccccc1",
    "ketone": "CC(C)=O CCC(C)=O O=C1CCCC1 CC(=O)CC(C)=O COCC(C)=O CC(=O)C(F)(F)F",
}
"""Solvents and additives of lithium batteries, and small members of each family, by hand."""

FRAGMENTS = (
    "O=C(O*)OC",
    "CO*",
    "CCO*",
    "N#C*",
    "C[S](=O)(=O)*",
    "COC(*)=O",
    "CC(=O)O*",
    "FC(F)(F)*",
    "FC(F)(F)C*",
    "FC(F)(F)CO*",
    "C=C*",
    "F*",
    "C*",
    "CC*",
    "COP(=O)(O*)OC",
    "O=S(=O)(F)*",
    "CN(C)C(*)=O",
    "COC*",
    "C=CC*",
    "C#C*",
    "CS*",
    "CN(C)*",
    "O=S(*)OC",
    "COS(=O)(=O)*",
    "O=C1OCC(*)O1",
    "C1CC1*",
    "CC(*)=O",
)
"""What random edits attach, ``*`` marks the bond."""


def battery_molecules() -> list[str]:
    """Canonical SMILES of the molecules by hand."""
    return list(dict.fromkeys(Chem.CanonSmiles(s) for text in FAMILIES.values() for s in text.split()))


def family_of(smiles: str) -> str:
    """The family by hand of a canonical SMILES; empty for the others."""
    return _family().get(smiles, "")


def _family() -> dict[str, str]:
    return {Chem.CanonSmiles(s): name for name, text in FAMILIES.items() for s in text.split()}


def real_molecules() -> list[str]:
    """Canonical SMILES of measured molecules that fit the design space."""
    from chemicals import identifiers, permittivity, phase_change, safety, viscosity

    numbers: set[str] = set()
    for table in (
        phase_change.Tb_data_Yaws,
        safety.NFPA_2008_data,
        safety.DIPPR_SERAT_data,
        safety.IEC_2010_data,
        permittivity.permittivity_data_CRC,
        viscosity.mu_data_Dutt_Prasad,
        viscosity.mu_data_VN2,
        viscosity.mu_data_VDI_PPDS_7,
    ):
        numbers.update(str(number) for number in table.index)
    found = []
    for number in sorted(numbers):
        try:
            smiles = identifiers.search_chemical(number).smiles
        except (ValueError, AttributeError):  # a number that the package itself cannot resolve
            continue
        canonical = design(smiles, REAL_HEAVIEST)
        if canonical and _relevant(canonical):
            found.append(canonical)
    return list(dict.fromkeys(found))


def _relevant(smiles: str) -> bool:
    """Polar and not aromatic: what an electrolyte might hold."""
    molecule = Chem.MolFromSmiles(smiles)
    hetero = sum(atom.GetSymbol() != "C" for atom in molecule.GetAtoms())
    return hetero * 6 >= molecule.GetNumHeavyAtoms() and not rdMolDescriptors.CalcNumAromaticRings(molecule)


def design(smiles: str, heaviest: int = HEAVIEST) -> str | None:
    """The canonical SMILES without stereochemistry if the molecule is of the design space and aprotic, else None."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if smiles and "." not in smiles else None
    if molecule is None or not 1 <= molecule.GetNumHeavyAtoms() <= heaviest or not _fits(molecule):
        return None
    Chem.RemoveStereochemistry(molecule)
    for atom in molecule.GetAtoms():
        atom.SetIsotope(0)
    return Chem.MolToSmiles(Chem.RemoveHs(molecule))


def _fits(molecule: Mol) -> bool:
    plain = all(
        atom.GetSymbol() in SYMBOLS | {"H"} and not atom.GetFormalCharge() and not atom.GetNumRadicalElectrons()
        for atom in molecule.GetAtoms()
    )
    if not plain or not any(atom.GetSymbol() == "C" for atom in molecule.GetAtoms()):
        return False
    donors = rdMolDescriptors.CalcNumHBD(molecule)
    aromatic = rdMolDescriptors.CalcNumAromaticRings(molecule)
    return donors == 0 and aromatic <= 1 and rdMolDescriptors.CalcCrippenDescriptors(molecule)[0] < 4.5


def edited(parents: list[str], n: int, seed: int = 0) -> list[str]:
    """``n`` molecules that one or two random edits make of ``parents``; those there already are left out."""
    rng, known = np.random.default_rng(seed), set(parents)
    found: list[str] = []
    while len(found) < n:
        smiles: str | None = parents[int(rng.integers(len(parents)))]
        for _ in range(int(rng.integers(1, 3))):
            smiles = _edit(smiles, rng) if smiles else None
        if smiles and smiles not in known:
            known.add(smiles)
            found.append(smiles)
    return found


def _edit(smiles: str, rng: np.random.Generator) -> str | None:
    molecule = RWMol(Chem.MolFromSmiles(smiles))
    edits = (_attach, _attach, _attach, _replace, _desaturate)
    edits[int(rng.integers(len(edits)))](molecule, rng)
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
            return design(Chem.MolToSmiles(molecule))
        except (Chem.MolSanitizeException, RuntimeError, ValueError):
            return None


def _attach(molecule: RWMol, rng: np.random.Generator) -> None:
    """A fragment in the place of a hydrogen."""
    open_ = [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetTotalNumHs() and atom.GetSymbol() == "C"]
    if not open_:
        return
    fragment = Chem.MolFromSmiles(FRAGMENTS[int(rng.integers(len(FRAGMENTS)))])
    n, at = molecule.GetNumAtoms(), open_[int(rng.integers(len(open_)))]
    star = next(atom for atom in fragment.GetAtoms() if atom.GetAtomicNum() == 0)
    first = n + star.GetNeighbors()[0].GetIdx()
    molecule.InsertMol(fragment)
    molecule.AddBond(at, first, BondType.SINGLE)
    molecule.RemoveAtom(n + star.GetIdx())


def _replace(molecule: RWMol, rng: np.random.Generator) -> None:
    """One atom by another element."""
    atom = molecule.GetAtomWithIdx(int(rng.integers(molecule.GetNumAtoms())))
    atom.SetIsAromatic(atom.GetIsAromatic())
    if not atom.GetIsAromatic():
        atom.SetAtomicNum(int(rng.choice([6, 7, 8, 9, 16])))
        atom.SetNoImplicit(False)


def _desaturate(molecule: RWMol, rng: np.random.Generator) -> None:
    """A single bond between carbons to a double bond."""
    single = [b for b in molecule.GetBonds() if b.GetBondType() == BondType.SINGLE and not b.GetIsAromatic()]
    if single:
        single[int(rng.integers(len(single)))].SetBondType(BondType.DOUBLE)


def xtb_molecules(n: int) -> list[tuple[str, str]]:
    """(SMILES, source) of ``n`` molecules: those by hand first, then real and edited ones in turn."""
    hand = battery_molecules()
    real = [smiles for smiles in real_molecules() if smiles not in hand]
    order = np.random.default_rng(1).permutation(len(real))
    real = [real[i] for i in order]
    more = edited(hand * 8 + real, max(0, n - len(hand) - len(real)) + len(real), seed=2)
    mixed = chain.from_iterable(_in_turn(((s, "real") for s in real), ((s, "edited") for s in more)))
    return [*((smiles, "hand") for smiles in hand), *mixed][:n]


def _in_turn(*sources: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """One of each source at a time, until all have ended."""
    left = [iter(source) for source in sources]
    while left:
        row = [next(source, None) for source in left]
        left = [source for source, item in zip(left, row, strict=True) if item is not None]
        yield [item for item in row if item is not None]


def dft_molecules(largest: int = 9) -> list[tuple[str, str]]:
    """(SMILES, family): of every family by hand the smallest first, in turn, up to ``largest`` heavy atoms."""
    size = {s: Chem.MolFromSmiles(s).GetNumHeavyAtoms() for s in battery_molecules()}
    rows = [
        [(s, name) for s in sorted((Chem.CanonSmiles(t) for t in text.split()), key=size.__getitem__)]
        for name, text in FAMILIES.items()
    ]
    chosen = chain.from_iterable(_in_turn(*rows))
    return [(s, name) for s, name in chosen if size[s] <= largest]
