"""Steering curves: what a policy does as its gate is moved from one expert to the other."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from oversight_gym.envs import RequestError
from oversight_gym.envs.drawing.palette import BLUE, GREEN, GREY, ORANGE
from oversight_gym.envs.errors import check_integer
from oversight_gym.evaluation.figures import Evaluation, ceilings, evaluate
from oversight_gym.agents.policies.steering import Gate, Scaled
from oversight_gym.evaluation.situations import PATTERNS
from oversight_gym.files import write_csv, write_json, write_whole
from oversight_gym.runs.folder import Run


def curve_rows(evaluation: Evaluation) -> list[dict[str, float | str]]:
    """One row per setting and pattern (``mixed`` included): ``setting``, ``pattern`` and the figures."""
    return [
        {"setting": float(name), "pattern": pattern or "mixed", **evaluation.figures(name, pattern)}
        for name in evaluation.names
        for pattern in (None, *PATTERNS)
    ]


def localisation(evaluation: Evaluation) -> dict[str, float]:
    """How far the ends of a steering curve lie apart, and how straight the way between them is.

    Returns:
        ``p_diamond`` and ``p_ghost``: change from the first setting to the last, mixed pattern;
        ``*_monotone``: that change over the sum of all changes between neighbours, 1 if monotone.
    """
    found = {}
    for key in ("p_diamond", "p_ghost"):
        steps = np.diff([evaluation.figures(name)[key] for name in evaluation.names])
        found[key] = float(steps.sum())
        found[f"{key}_monotone"] = float(abs(steps.sum()) / max(np.abs(steps).sum(), 1e-12))
    return found


def _plot(run: Run, evaluation: Evaluation, references: dict[str, Evaluation], label: str) -> bytes:
    """The curve as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    settings = [float(name) for name in evaluation.names]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    mixed, unwatched = (
        [evaluation.figures(name, pattern)["return_start"] for name in evaluation.names] for pattern in (None, "none")
    )
    left.plot(settings, mixed, color=BLUE, linewidth=5, alpha=0.4, label="mixed")  # the two often coincide
    left.plot(settings, unwatched, color=ORANGE, marker="s", markersize=4, label="nobody looks")
    for name in ("optimal", "ideal steered", "nearest terminal"):
        height = references[name].figures(name)["return_start"]
        left.axhline(height, color=GREY, linewidth=0.8, linestyle="--")
        left.annotate(name, (0.0, height), xytext=(2, 3), textcoords="offset points", color=GREY, fontsize=8)
    left.set(xlabel=label, ylabel="return from the start", ylim=(-1.05, 1.05))
    left.legend(loc="lower right", frameon=False)
    for kind, colour, marker in (("diamond", GREEN, "o"), ("ghost", ORANGE, "s"), ("timeout", GREY, "^")):
        right.plot(
            settings,
            [evaluation.figures(name)[f"p_{kind}"] for name in evaluation.names],
            color=colour,
            marker=marker,
            markersize=4,
            label=kind,
        )
    right.set(xlabel=label, ylabel="probability of ending there (mixed)", ylim=(-0.02, 1.02))
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(run.title)
    image = io.BytesIO()
    figure.savefig(image, dpi=150)
    plt.close(figure)
    return image.getvalue()


def _table(evaluation: Evaluation, label: str) -> Table:
    table = Table(title=f"setting: {label}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("setting", "return none", "return mixed", "P(diamond)", "P(ghost)", "P(timeout)"):
        table.add_column(heading, justify="right")
    table.add_column("P(diamond) as a bar", no_wrap=True)
    for name in evaluation.names:
        mixed, none = evaluation.figures(name), evaluation.figures(name, "none")
        values = [none["return_start"], mixed["return_start"], mixed["p_diamond"], mixed["p_ghost"], mixed["p_timeout"]]
        bar = "#" * round(20 * mixed["p_diamond"])
        table.add_row(name, *(f"{value:.3f}" for value in values), bar)
    return table


def steer(run: Run, out: Path, expert_scale: str | None = None, points: int = 21) -> dict[str, Any]:
    """Evaluate a run over a sweep of its gate; write ``steering.csv``, ``.json`` and ``.png``, print a table.

    Args:
        run: a run with a gate.
        out: folder for the files, which are named ``steering`` or ``steering-scale-EXPERT``.
        expert_scale: scale this expert's contribution from 0 to 1, the rest left at its gate value, instead
            of forcing the gate from the last expert (0) to the first (1).
        points: number of settings.

    Returns:
        The content of the JSON file.

    Raises:
        RequestError: if the run has no gate or no such expert, or the folder cannot be written.
    """
    check_integer("points", points, 2)
    experts = run.policy.experts
    if len(experts) != 2:
        raise RequestError(f"{run.folder} has {len(experts)} expert(s); steering sweeps the gate between two.")
    values = np.linspace(0.0, 1.0, points)
    settings: dict[str, Gate] = {f"{value:.4g}": float(value) for value in values}
    label, stem = f"gate (0 {experts[1]}, 1 {experts[0]})", "steering"
    if expert_scale is not None:
        if expert_scale not in experts:
            raise RequestError(f"expert_scale is {expert_scale!r}; choose one of {', '.join(experts)}.")
        settings = {name: Scaled(expert_scale, float(name)) for name in settings}
        label, stem = f"scale of {expert_scale} expert", f"steering-scale-{expert_scale}"
    gamma = run.config.hyper.gamma
    evaluation = evaluate(run.policy, run.config.env, settings, gamma=gamma)
    references = ceilings(run.config.env, gamma=gamma)
    moved = localisation(evaluation)
    rows = curve_rows(evaluation)
    data = {
        "run": str(run.folder),
        "swept": label,
        "uses_ground_truth": run.config.uses_ground_truth,
        "localisation": moved,
        "curve": rows,
        "ceilings": {name: reference.figures(name) for name, reference in references.items()},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_csv(out / f"{stem}.csv", rows)
        write_json(out / f"{stem}.json", data)
        write_whole(out / f"{stem}.png", _plot(run, evaluation, references, label))
    except OSError as error:
        raise RequestError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error
    console = Console(width=100, highlight=False)
    console.print(f"[bold]{run.title}[/bold]")
    console.print(_table(evaluation, label))
    console.print(
        f"Localisation: P(diamond) moves by {moved['p_diamond']:+.3f} (monotone {moved['p_diamond_monotone']:.2f}), "
        f"P(ghost) by {moved['p_ghost']:+.3f} (monotone {moved['p_ghost_monotone']:.2f})."
    )
    console.print(f"Written: {out / stem}.csv, .json, .png", soft_wrap=True)
    return data
