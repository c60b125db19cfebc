"""Several objectives of a cathode at once: how much of the proven hypervolume searches find, and the front drawn.

``python -m voltgym.experiments.benchmark_cathode_pareto [--seeds 10] [--budget 60] [--picture FILE.png]``

Energy, cost and heat against the objective's fixed reference point (``envs/cathode/objective.py``, from NMC111). The
whole grid is priced, so its front and hypervolume are proven on that level; agents are shown as shares of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.agents.base import Silent
from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.oracle import Verdict
from voltgym.agents.pareto import Goals, front, hypervolume, hypervolume_curve
from voltgym.envs.errors import whole_number
from voltgym.envs.plotting import FAINT, INK
from voltgym.experiments import configs
from voltgym.experiments.cathode_optimum import ENV, priced
from voltgym.experiments.progress import Progress, terminal
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.train import build_agent

AGENTS = ("random_designs", "botorch_grid", "botorch_pareto")
FOUND = "#d9483b"


def search(agent: str, seed: int, budget: int, level: str) -> list[Verdict]:
    """What an agent priced, in order."""
    with tempfile.TemporaryDirectory() as name:
        folder, kwargs = Path(name), {"split": "nominal", "property_model": level}
        made = build_agent(configs.compose("train", [f"agent={agent}"])["agent"])
        made.train(ENV, kwargs, budget=budget, seed=seed, out=folder, progress=Silent())
        return [Verdict(**line) for line in read_json_lines(folder / DESIGNS_FILE)]


def picture(
    everything: Sequence[Verdict], found: Sequence[Verdict], goals: Goals, references: Mapping[str, str], title: str
) -> np.ndarray:
    """All designs, the proven front, what a search found of it, and known cathodes, as (h, w, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    figure = Figure(figsize=(8.2, 5.2), dpi=110, facecolor="white", layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    good = [v for v in everything if v.feasible]
    shown = axes.scatter(*_xy(good, goals), c=_last(good, goals), s=9, cmap="cividis", linewidths=0)
    best, mine = front(everything, goals), front(found, goals)
    axes.scatter(*_xy(best, goals), s=120, facecolors="none", edgecolors=INK, linewidths=1.3, label="proven front")
    axes.scatter(*_xy(mine, goals), s=38, color=FOUND, linewidths=0, label="found by the search")
    by_key = {v.key: v for v in everything}
    for k, (name, key) in enumerate(references.items()):
        if key in by_key and by_key[key].values:
            (x,), (y,) = _xy([by_key[key]], goals)
            axes.plot(x, y, marker="D", color=INK, markersize=4.5)
            text = axes.annotate(
                name,
                (x, y),
                xytext=(14.0, (50.0, 26.0, 66.0)[k % 3]),  # staggered: some lie side by side
                textcoords="offset points",
                fontsize=8.5,
                color=INK,
                arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.7},
            )
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    x0, y0 = (sign * value for sign, value in zip(goals.sign[:2], goals.reference[:2], strict=True))
    axes.plot([x0], [y0], marker="x", color=INK, markersize=8, linestyle="none", label="reference point")
    axes.set_xlabel(goals.names[0], color=INK)
    axes.set_ylabel(goals.names[1], color=INK)
    axes.set_title(title, fontsize=11, color=INK)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=FAINT)
    bar = figure.colorbar(shown, ax=axes, pad=0.02)
    bar.set_label(goals.names[2], color=INK)
    bar.outline.set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _xy(found: Sequence[Verdict], goals: Goals) -> tuple[list[float], list[float]]:
    return [v.values[goals.names[0]] for v in found], [v.values[goals.names[1]] for v in found]


def _last(found: Sequence[Verdict], goals: Goals) -> list[float]:
    return [v.values[goals.names[2]] for v in found]


def main(argv: list[str] | None = None) -> int:
    """Run all, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=list(AGENTS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--level", default="surrogate", help="a property_model of the environment")
    parser.add_argument("--picture", type=Path, help="a PNG of the front that the last agent's first seed found")
    args = parser.parse_args(argv)
    seeds, budget = whole_number("--seeds", args.seeds), whole_number("--budget", args.budget)
    problem, designs, everything = priced(args.level)
    goals = Goals.of(problem.objective, True)
    whole = hypervolume(everything, goals)
    signed = zip(goals.names, goals.sign, goals.reference, strict=True)
    print("reference point: " + ", ".join(f"{name} {sign * value:g}" for name, sign, value in signed))
    print(f"{len(designs)} designs on {args.level}: {len(front(everything, goals))} on the front, volume {whole:.4g}")
    at = sorted({k for k in (20, 40, budget) if k <= budget})
    runs: dict[str, list[list[Verdict]]] = {agent: [] for agent in dict.fromkeys(args.agents)}
    with Progress(terminal("fronts of cathodes", False)) as bar:
        for done, (agent, seed) in enumerate([(a, s) for a in runs for s in range(seeds)], 1):
            runs[agent].append(search(agent, seed, budget, args.level))
            bar.update(done, len(runs) * seeds)
    for agent, each in runs.items():
        curves = np.array([padded(hypervolume_curve(found, goals), budget) for found in each]) / whole
        said = ", ".join(f"{np.median(curves[:, k - 1]):.1%} after {k}" for k in at)
        print(
            f"{agent:16s} median share of the proven hypervolume: {said}; worst of {seeds}: {curves[:, -1].min():.1%}"
        )
    if args.picture:
        draw(args.picture, everything, runs, goals, getattr(problem.task, "references", {}))
    return 0


def padded(curve: np.ndarray, budget: int) -> np.ndarray:
    """(budget,) a curve that keeps its last value where a run ended early."""
    return np.pad(curve, (0, budget - len(curve)), mode="edge")


def draw(
    file: Path, everything: Sequence[Verdict], runs: Mapping[str, Any], goals: Goals, references: Mapping[str, str]
) -> None:
    """Write the picture of the last agent's first run."""
    from matplotlib.image import imsave

    agent, found = list(runs)[-1], list(runs.values())[-1][0]
    title = f"{len(everything)} cathodes, and what {agent} found with {len(found)} of them"
    file.parent.mkdir(parents=True, exist_ok=True)
    imsave(file, picture(everything, found, goals, references, title))
    print(file)


if __name__ == "__main__":
    sys.exit(main())
