"""Tables of the documentation that repeat the code: ``python docs/tables.py`` writes them anew between their marks.

A page has ``<!-- table: NAME -->`` and ``<!-- /table -->``; what is between comes from here. A test compares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parent
_MARK = re.compile(r"(<!-- table: (.+?) -->\n)(.*?)(<!-- /table -->)", re.S)


def filled(text: str) -> str:
    """A page with its tables as the code has them."""
    return _MARK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[4]}", text)


def pages() -> list[Path]:
    """Those with tables."""
    return [page for page in sorted(DOCS.rglob("*.md")) if _MARK.search(page.read_text(encoding="utf-8"))]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """As Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def number(value: float) -> str:
    """As a reader writes it."""
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)


def span(start: int, stop: int) -> str:
    """The indices from ``start`` to before ``stop``."""
    return f"{start} to {stop - 1}" if stop - start > 1 else str(start)


def arguments(module: str) -> str:
    """The arguments of an environment, from the signature and the docstring of its ``parts``."""
    parts = import_module(f"voltgym.envs.{module}").parts
    text = inspect.getdoc(parts) or ""
    said = dict(re.findall(r"^    (\w+): (.*(?:\n     .*)*)", text.partition("Args:")[2], re.M))
    rows = []
    for name, parameter in inspect.signature(parts).parameters.items():
        default = repr(parameter.default).replace("'", '"')
        what = " ".join(said.get(name, "").replace("``", "`").split())
        rows.append((f"`{name}`", f"`{default}`", what or "see above"))
    return table(("argument", "default", "what"), rows)


def channels(kind: str) -> str:
    """The components of an observation of a charge."""
    from voltgym.envs.charging.task import FastChargeTask

    task = FastChargeTask(voltage_limit=4.2, observation=kind)
    rows = [(i, c.name, number(c.offset), number(c.scale)) for i, c in enumerate(task.channels)]
    return table(("index", "component", "offset", "scale"), rows)


def thevenin_channels() -> str:
    """The components of an observation of ``Thevenin-v0``."""
    from voltgym.envs.thevenin import Charge

    rows = [(i, name, number(a), number(b)) for i, (name, (a, b)) in enumerate(Charge.channels.items())]
    return table(("index", "component", "offset", "scale"), rows)


def slacks(objective: Any, hard: Mapping[str, float] | None = None) -> str:
    """The slacks of an objective: what is tolerated, what counts as one, where an episode ends."""
    hard = hard or {}
    rows = []
    for name, scale in objective.scales.items():
        rows.append((name, number(objective.tolerances[name]), number(scale), number(hard.get(name, "-"))))  # type: ignore[arg-type]
    return table(("slack", "tolerance", "scale", "ends the episode below minus"), rows)


def _charging(name: str) -> str:
    from voltgym.envs.charging import objective

    kind = getattr(objective, name)
    return slacks(kind, kind.hard)


def _thevenin_slacks() -> str:
    from voltgym.envs.thevenin import Fast

    return slacks(Fast, {"Voltage [V]": 0.5})


def spread() -> str:
    """What varies between charges."""
    from voltgym.envs.charging.scenario import AMBIENT_C, KELVIN, NOMINAL, SPREAD

    rows = [(name, number(low), number(high), number(NOMINAL[name])) for name, (low, high) in SPREAD.items()]
    ambient = number(NOMINAL["Ambient temperature [K]"] - KELVIN)
    for k, bounds in enumerate(dict.fromkeys(AMBIENT_C.values())):
        named = ", ".join(f"`{split}`" for split, found in AMBIENT_C.items() if found == bounds)
        rows.append((f"Ambient temperature [C], {named}", number(bounds[0]), number(bounds[1]), "-" if k else ambient))
    return table(("what", "lowest", "highest", "split `nominal`"), rows)


def inputs() -> str:
    """What of the cell's model is varied, and what PyBaMM calls what is observed."""
    from voltgym.envs.charging.model import OUTPUTS

    return table(("measured", "PyBaMM's variable"), [(ours, f"`{theirs}`") for ours, theirs in OUTPUTS.items()])


def cathode_terms() -> str:
    """The desirabilities of a cathode."""
    from voltgym.envs.cathode.objective import TERMS

    return table(("term", "0 at", "1 at"), [(n, number(a), number(b)) for n, (a, b) in TERMS.items()])


def cathode_slacks() -> str:
    """The limits of a cathode."""
    from voltgym.envs.cathode.objective import CathodeObjective

    one = CathodeObjective()
    rows = [(name, number(one.limits.get(name, 0.0)), number(scale)) for name, scale in one.scales.items()]
    return table(("slack", "at least", "scale"), rows)


def cathode_edits() -> str:
    """The actions, by number."""
    from voltgym.envs.cathode.space import CathodeSpace

    space = CathodeSpace()
    state = space.initial(["LiNi0.8Mn0.1Co0.1O2@0.7"])
    return table(("action", "edit"), [(i, space.describe(i, state)) for i in range(space.n_actions)])


def cathode_tiers() -> str:
    """The levels of the ladder."""
    from voltgym.envs.cathode.physics import TIERS
    from voltgym.envs.cathode.properties import TIER_OF

    rows: list[Sequence[Any]] = []
    for level, name in TIER_OF.items():
        tier = TIERS[name]
        left = ", ".join(str(n) for n in tier.lithium)
        what = "learned from F1" if level == "surrogate" else f"{left} and the deepest of 10"
        starts = "-" if level == "surrogate" else len(tier.starts)
        rows.append((f"`{level}`", name, what, starts, "-" if level == "surrogate" else number(tier.force)))
    return table(("`property_model`", "tier", "lithium left", "starts", "force [eV/Angstrom]"), rows)


def cathode_references() -> str:
    """Known cathodes."""
    from voltgym.envs.cathode.cathode import REFERENCES

    return table(("known as", "on the grid"), [(name, f"`{key}`") for name, key in REFERENCES.items()])


def cathode_elements() -> str:
    """Prices and supply of the elements."""
    from voltgym.envs.cathode.costs import _table

    rows = [(element, row["price [USD.kg-1]"], row["HHI production"]) for element, row in _table().items()]
    said = [f"- {element}: {row['price source']}" for element, row in _table().items()]
    prices = table(("element", "price [USD.kg-1]", "HHI of production"), rows)
    return "\n".join([prices, "", "Where the prices are from:", "", *said])


def noh() -> str:
    """The measurements that heat and life rest on."""
    from voltgym.envs.cathode.stability import NOH

    rows = [
        (f"{m.ni:.3g} / {m.mn:.3g} / {m.co:.3g}", number(m.capacity), number(m.retention), number(m.peak)) for m in NOH
    ]
    return table(("Ni / Mn / Co", "capacity to 4.3 V [mA.h.g-1]", "retention [%]", "exothermic peak [C]"), rows)


def solvent_terms(goal: str) -> str:
    """The desirabilities of a molecule."""
    from voltgym.envs.solvent.goals import GOALS

    rows = []
    for term in GOALS[goal].terms:
        how = "distance from EC" if term.window else "relative to EC" if term.relative else "as it is"
        rows.append((term.name, how, number(term.zero), number(term.full)))
    return table(("term", "counted", "0 at", "1 at"), rows)


def solvent_references(goal: str) -> str:
    """Molecules to beat, and where episodes begin."""
    from voltgym.envs.solvent.goals import GOALS

    found = GOALS[goal]
    listed = {
        "to beat": ", ".join(f"{name} `{smiles}`" for name, smiles in found.references.items()),
        "starts of `train`, `validation`": ", ".join(f"`{smiles}`" for smiles in found.starts),
        "starts of `test`, `private`": ", ".join(f"`{smiles}`" for smiles in found.test_starts),
        "start of `nominal`": f"`{found.nominal}`",
    }
    return table(("what", "molecules"), listed.items())


def solvent_slacks() -> str:
    """The slacks of a molecule."""
    from voltgym.envs.solvent.objective import SolventObjective

    return table(("slack", "scale"), [(n, number(s)) for n, s in SolventObjective.scales.items()])


def solvent_edits() -> str:
    """The kinds of edits."""
    from voltgym.envs.solvent.edits import all_edits

    rows, start = [], 0
    for kind in all_edits():
        what = " ".join((type(kind).__doc__ or "").split())
        rows.append((span(start, start + kind.size), kind.name, what))
        start += kind.size
    return table(("actions", "kind", "what"), [*rows, (start, "stop", "Hand the molecule in.")])


def blocks(module: str, **kwargs: Any) -> str:
    """The blocks of the observation of an environment that edits designs."""
    task = import_module(f"voltgym.envs.{module}").parts(**kwargs).task
    rows = [(span(where.start, where.stop), name) for name, where in task.blocks.items()]
    return table(("index", "block"), rows)


def measured(module: str, **kwargs: Any) -> str:
    """What the block ``measured`` shows."""
    task = import_module(f"voltgym.envs.{module}").parts(**kwargs).task
    found = zip(task._shown, task._offset, task._scale, strict=True)
    rows = [(name, number(float(a)), number(float(b))) for name, a, b in found]
    return table(("measured", "offset", "scale"), rows)


def thevenin_constants() -> str:
    """The numbers of the circuit."""
    from voltgym.envs import thevenin as t

    ranges = dict.fromkeys(("SOC", "R0 [Ohm]", "R1 [Ohm]"), "")
    lowest, highest = t.spread(_Ends(0.0)), t.spread(_Ends(1.0))  # type: ignore[arg-type]
    ranges = {name: f"{number(lowest[name])} to {number(highest[name])}" for name in ranges}
    nominal = t.nominal(None)  # type: ignore[arg-type]
    rows = [
        ("$U_0$", f"{t.U0:g} V", "open-circuit voltage, empty"),
        ("$k$", f"{t.SLOPE:g} V", "its rise from empty to full"),
        ("$Q$", f"{t.CAPACITY:g} A.h", "capacity"),
        ("$\\tau$", f"{t.TAU:g} s", "time constant of the R1-C1 pair"),
        ("$R_0$", f"{ranges['R0 [Ohm]']} Ohm", f"drawn uniformly; {nominal['R0 [Ohm]']:g} in `nominal`"),
        ("$R_1$", f"{ranges['R1 [Ohm]']} Ohm", f"drawn uniformly; {nominal['R1 [Ohm]']:g} in `nominal`"),
        ("SOC at the start", ranges["SOC"], f"drawn uniformly; {nominal['SOC']:g} in `nominal`"),
        ("$\\Delta t$", f"{t.STEP:g} s", "a step"),
        ("$c_\\mathrm{max}$", f"{t.MAX_RATE:g}C", "the largest C-rate of the action space"),
        ("$V_\\mathrm{max}$", f"{t.VOLTAGE_LIMIT:g} V", "the limit"),
        ("target", f"{t.TARGET:g}", "SOC where the charge ends"),
    ]
    return table(("symbol", "value", "what"), rows)


class _Ends:
    """Stands in for a generator: every uniform draw is one end of its range, or the other."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        """That end."""
        return low + self.share * (high - low)


def track(name: str) -> str:
    """What a benchmark track fixes."""
    from voltgym.experiments import tracks

    found = tracks.load(name)
    raw = yaml.safe_load((DOCS.parent / "conf" / "track" / f"{name}.yaml").read_text(encoding="utf-8"))["score"]
    given = ", ".join(f"`{key}={value}`" for key, value in found.env_kwargs.items() if value not in ({}, None))
    anchors = [
        f"`{end}`" if isinstance(end, str) else number(end) for end in (raw.get("baseline", 0), raw["reference"])
    ]
    rows = [
        ("arguments", given),
        ("episodes", f"{found.episodes} of `{found.split}`"),
        ("budget of a run", ", ".join(f"{most:,} {unit.replace('_', ' ')}" for unit, most in found.budget.items())),
        ("seeds", found.seeds),
        ("judged by", raw.get("value", "hypervolume")),
        ("score 0", anchors[0]),
        ("score 1", f"{anchors[1]}, {found.optimum}"),
    ]
    return table((f"track `{name}`", f"version {found.version}"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "thevenin arguments": lambda: arguments("thevenin"),
    "thevenin constants": thevenin_constants,
    "thevenin observation": thevenin_channels,
    "thevenin slacks": _thevenin_slacks,
    **{
        f"track {name}": partial(track, name) for name in ("control_bms", "control_full", "safe", "protocol", "cathode")
    },
    **{f"track {name}": partial(track, name) for name in ("cathode_pareto", "solvent")},
    "fastcharge arguments": lambda: arguments("charging.fast_charge"),
    "fastcharge bms": lambda: channels("bms"),
    "fastcharge full": lambda: channels("full"),
    "fastcharge slacks": lambda: _charging("FastChargeObjective"),
    "charging scenarios": spread,
    "charging outputs": inputs,
    "protocol arguments": lambda: arguments("charging.protocol"),
    "protocol slacks": lambda: _charging("ProtocolObjective"),
    "cathode arguments": lambda: arguments("cathode.cathode"),
    "cathode terms": cathode_terms,
    "cathode slacks": cathode_slacks,
    "cathode edits": cathode_edits,
    "cathode blocks": lambda: blocks("cathode.cathode"),
    "cathode measured": lambda: measured("cathode.cathode"),
    "cathode tiers": cathode_tiers,
    "cathode references": cathode_references,
    "cathode elements": cathode_elements,
    "cathode noh": noh,
    "solvent arguments": lambda: arguments("solvent.solvent"),
    "rediscovery arguments": lambda: arguments("solvent.rediscovery"),
    "solvent terms": lambda: solvent_terms("solvent"),
    "additive terms": lambda: solvent_terms("additive"),
    "solvent references": lambda: solvent_references("solvent"),
    "additive references": lambda: solvent_references("additive"),
    "solvent slacks": solvent_slacks,
    "solvent edits": solvent_edits,
    "solvent blocks": lambda: blocks("solvent.solvent"),
    "solvent measured": lambda: measured("solvent.solvent"),
}


def main() -> None:
    """Write them."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    main()
