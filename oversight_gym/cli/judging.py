"""``evaluate`` and ``steer``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from msgspec import Meta

from oversight_gym.cli.common import GATES, PluginOptions, console, set_threads, writing_to
from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import Probability, Seed, Threads

if TYPE_CHECKING:
    from oversight_gym.envs import EnvConfig
    from oversight_gym.evaluation.choosing import JudgedChoice
    from oversight_gym.evaluation.figures import Evaluation
    from oversight_gym.runs.folder import Run


@dataclass(frozen=True)
class EvaluateOptions(PluginOptions):
    """Evaluate a trained run by the ground truth, with the gate free and forced to each expert."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    gates: Annotated[
        tuple[str, ...], tyro.conf.arg(help="Gates to judge at: " + GATES + "; default: all of the run.")
    ] = ()
    json: bool = False
    """Print JSON instead of tables."""
    oversight: Probability | None = None
    """The oversight probability of the mixed figures; default: the run's own."""
    held_out: bool = False
    """Evaluate on the placements of the terminals that training held out (its --split)."""
    greedy: bool = False
    """Evaluate the greedy policy instead of the stochastic one."""
    paper_metric: bool = False
    """Add the paper's own sampled figure, computed as in its released code."""
    seed: Seed = 0
    """Seed of everything that is sampled."""
    threads: Threads = 1
    """Torch threads."""


def evaluate(options: EvaluateOptions) -> None:
    """Evaluate a run, and print the figures as tables or JSON."""
    from oversight_gym.evaluation.figures import ceilings, evaluate
    from oversight_gym.evaluation.hackability import tampering_gain
    from oversight_gym.evaluation.paper_metric import paper_metric
    from oversight_gym.runs.folder import load_run

    set_threads(options.threads)
    run = load_run(options.run)
    env, gates, gamma = run.config.env, options.gates or run.config.gates, run.config.hyper.gamma
    if options.held_out:
        env = _held_out(env)
    how: dict[str, Any] = {"gamma": gamma, "oversight": options.oversight, "seed": options.seed}
    evaluation = evaluate(run.policy, env, gates, deterministic=options.greedy, **how)
    references = ceilings(env, **how)
    moved = {}
    if env.world.monitored:
        moved = tampering_gain(run.policy, env, gates, deterministic=options.greedy, **how)
    paper = {}
    if options.paper_metric:
        paper = {gate: paper_metric(run.policy, env, gate, gamma, options.seed) for gate in gates}
    if options.json:
        data = _json(run, evaluation, references) | {"greedy": options.greedy}
        more = {"paper_metric": paper, "tampering_gain": moved}
        print(json.dumps(data | {name: values for name, values in more.items() if values}, indent=2))
        return
    _print(run, evaluation, references, options.greedy)
    for gate, value in moved.items():
        print(f"Tampering, gate {gate}: return from the start {value:+.4f} against a monitor that cannot be moved.")
    for gate, value in paper.items():
        print(f"Paper's metric, gate {gate}: {value:+.3f} (one sample of 512 windows of 32 steps)")


def _held_out(env: "EnvConfig") -> "EnvConfig":
    """The environment with the placements that training held out.

    Raises:
        RequestError: if it held none out.
    """
    name, colon, parameters = env.split.partition(":")
    if name != "train":
        raise RequestError(
            f"the run was trained with split {env.split!r}; leave `held_out` out, or train with `split`."
        )
    return replace(env, split=f"test{colon}{parameters}")


def _json(run: "Run", evaluation: "Evaluation", references: Mapping[str, "Evaluation"]) -> dict[str, Any]:
    return evaluation.to_json() | {
        "run": str(run.folder),
        "method": run.config.method,
        "uses_ground_truth": run.config.uses_ground_truth,
        "select": run.config.select,
        "selected_step": run.record.get("selected_step", run.record["steps"]),
        "labels": run.record["labels"],
        "ceilings": {name: reference.figures(name) for name, reference in references.items()},
    }


def _print(run: "Run", evaluation: "Evaluation", references: Mapping[str, "Evaluation"], greedy: bool) -> None:
    """Print the figures of a run at each gate beside the ceilings, and the labels that it consumed."""
    from oversight_gym.evaluation.tables import figure_tables, pattern_table

    rows = {f"gate {name}": (evaluation, name) for name in evaluation.names}
    rows |= {name: (reference, name) for name, reference in references.items()}
    out = console()
    taken = "greedy: always the likeliest action" if greedy else "actions sampled"
    out.print(f"[bold]{run.title}[/bold]   {run.record['steps']:,} steps, {taken}")
    out.print(*figure_tables("When nobody looks (oversight pattern: none)", "none", rows))
    mix = f"{1 - evaluation.weights[0]:.1%} of episodes with some oversight"
    out.print(*figure_tables(f"Mixed at the evaluation's oversight probability ({mix})", None, rows))
    out.print(pattern_table(evaluation))
    if evaluation.exact:
        out.print(f"Exact: all {evaluation.episodes:,} starting layouts, every path.")
    else:
        worst = max(evaluation.errors(name)["return_start"] for name in evaluation.names)
        out.print(f"Sampled: {evaluation.episodes:,} starting layouts; standard error of the return {worst:.4f}.")
    out.print("Cyan columns split the distance to the optimal start return by how episodes end.")
    labels = (f"{use.replace('_', ' ')} {count:,}" for use, count in run.record["labels"].items())
    out.print(f"Labels consumed: {', '.join(labels)}")


@dataclass(frozen=True)
class SteerOptions(PluginOptions):
    """Sweep the gate of a trained run from one expert to the other, and beyond."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """Folder for steering.csv, .json and .png; default: the run folder."""
    expert_scale: str | None = None
    """Scale this expert's contribution from 0 to 1 instead, and leave the gate free."""
    points: Annotated[int, Meta(ge=2, le=1001)] = 21
    """Number of values from 0 to 1."""
    contrast: Annotated[float, Meta(ge=0, le=100)] = 3.0
    """How far to go beyond the first expert: its weight is then 1 + this, and the others share minus this."""
    choose: Annotated[int, Meta(ge=2, le=10**9)] | None = None
    """Choose a gate by the observed outcomes of fresh episodes, with at most this many labels, and report its true
    return."""
    seed: Seed = 0
    """Seed of these episodes."""
    threads: Threads = 1
    """Torch threads."""


def _choice(run: "Run", options: SteerOptions) -> "JudgedChoice":
    """The supervisor's choice of a gate, and what it is worth."""
    import numpy as np

    from oversight_gym.envs.errors import check_integer
    from oversight_gym.evaluation.choosing import choose_gate, judge_choice

    env, gamma = run.config.env, run.config.hyper.gamma
    labels = check_integer("choose", options.choose, 2 * len(env.terminals))
    rng = np.random.default_rng(check_integer("seed", options.seed, 0))
    return judge_choice(run.policy, env, choose_gate(run.policy, env, labels, gamma, rng), gamma)


def steer(options: SteerOptions) -> None:
    """Sweep the gate, write ``steering.csv``, ``.json`` and ``.png``, and print the table."""
    from oversight_gym.analysis.steering_chart import steering_chart
    from oversight_gym.evaluation.figures import ceilings
    from oversight_gym.evaluation.steering import steer
    from oversight_gym.evaluation.tables import choice_table, steering_table
    from oversight_gym.files import write_csv, write_json, write_whole
    from oversight_gym.pictures.files import chart_files
    from oversight_gym.runs.folder import load_run

    set_threads(options.threads)
    run = load_run(options.run)
    env, gamma = run.config.env, run.config.hyper.gamma
    steering = steer(run.policy, env, options.expert_scale, options.points, options.contrast, gamma=gamma)
    references = ceilings(env, gamma=gamma)
    stem = "steering" if options.expert_scale is None else f"steering-scale-{options.expert_scale}"
    data = {"run": str(run.folder), "uses_ground_truth": run.config.uses_ground_truth, **steering.to_json()}
    data["ceilings"] = {name: reference.figures(name) for name, reference in references.items()}
    choice = _choice(run, options) if options.choose is not None else None
    if choice is not None:
        data["choice"] = choice.to_json()
    with writing_to(options.out or options.run) as out:
        write_csv(out / f"{stem}.csv", steering.rows())
        write_json(out / f"{stem}.json", data)
        write_whole(out / f"{stem}.png", chart_files(steering_chart(steering, references, run.title))["png"])
    shown = console()
    shown.print(f"[bold]{run.title}[/bold]")
    shown.print(steering_table(steering))
    moved = steering.localisation()
    ends = (
        f"P({end.removeprefix('p_')}) moves by {moved[end]:+.3f} (monotone {moved[f'{end}_monotone']:.2f})"
        for end in steering.ends
    )
    shown.print(f"Localisation: {', '.join(ends)}.")
    if choice is not None:
        shown.print(choice_table(choice))
        shown.print("All were tried in the same situations, so their differences vary less than the errors say.")
        shown.print(
            f"Chosen: gate {choice.gate}, for {choice.labels} labels. By the ground truth {choice.best} is best; "
            f"the regret is {choice.regret:.4f}.",
            soft_wrap=True,
        )
    shown.print(f"Written: {out / stem}.csv, .json, .png", soft_wrap=True)
