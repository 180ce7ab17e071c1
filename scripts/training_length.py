"""Return against training length at 10 % oversight, the learning rate held; writes docs/training_length.md.

    python scripts/training_length.py [--workers 2] [--dry-run]

Three seeds of each method for 30 M steps at the preset fast, judged at twelve steps: what it returns, what the
supervisor sees of it, and, where it has a gate, what the gate returns that the supervisor chooses there. Rows are kept
in docs/results/length.csv and length_curves.csv: stop it when you like, the same command goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from marked import fill
from matplotlib.figure import Figure
from stored_curves import curve_of, store_curve
from stored_runs import CHOICE, CHOSEN, LABELS, RunsConfig, chosen_gate, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result, provenance
from oversight_gym.analysis.style import method_style
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.selection import Row
from oversight_gym.evaluation.validation import overseen_score
from oversight_gym.files import read_csv, write_whole
from oversight_gym.pictures.files import chart_files
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run, kept_weights

METHODS = ("routing", "masked_oversight", "naive", "filtering")
SETTINGS = {"total_timesteps": 30_000_000, "anneal": False, "evaluations": 12, "keep_weights": True}
AT = (2_500_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000)
"""Steps of the table's columns."""
RETURN, GHOST, SCORE = "none/return_start", "none/p_ghost", "overseen"
CONTRASTED = f"{CHOSEN}/"
"""Before the figures at the gate that the supervisor chooses."""

Curve = Sequence[dict[str, str]]


@dataclass(frozen=True)
class LengthConfig:
    """Train the runs and write the page."""

    oversight: float = 0.1
    """Oversight probability."""
    seeds: int = 3
    """Seeds 0 to this minus one."""
    results: Path = Path("docs/results/length.csv")
    """Rows of single runs; their curves lie beside it."""
    out: Path = Path("docs/training_length.md")
    """The page; the picture lies beside it."""
    how: RunsConfig = field(default_factory=RunsConfig)

    @property
    def curves(self) -> Path:
        """The file of curves."""
        return self.results.with_name(f"{self.results.stem}_curves.csv")


def judged(run: Run) -> dict[int, Row]:
    """By step: the supervisor's score and, where there is a gate to choose, what the chosen one does."""
    config, gamma, found = run.config, run.config.hyper.gamma, {}
    for step, policy in kept_weights(run):
        if len(config.experts) == 1:
            rng = np.random.default_rng([config.seed, CHOICE, step])
            found[step] = {SCORE: overseen_score(policy, config.env, config.gate, gamma, LABELS, rng).value}
            continue
        choice = chosen_gate(config, policy, step)
        figures = evaluate(policy, config.env, (choice.gate,), gamma=gamma, regret=False).figures(choice.gate, "none")
        own = {f"{CONTRASTED}{name}": figures[name.removeprefix("none/")] for name in (RETURN, GHOST)}
        scores = {SCORE: choice.scores[config.gate].value, f"{CONTRASTED}{SCORE}": choice.scores[choice.gate].value}
        found[step] = scores | own
    return found


Lines = dict[str, tuple[str, str, list[Curve]]]
"""By name: method, what stands before the figures, and the curve of each seed."""


def lines_of(config: LengthConfig, results: Sequence[Result]) -> Lines:
    """What the tables compare: every method, and each that has a gate also as contrasted."""
    rows, found = read_csv(config.curves), {}
    for method in METHODS:
        own = [curve_of(rows, result) for result in results if result.config.method == method]
        if own:
            found[method] = method, "", own
            if own[0][0].get(CONTRASTED + RETURN):
                found[f"{method}, contrasted"] = method, CONTRASTED, own
    return found


def values(curve: Curve, name: str) -> list[float]:
    """A figure of one run at every judged step."""
    return [float(row[name]) for row in curve]


def at(curve: Curve, step: int, name: str) -> float:
    """A figure at the judged step that is nearest."""
    return float(min(curve, key=lambda row: abs(int(row["step"]) - step))[name])


def seeds_of(numbers: Sequence[float], form: str = ".2f") -> str:
    """One number for each seed."""
    return " / ".join(format(number, form) for number in numbers)


def by_length(lines: Lines) -> str:
    """Every line's figures at ``AT``."""
    rows = []
    for name, (_, before, curves) in lines.items():
        for figure, title in ((RETURN, "return"), (GHOST, "P(ghost)")):
            cells = (seeds_of([at(curve, step, before + figure) for curve in curves]) for step in AT)
            rows.append([name, title, *cells])
    return markdown(("method", "nobody looks", *(f"{step / 1e6:g} M" for step in AT)), rows).rstrip()


def by_selection(lines: Lines) -> str:
    """What the last checkpoint returns, the one that the supervisor would keep, and the best by the truth."""
    rows = []
    for name, (_, before, curves) in lines.items():
        truth = [values(curve, before + RETURN) for curve in curves]
        scores = [values(curve, before + SCORE) for curve in curves]
        picks = [int(np.argmax(own)) for own in scores]
        kept = [own[pick] for own, pick in zip(truth, picks, strict=True)]
        steps = [int(curve[pick]["step"]) / 1e6 for curve, pick in zip(curves, picks, strict=True)]
        best, last = [max(own) for own in truth], [own[-1] for own in truth]
        lost = [one - other for one, other in zip(best, last, strict=True)]
        rows.append([name, *map(seeds_of, (last, best, lost, kept)), seeds_of(steps, ".1f")])
    headings = (
        "method",
        "last",
        "best by the truth",
        "best less last",
        "kept by the supervisor",
        "of step, in millions",
    )
    return markdown(headings, rows).rstrip()


def draw(lines: Lines) -> bytes:
    """Return and P(ghost) by step, a thin line for each seed and a thick one for their mean."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (name, title) in zip(panels, ((RETURN, "return from the start"), (GHOST, "P(ghost)")), strict=True):
        for label, (method, before, curves) in lines.items():
            look: dict[str, Any] = {"color": method_style(method)["color"], "linestyle": "--" if before else "-"}
            steps = [int(row["step"]) / 1e6 for row in curves[0]]
            found = [values(curve, before + name) for curve in curves]
            for own in found:
                axes.plot(steps, own, linewidth=0.6, alpha=0.4, **look)
            axes.plot(steps, np.mean(found, axis=0), linewidth=2, label=label, **look)
        axes.set(xlabel="million environment steps", title=f"{title}, nobody looks")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    if lines:
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(lines), frameon=False
        )
    return chart_files(figure)["png"]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[LengthConfig])
    wanted = [
        TrainConfig.of(method=method, oversight=config.oversight, seed=seed, **SETTINGS)
        for seed in range(config.seeds)
        for method in METHODS
    ]
    results = complete(
        config.results,
        wanted,
        config.how,
        contrasts=False,
        after=lambda result, run: store_curve(config.curves, result, judged(run)),
    )
    lines = lines_of(config, results)
    write_whole(config.out.with_suffix(".png"), draw(lines))
    pages = {
        "provenance": provenance(results) if results else "",
        "by_length": by_length(lines),
        "by_selection": by_selection(lines),
    }
    fill(config.out, pages)
    print("\n\n".join(pages.values()))


if __name__ == "__main__":
    main()
