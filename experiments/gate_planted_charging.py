"""Charging recommendations with a known verdict: tuned on a cell that is not there, or with margins on the real one.

Bad ones come from perturbed physics: the same tuner, on a twin that believes something false. Good ones are tuned on
the twin as it is, with margins, and meet a criterion that does not ask the gate (``gate_planted_tuner.sure``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from voltgym.agents.base import Policy
from voltgym.agents.policies import DesignPolicy
from voltgym.envs.charging.objective import ANODE, TEMPERATURE, VOLTAGE
from voltgym.envs.charging.references import Greedy, ObserverGreedy
from voltgym.experiments.files import write_text
from voltgym.experiments.gate_planted import Planted
from voltgym.experiments.gate_planted_tuner import PROTOCOL, tuned
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.manifest import config_hash

FAST = "VoltGym/FastCharge-v0"


def of_rates(rates: Sequence[float], split: str, **kwargs: Any) -> Subject:
    """A protocol for a use."""
    text = ",".join(f"{rate:g}" for rate in rates)
    env = {"fidelity": "SPMe", "split": split, **kwargs}
    return Subject(text, "a planted protocol", PROTOCOL, env, policy=DesignPolicy(None, rates), design=text)


def of_tuning(
    folder: Path,
    use: str,
    split: str,
    cell: str = "LGM50",
    wrong: Mapping[str, Any] | None = None,
    most: float = 3.0,
    **believed: Any,
) -> Subject:
    """A protocol tuned on ``split`` and meant for ``use``; ``wrong`` scales parameters of the cell that is tuned on."""
    kwargs: dict[str, Any] = {} if most == 3.0 else {"max_c_rate": most}
    tuned_on = cell if wrong is None else _wrong_cell(folder, cell, wrong)
    return of_rates(tuned(split, cell=tuned_on, **believed, **kwargs), use, cell=cell, **kwargs)


def _wrong_cell(folder: Path, cell: str, scale: Mapping[str, Any]) -> str:
    """A cell file that has ``scale`` times the parameters of ``cell``, one of voltgym's own."""
    import yaml

    from voltgym.envs.charging.cell_files import DATA

    about = yaml.safe_load((DATA / f"{cell}.yaml").read_text(encoding="utf-8"))
    file = folder / "wrong_cell.yaml"
    write_text(file, yaml.safe_dump({**about, "name": "wrong", "scale": dict(scale)}))
    return str(file)


def of_constant(folder: Path, rates: Sequence[float], use: str) -> Subject:
    """A protocol that is given."""
    return of_rates(rates, use, cell="LGM50")


def of_policy(folder: Path, policy: Policy, label: str, split: str = "train") -> Subject:
    """A controller for a use, the field unless said."""
    env = {"cell": "LGM50", "fidelity": "SPMe", "observation": "bms", "split": split}
    content = config_hash(getattr(policy, "arguments", {}))
    return Subject(label, "a planted controller", FAST, env, policy=policy, content=content)


EXCHANGE, COOLING = "Negative exchange-current factor", "Cooling factor"
FIELD: dict[str, Any] = {"use": "train", "split": "validation"}
NOMINAL: dict[str, Any] = {"use": "nominal", "split": "nominal"}


def _bad(name: str, how: str, make: Any, *expects: str) -> Planted:
    return Planted(name, "charging", False, how, make, expects)


BAD = (
    _bad(
        "plates_when_cold",
        "tuned for the field on a twin whose negative exchange current is twice too high",
        partial(of_tuning, believed={EXCHANGE: 2.0}, **FIELD),
        "Anode",
    ),
    _bad(
        "too_hot_in_summer",
        "tuned for 35 to 40 C on a twin that is cooled four times too well",
        partial(of_tuning, believed={COOLING: 4.0}, use="hot", split="hot"),
        "Temperature",
    ),
    _bad(
        "voltage_too_high",
        "tuned for the field with an upper voltage that is 100 mV too high",
        partial(of_tuning, voltage=0.1, **FIELD),
        "Voltage",
    ),
    _bad(
        "electrolyte_believed_better",
        "tuned for the nominal cell on one whose electrolyte conducts twice as well (half its resistance)",
        partial(of_tuning, wrong={"Electrolyte conductivity [S.m-1]": 2.0}, **NOMINAL),
        "Anode",
        "Voltage",
    ),
    _bad(
        "nominal_in_the_field",
        "tuned for the nominal cell at 25 C, declared for the field: it ignores what it sees",
        partial(of_tuning, use="train", split="nominal"),
        "Anode",
        "Voltage",
        "Temperature",
    ),
    _bad(
        "too_slow",
        "0.3C throughout: it is worth nothing, and too late where it starts low",
        partial(of_constant, rates=(0.3,) * 5, use="train"),
        "Expected value",
        "Time to target",
        "Goal",
    ),
    _bad(
        "looks_into_the_cell",
        "full-information greedy: it asks the twin itself, which no vehicle has",
        partial(of_policy, policy=Greedy(), label="greedy"),
        "Information",
    ),
    _bad(
        "observer_without_margins",
        "greedy on a nominal model that trusts it to the last millivolt",
        partial(of_policy, policy=ObserverGreedy(), label="observer without margins"),
        "Anode",
        "Temperature",
        "Voltage",
    ),
)


def _observer(voltage: float, temperature: float, anode: float, split: str) -> Any:
    margins = {VOLTAGE: voltage, TEMPERATURE: temperature, ANODE: anode}
    label = f"observer with {1e3 * anode:g} mV"
    return partial(of_policy, policy=ObserverGreedy(margins=margins), label=label, split=split)


def _with_margins(name: str, how: str, margins: tuple[float, float, float], **more: Any) -> Planted:
    said = f"{1e3 * margins[0]:g} mV, {margins[1]:g} K and {1e3 * margins[2]:g} mV"
    return Planted(name, "charging", True, f"tuned for {how} with margins of {said}",
                   partial(of_tuning, margins=margins, **NOMINAL, **more))  # fmt: skip


GOOD = (
    _with_margins("nominal_margin_15", "the nominal LGM50", (0.015, 1.5, 0.015)),
    _with_margins("nominal_margin_20", "the nominal LGM50", (0.02, 2.0, 0.02)),
    _with_margins("nominal_margin_30", "the nominal LGM50", (0.03, 3.0, 0.03)),
    _with_margins("chen_margin_20", "the nominal Chen2020", (0.02, 2.0, 0.02), cell="Chen2020"),
    _with_margins("mohtat_margin_20", "the nominal Mohtat2020", (0.02, 2.0, 0.02), cell="Mohtat2020", most=6.0),
    Planted(
        "constant_0.6C",
        "charging",
        True,
        "0.6C for the nominal cell, below the 0.7C that its maker allows (from memory)",
        partial(of_constant, rates=(0.6,) * 5, use="nominal"),
    ),
    Planted(
        "observer_in_the_field",
        "charging",
        True,
        "observer-greedy for the field, its margins tried until it met the criterion",
        _observer(0.005, 0.65, 0.036, "train"),
    ),
    Planted(
        "observer_on_the_bench",
        "charging",
        True,
        "observer-greedy for the nominal cell, with margins of 10 mV, 1 K and 30 mV",
        _observer(0.01, 1.0, 0.030, "nominal"),
    ),
)
