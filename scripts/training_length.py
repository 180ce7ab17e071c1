"""Return against training length at 10 % oversight; writes docs/training_length.md and its picture.

    python scripts/training_length.py [--workers 2] [--runs runs/length]

Naive, routing and filtering at the preset fast with the learning rate held, two seeds, 20 M steps; and shorter runs
with the learning rate annealed or held and less entropy. The script can be stopped at any time, and the same command
continues.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import tyro
from matplotlib.figure import Figure

from oversight_gym.analysis.compare import grouped
from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.reading import read_results
from oversight_gym.analysis.results import Result
from oversight_gym.analysis.style import method_style
from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.evaluation.selection import SELECTIONS, chosen
from oversight_gym.files import write_whole
from oversight_gym.pictures.files import chart_files
from oversight_gym.sweeps.plan import SweepConfig

METHODS = ("naive", "routing", "filtering")
LONG, SHORT = 20_000_000, 4_000_000
AT = (1_000_000, 2_500_000, 5_000_000, 10_000_000, 20_000_000)
"""Steps of the table's columns."""
FIGURES = {"return_stepwise": "stepwise return, mixed", "none/p_ghost": "P(ghost), nobody looks"}


@dataclass(frozen=True)
class LengthConfig:
    """Train the runs and write the page."""

    workers: int = 2
    """Training processes side by side."""
    runs: Path = Path("runs/length")
    """Where run folders are written."""
    out: Path = Path("docs/training_length.md")
    """The page; the picture lies beside it."""


def at(result: Result, step: int, figure: str) -> float:
    """A figure at the evaluation nearest to a step."""
    steps, values = result.curve(figure)
    return values[min(range(len(steps)), key=lambda index: abs(steps[index] - step))]


def draw(groups: dict[str, list[Result]]) -> bytes:
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, 2), FIGURES.items(), strict=True):
        for method, results in groups.items():
            colour = method_style(method)["color"]
            for index, result in enumerate(results):
                steps, values = result.curve(name)
                label = method if not index else None
                axes.plot(
                    [step / 1e6 for step in steps], values, color=colour, label=label, linestyle=("-", "--")[index % 2]
                )
        axes.set(xlabel="million environment steps", title=title)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    return chart_files(figure)["png"]


def by_length(groups: dict[str, list[Result]]) -> str:
    lines = [["method", "figure", *(f"{step / 1e6:g} M" for step in AT)]]
    for method, results in groups.items():
        for figure, title in FIGURES.items():
            cells = (" / ".join(f"{at(result, step, figure):.2f}" for result in results) for step in AT)
            lines.append([f"`{method}`", title, *cells])
    return markdown(lines[0], lines[1:]).rstrip()


def by_selection(groups: dict[str, list[Result]]) -> str:
    lines = [["method", "selection", "step kept", "stepwise return, mixed", "P(ghost), nobody looks", "labels spent"]]
    for method, results in groups.items():
        for select in SELECTIONS:
            kept = [replace(result, select=select) for result in results]
            steps = (f"{result.rows[chosen(result.rows, select)]['step'] / 1e6:.1f} M" for result in kept)
            figures = (" / ".join(f"{result.figure(figure):.2f}" for result in kept) for figure in FIGURES)
            labels = mean(k.labels_used - result.labels_used for k, result in zip(kept, results, strict=True))
            marked = f"`{select}`" + (" (cheating)" if select == "oracle" else "")
            lines.append([f"`{method}`", marked, " / ".join(steps), *figures, f"{labels:,.0f}"])
    return markdown(lines[0], lines[1:]).rstrip()


def by_setting(short: dict[tuple[bool, float], dict[str, list[Result]]]) -> str:
    lines = [["learning rate", "entropy", "method", *(f"{title}, at {SHORT / 1e6:g} M" for title in FIGURES.values())]]
    for (anneal, entropy), groups in short.items():
        for method, results in groups.items():
            cells = (" / ".join(f"{at(result, SHORT, figure):.2f}" for result in results) for figure in FIGURES)
            lines.append(["annealed" if anneal else "held", f"{entropy:g}", f"`{method}`", *cells])
    return markdown(lines[0], lines[1:]).rstrip()


def trained(
    config: LengthConfig, name: str, steps: int, evaluations: int, **changed: object
) -> dict[str, list[Result]]:
    settings = {"total_timesteps": steps, "evaluations": evaluations} | changed
    words = tuple(f"{key}={str(value).lower()}" for key, value in settings.items())
    asked = SweepConfig(
        out=config.runs / name, methods=METHODS, oversight=(0.1,), seeds=2, workers=config.workers, set=words
    )
    if run_sweep(asked):
        sys.exit(1)
    results = read_results(asked.out, select="last").results
    found = {method: results for (method, _), results in grouped(results).items()}
    return {method: found[method] for method in METHODS}


def main() -> None:
    config = tyro.cli(LengthConfig)
    long = trained(config, "held", LONG, 40, anneal=False)
    entropy = long["naive"][0].config.hyper.ent_coef
    low = entropy / 4
    short = {
        (True, entropy): trained(config, "annealed", SHORT, 8),
        (False, entropy): long,
        (True, low): trained(config, "annealed, less entropy", SHORT, 8, ent_coef=low),
        (False, low): trained(config, "held, less entropy", SHORT, 8, anneal=False, ent_coef=low),
    }
    write_whole(config.out.with_suffix(".png"), draw(long))
    pages = {"by_length": by_length(long), "by_selection": by_selection(long), "by_setting": by_setting(short)}
    print("\n\n".join(pages.values()))
    config.out.write_text(PAGE.format(picture=config.out.with_suffix(".png").name, entropy=entropy, **pages))


PAGE = """# Return against training length

At 10 % oversight, preset `fast` (entropy {entropy:g}) with the learning rate held at its first value, so that every
point is what training of that length leaves behind; seeds 0 and 1, routing at the diamond gate.

    python scripts/training_length.py

![Stepwise return and P(ghost) by training length]({picture})

{by_length}

What each selection would have kept of these runs, of 41 checkpoints each:

{by_selection}

Annealing and entropy, at 4 M steps. Held at the preset's entropy is the long runs above, at that step; annealed is to 0
over the 4 M:

{by_setting}

What can be read off, of two seeds and no more:

- **Naive training begins to exploit after about 2.5 M steps**: ghosts that nobody watches go from 0.10 to 0.16 at 5 M,
  0.24 at 10 M and 0.34 at 20 M, and the return from 0.82 to 0.43.
- **Routing does not hold either.** It has its best at 1 M steps and loses it at the same pace, to 0.36 and 0.27: with
  the learning rate held, steered and naive agents unlearn alike. Filtering erodes, too, with fewer ghosts.
- **Selection on observed outcomes is deceived by the naive agent and not by routing.** It keeps the naive agent of 16 M
  steps, at 0.52, which behaves where it is watched, while the best had 0.82. The steered expert does the same watched
  and unwatched, so its best by observed outcomes (0.75, 0.74) is within 0.04 of its best by the truth.
- **Annealing** over 4 M steps keeps 0.04 to 0.08 more for naive training and filtering; for routing it gave one better
  and one worse run. A quarter of the **entropy** changes naive training by 0.02 at most, filtering gains, routing is
  undecided.
"""


if __name__ == "__main__":
    main()
