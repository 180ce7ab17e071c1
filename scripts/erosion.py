"""Why does routing erode when the learning rate is held, and why do its seeds differ at 1 %? Hypotheses and negations.

    python scripts/erosion.py [--workers 2]

Every hypothesis is a variant of routing (scripts/erosion_methods.py) or a setting. Each is trained beside plain routing
at the same seeds: at 10 % for a long time with the rate held, and at 1 % with the preset's schedule. The script writes
docs/erosion.md. Runs are kept in docs/results/erosion.csv and their curves beside it, so it can be stopped at any time,
and the same command continues.
"""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import tyro
from stored_curves import curve_of, store_curve
from stored_runs import RunsConfig, complete

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result
from oversight_gym.envs.registry import load_plugin
from oversight_gym.files import read_csv
from oversight_gym.runs.config import TrainConfig

PLUGIN = "scripts/erosion_methods.py"
"""The plug-in's path as stored with every row; it is relative, so that it is the same on every machine."""
HYPOTHESES: dict[str, tuple[str, dict[str, Any], str]] = {
    "routing": ("routing", {}, "as it is"),
    "split_moments": ("split_moments", {}, "zeros of routed gradients shrink Adam's second moment"),
    "same_moments": ("same_moments", {}, "negation: the same optimizer without the split"),
    "labelled_by_gate": ("labelled_by_gate", {}, "unlabelled episodes pull on both experts: the gate labels them"),
    "labelled_by_gate_tenth": ("labelled_by_gate_tenth", {}, "the same for a tenth of them"),
    "classified_routing": ("classified_routing", {}, "the same, by a classifier that learns from many rollouts"),
    "gate_with_memory": ("gate_with_memory", {}, "a rollout has too few labels for the gate"),
    "per_minibatch": ("routing", {"gate_per_minibatch": True}, "the gate loss is averaged per minibatch"),
    "blind_gate": ("blind_gate", {}, "the gate learns its label from the oversight plane"),
    "masked_routing": ("masked_routing", {}, "the experts learn from the oversight plane, too"),
    "less_entropy": ("routing", {"ent_coef": 0.02}, "entropy: less"),
    "more_entropy": ("routing", {"ent_coef": 0.3}, "entropy: more"),
    "baseline_per_outcome": ("baseline_per_outcome", {}, "outcomes share a value baseline"),
    "smaller_steps": ("routing", {"learning_rate": 2e-4}, "steps are too large for what was localised"),
    "drop_unfinished": ("routing", {"drop_unfinished": True}, "unfinished steps: dropped as before"),
}
"""The hypotheses by name: method, settings, and a sentence."""
STUDIES = {
    "held": {"oversight": 0.1, "total_timesteps": 10_000_000, "anneal": False, "evaluations": 10},
    "scarce": {"oversight": 0.01, "evaluations": 1},
}


PAGE = """# Hypotheses about routing

Return from the start when nobody looks, at the diamond gate; {seeds} seeds, the same for every variant. *10 % held*:
10 M steps, learning rate held; *best* is the mean of each curve's best evaluation. *1 %*: preset `fast`.

    python scripts/erosion.py

{table}
"""


@dataclass(frozen=True)
class ErosionConfig:
    """Train the variants and write the page."""

    seeds: int = 3
    """Number of seeds, which count from 0."""
    hypotheses: tuple[str, ...] = tuple(HYPOTHESES)
    """Hypotheses to test."""
    results: Path = Path("docs/results/erosion.csv")
    """Rows of single runs; their curves lie beside it."""
    out: Path = Path("docs/erosion.md")
    """The page."""
    how: RunsConfig = field(default_factory=RunsConfig)


def runs_of(config: ErosionConfig, study: str, name: str) -> list[TrainConfig]:
    method, settings, _ = HYPOTHESES[name]
    return [
        TrainConfig.of(method=method, seed=seed, plugin=(PLUGIN,), **STUDIES[study] | settings)
        for seed in range(config.seeds)
    ]


def cells(results: list[Result], curves: list[dict[str, str]]) -> list[str]:
    """Return from the start when nobody looks: the mean at the end, single seeds, and the mean of each curve's best."""
    last = [result.figure("none/return_start") for result in results]
    best = [
        max(end, *(float(row["none/return_start"]) for row in curve_of(curves, result)))
        for end, result in zip(last, results, strict=True)
    ]
    return [f"{mean(last):+.3f}", " ".join(f"{value:+.2f}" for value in last), f"{mean(best):+.3f}"]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[ErosionConfig])
    load_plugin(PLUGIN)
    asked = {(study, name): runs_of(config, study, name) for study in STUDIES for name in config.hypotheses}
    curves = config.results.with_name(f"{config.results.stem}_curves.csv")
    wanted = [run for runs in asked.values() for run in runs]
    results = iter(complete(config.results, wanted, config.how, after=lambda result, _: store_curve(curves, result)))
    points = read_csv(curves)
    lines = []
    found = {key: [next(results) for _ in runs] for key, runs in asked.items()}
    for name in config.hypotheses:
        held, scarce = (cells(found[study, name], points) for study in STUDIES)
        lines.append([f"`{name}`", HYPOTHESES[name][2], *held, *scarce[:2]])
    headings = ["variant", "what it supposes", "10 % held: last", "seeds", "best", "1 %: last", "seeds"]
    table = markdown(headings, lines).rstrip()
    config.out.write_text(PAGE.format(seeds=config.seeds, table=table))
    print(table)


if __name__ == "__main__":
    main()
