"""The design space once more, done by RDKit a molecule at a time: what the NumPy masks are held against.

Nothing of the package's masks or arrays is used, but for the numbering of the action table.
"""

from __future__ import annotations

from rdkit import Chem, rdBase

from voltgym.envs.solvent.edits import LEFT, RIGHT, Append
from voltgym.envs.solvent.fragments import FRAGMENTS
from voltgym.envs.solvent.space import MoleculeSpace

ORDERS = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
SYMBOLS = ["C", "N", "O", "F", "S", "P"]
VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1, "S": 2, "P": 3}
OXIDES = [
    Chem.MolFromSmarts(s)
    for s in ("[#16X3](=[OX1])(-*)-*", "[#16X4](=[OX1])(=[OX1])(-*)-*", "[#15X4](=[OX1])(-*)(-*)-*")
]
STRAINED = [Chem.MolFromSmarts(s) for s in ("[R]#@*", "[#6R](=*)=*")]


def kekule(smiles: str) -> Chem.RWMol:
    mol = Chem.RWMol(Chem.MolFromSmiles(smiles))
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():  # a hydrogen that the SMILES writes, as in [nH], gives way like any other
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    return mol


def product(smiles: str, space: MoleculeSpace, action: int) -> str | None:
    """The canonical SMILES that an action leads to, or None where it leads to no other molecule of the space."""
    edit, k = space.actions[action]
    mol = kekule(smiles)
    with rdBase.BlockLogs():
        changed = EDITS[edit.name](mol, k)
        if changed is None or Chem.SanitizeMol(changed, catchErrors=True) or not in_space(changed):
            return None
    new = Chem.MolToSmiles(changed)
    return None if new == smiles else new


def in_space(mol: Chem.Mol) -> bool:
    mol = Chem.RWMol(mol)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    if len(Chem.GetMolFrags(mol)) != 1 or not 2 <= mol.GetNumAtoms() <= 14:
        return False
    oxides = {match[0] for query in OXIDES for match in mol.GetSubstructMatches(query)}
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge() or atom.GetNumRadicalElectrons() or atom.GetSymbol() not in VALENCE:
            return False
        oxide = atom.GetIdx() in oxides and atom.GetTotalNumHs() == 0
        if atom.GetTotalValence() != VALENCE[atom.GetSymbol()] and not oxide:
            return False
    return not any(mol.HasSubstructMatch(query) for query in STRAINED)


def append(mol: Chem.RWMol, k: int) -> Chem.RWMol | None:
    i, kind = divmod(k, len(Append.kinds))
    if i >= mol.GetNumAtoms():
        return None
    element, order = Append.kinds[kind]
    mol.AddBond(i, mol.AddAtom(Chem.Atom(SYMBOLS[element - 1])), ORDERS[order])
    return mol


def bond(mol: Chem.RWMol, k: int) -> Chem.RWMol | None:
    pair, order = divmod(k, 4)
    i, j = int(LEFT[pair]), int(RIGHT[pair])
    if j >= mol.GetNumAtoms():
        return None
    old = mol.GetBondBetweenAtoms(i, j)
    if old is None:
        if order not in (1, 2) or not 3 <= len(Chem.GetShortestPath(mol, i, j)) <= 7:
            return None
        mol.AddBond(i, j, ORDERS[order])
    elif order == 0:
        mol.RemoveBond(i, j)
    else:
        old.SetBondType(ORDERS[order])
    return mol


def substitute(mol: Chem.RWMol, k: int) -> Chem.RWMol | None:
    i, element = divmod(k, len(SYMBOLS))
    if i >= mol.GetNumAtoms():
        return None
    mol.GetAtomWithIdx(i).SetAtomicNum(Chem.Atom(SYMBOLS[element]).GetAtomicNum())
    mol.GetAtomWithIdx(i).SetNoImplicit(False)
    mol.GetAtomWithIdx(i).SetNumExplicitHs(0)
    return mol


def delete(mol: Chem.RWMol, k: int) -> Chem.RWMol | None:
    if k >= mol.GetNumAtoms():
        return None
    beside = [atom.GetIdx() for atom in mol.GetAtomWithIdx(k).GetNeighbors()]
    if len(beside) > 2 or (len(beside) == 2 and mol.GetBondBetweenAtoms(*beside)):
        return None
    if len(beside) == 2:
        mol.AddBond(*beside, ORDERS[1])
    mol.RemoveAtom(k)
    return mol


def attach(mol: Chem.RWMol, k: int) -> Chem.RWMol | None:
    i, f = divmod(k, len(FRAGMENTS))
    if i >= mol.GetNumAtoms():
        return None
    start = mol.GetNumAtoms()
    both = Chem.RWMol(Chem.CombineMols(mol, kekule(FRAGMENTS[f])))
    both.AddBond(i, start, ORDERS[1])
    return both


EDITS = {"append": append, "bond": bond, "substitute": substitute, "delete": delete, "attach": attach}
