"""Checks of a surrogate: it predicts a row at a time, says how sure it is, and is the same from the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.checker_tools import Absent, Check, Mend, difference, expect, no_pickles
from voltgym.surrogates.base import Failure, Prediction

FIELDS = Prediction._fields


class Learned:
    """A surrogate under test, and the designs that it is asked for.

    Args:
        surrogate: fitted already, unless there are ``values``.
        designs: (n, ...) valid ones, three at least, no two alike.
        values: (n, m) to fit it with first; None leaves it as it is.
        wrong: something that is no design; None for a row of NaN, where designs are rows of numbers.
    """

    def __init__(self, surrogate: Any, designs: Any, values: np.ndarray | None = None, wrong: Any = None) -> None:
        self.given, self.designs, self.values, self.wrong = surrogate, designs, values, wrong
        if len(designs) < 3:
            raise ValueError(f"{len(designs)} designs; expected three or more to check a surrogate with")
        numbers = isinstance(designs, np.ndarray) and np.issubdtype(designs.dtype, np.floating)
        if wrong is None and numbers:
            self.wrong = np.full_like(designs[0], np.nan)

    def fit(self) -> Any:
        """A copy of what was given, fitted."""
        return deepcopy(self.given).fit(deepcopy(self.designs), deepcopy(self.values))

    @cached_property
    def model(self) -> Any:
        """The surrogate, fitted."""
        return self.given if self.values is None else self.fit()

    @cached_property
    def answer(self) -> Prediction:
        """What it says of all designs at once."""
        return self.model.predict(self.designs)

    def pick(self, rows: Sequence[int]) -> Any:
        """Some of the designs, in the kind of container that they came in."""
        return (
            self.designs[np.asarray(rows, dtype=int)]
            if isinstance(self.designs, np.ndarray)
            else [self.designs[i] for i in rows]
        )


def is_surrogate(subject: Learned) -> str:
    """``names``, and the methods ``fit``, ``predict``, ``save`` and ``load``."""
    lacks = [name for name in ("fit", "predict", "save", "load") if not callable(getattr(subject.given, name, None))]
    expect(not lacks, f"{type(subject.given).__name__} lacks {', '.join(lacks)}; see surrogates/base.py")
    names: Any = getattr(subject.given, "names", None)
    fine = isinstance(names, tuple) and names and all(isinstance(name, str) and name for name in names)
    expect(fine and len(set(names)) == len(names), f"names is {names!r}; expected a tuple of different texts")
    return f"fit, predict, save and load; {', '.join(names)}"


def fits(subject: Learned) -> str:
    """``fit`` gives a surrogate, the same for the same data, that does better than the mean on what it learned."""
    if subject.values is None:
        raise Absent("no values were given: it was taken as it is")
    expect(
        hasattr(subject.model, "predict"), f"fit gave {type(subject.model).__name__}; expected to return the surrogate"
    )
    text = _differ(subject.answer, subject.fit().predict(subject.designs))
    expect(not text, f"the same data gave another surrogate: {text}; draw randomness from a seed of its own")
    values = np.asarray(subject.values, dtype=float).reshape(len(subject.designs), -1)
    errors = np.nanmean(np.abs(subject.answer.mean - values), axis=0)
    plain = np.nanmean(np.abs(np.nanmean(values, axis=0) - values), axis=0)
    bad = [n for n, error, most in zip(subject.model.names, errors, plain, strict=True) if error >= most > 0]
    expect(not bad, f"{', '.join(bad)}: the mean of the values is nearer to them than what was learned; look at fit")
    return "the same data gives the same surrogate, better than the mean"


def prediction_is_whole(subject: Learned) -> str:
    """Shapes, types, finite means, a spread > 0, failures of ``Failure``."""
    n, m = len(subject.designs), len(subject.model.names)
    shapes = {"mean": (n, m), "std": (n, m), "domain": (n,), "failure": (n,)}
    for name, shape in shapes.items():
        found: Any = getattr(subject.answer, name, None)
        expect(np.shape(found) == shape, f"predict gave {name} of shape {np.shape(found)}; expected {shape}")
    mean, std, domain, failure = (np.asarray(getattr(subject.answer, name)) for name in FIELDS)
    known = {int(kind) for kind in Failure}
    expect(set(np.unique(failure).tolist()) <= known, f"failures are {np.unique(failure)}; expected some of {known}")
    good = failure == 0
    expect(good.any(), "every design failed; give designs that it can predict, or mend predict")
    expect(np.isfinite(mean[good]).all(), "a mean is not finite and its row has no failure; mark it NONFINITE")
    expect((std[good] > 0).all(), f"a spread is {np.nanmin(std[good]):g}; expected one standard deviation, > 0")
    expect(np.isfinite(domain).all(), "domain is not finite; expected how far inside it is, below 0 outside")
    return f"({n}, {m}) means and spreads; {int((domain >= 0).sum())} of {n} within the domain"


def company_is_nothing(subject: Learned) -> str:
    """A design's numbers do not depend on the others, nor on their order."""
    order = np.random.default_rng(0).permutation(len(subject.designs)).tolist()
    for rows in (order, *([i] for i in range(min(3, len(order))))):
        text = _differ(_rows(subject.answer, rows), subject.model.predict(subject.pick(rows)))
        expect(
            not text,
            f"a batch of {len(rows)} gave other numbers than all together: {text}; expected the same bits (a matrix "
            "product rounds by the size of its batch: predict in blocks of one size, or sum row by row)",
        )
    return "alone, together and in another order the same bits"


def inputs_are_kept(subject: Learned) -> str:
    """Predicting changes neither the designs nor the surrogate."""
    kept = deepcopy(subject.designs)
    text = _differ(subject.answer, subject.model.predict(subject.designs))
    expect(not text, f"asked twice, it answers differently: {text}; predict must learn and draw nothing")
    text = difference(np.asarray(kept), np.asarray(subject.designs))
    expect(not text, f"predict changed the designs: {text}; copy what you change")
    return "designs are left as they were; asking twice gives the same bits"


def none_is_no_mistake(subject: Learned) -> str:
    """No designs are a batch, too."""
    found = subject.model.predict(subject.pick([]))
    expect(np.shape(found.mean) == (0, len(subject.model.names)), f"no designs gave means of {np.shape(found.mean)}")
    return "no designs give no rows"


def wrong_fails_alone(subject: Learned) -> str:
    """What is no design fails its own row, as data; its neighbours stay what they are."""
    if subject.wrong is None:
        raise Absent("nothing wrong was given: pass wrong=, something that is no design")
    two = subject.pick([0, 1])
    numbers = isinstance(two, np.ndarray)
    mixed = np.stack([two[0], subject.wrong, two[1]]) if numbers else [two[0], subject.wrong, two[1]]
    found = subject.model.predict(mixed)
    expect(found.failure[1] != 0, f"{subject.wrong!r} did not fail; expected a Failure, such as DOMAIN, for its row")
    expect(found.domain[1] < 0, f"{subject.wrong!r} is within the domain ({found.domain[1]:g}); expected below 0")
    text = _differ(_rows(subject.answer, [0, 1]), _rows(found, [0, 2]))
    expect(not text, f"beside what is no design others are predicted differently: {text}")
    return "what is no design fails alone"


def same_from_the_disk(subject: Learned) -> str:
    """``save`` and ``load`` give the same surrogate, without pickle."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "surrogate"
        subject.model.save(path)
        no_pickles(path)
        again = type(subject.model).load(path)
    text = _differ(subject.answer, again.predict(subject.designs))
    expect(not text, f"from the disk it predicts differently: {text}; keep everything that predict uses")
    return "the same from the disk, to the last bit, and no pickle"


def missing_is_said(subject: Learned) -> str:
    """Loading from where nothing is raises a one-line ``ValueError``, as `WeightsError` and `VoltGymError` are."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            type(subject.model).load(Path(folder) / "nothing")
        except ValueError as error:
            expect("\n" not in str(error), f"the error has several lines: {error!r}; say in one what is missing")
            return f"said in a line: {error}".replace(folder, "...")
        except Exception as error:
            said = "with voltgym.surrogates.files.WeightsError, say which file is missing and how to make it"
            raise Mend(f"load of a missing file raised {type(error).__name__}; {said}") from None
    raise Mend("load of a missing file raised nothing; expected an error that says so")


def _rows(found: Prediction, rows: Sequence[int]) -> Prediction:
    return Prediction(*(np.asarray(getattr(found, name))[list(rows)] for name in FIELDS))


def _differ(one: Any, other: Any) -> str:
    a, b = ({name: np.asarray(getattr(x, name)) for name in FIELDS} for x in (one, other))
    return difference(a, b)


CHECKS: dict[str, Check] = {
    "is a surrogate": is_surrogate,
    "fit": fits,
    "prediction": prediction_is_whole,
    "rows are independent": company_is_nothing,
    "inputs are left alone": inputs_are_kept,
    "no designs": none_is_no_mistake,
    "no design": wrong_fails_alone,
    "kept on the disk": same_from_the_disk,
}
OPTIONAL: dict[str, Check] = {"missing files": missing_is_said}
