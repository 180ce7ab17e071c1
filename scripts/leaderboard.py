"""The leaderboard: run folders with weights, whoever trained them, and the exact scores that the weights give.

    python scripts/leaderboard.py add RUN...    # enter finished runs
    python scripts/leaderboard.py check         # recompute every score, audit every method, compare with what is stored
    python scripts/leaderboard.py fill          # enter this project's own best runs, of the rows in docs/results

An entry is a folder below leaderboard/ named as sweeps name their runs. It holds what ``oversight-gym verify`` reads,
and ``score.json``. One entry per world, oversight level and method: a better run takes the place of a worse one.
"""

import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from stored_runs import CHOSEN, LABELS, contrasted

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.reading import read_results
from oversight_gym.envs import RequestError
from oversight_gym.envs.registry import load_plugin
from oversight_gym.evaluation.figures import ceilings, evaluate
from oversight_gym.files import write_whole
from oversight_gym.runs.audit import audit
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CONFIG, EVALUATIONS, FINISHED, MODEL, PROGRESS
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.train import train
from oversight_gym.runs.verify import SAME_WEIGHTS, verify_weights

SCORE = "score.json"
FILES = (CONFIG, EVALUATIONS, PROGRESS, MODEL, FINISHED)
PAGE = """# Leaderboard

How much a policy is worth from the start of an episode when nobody looks, exactly, at the gate that its method is used
with; *chosen* is the gate that the supervisor chooses with {labels:,} more observed kinds, for policies with several
experts ([evaluation.md](../docs/evaluation.md)). Every entry holds the weights: the tests recompute its score
(`oversight-gym verify`) and check that its method learns from nothing that the supervisor does not see (`oversight-gym
audit`). An entry is the best of its seeds, so it is an upper end; means over seeds with intervals are in
[methods_table.md](../docs/methods_table.md).

{tables}
To enter a run of your own: train it, run `python scripts/leaderboard.py add RUN`, and send the folder that appears
here. A method from a plug-in needs its file in the repository, and `--plugin FILE.py`.
"""
HEADINGS = ("oversight", "method", "return", "P(ghost)", "return, chosen gate", "labels", "steps", "legal", "assumes")


@dataclass(frozen=True)
class Score:
    """What an entry is worth, in the pattern without oversight.

    Attributes:
        gate: that the method is used with.
        return_start: discounted return from the start.
        p_ghost: probability of ending on the ghost.
        chosen_return: return at the gate that the supervisor chooses, for policies with several experts.
        legal: whether the method learns, and its checkpoint was selected, by what the supervisor sees alone.
    """

    gate: str
    return_start: float
    p_ghost: float
    chosen_return: float | None
    legal: bool

    def close_to(self, other: "Score") -> bool:
        """Whether two are equal but for rounding."""
        mine, theirs = asdict(self), asdict(other)
        numbers = [name for name, value in mine.items() if isinstance(value, float) and theirs[name] is not None]
        near = all(math.isclose(mine[name], theirs[name], abs_tol=SAME_WEIGHTS) for name in numbers)
        return near and mine | dict.fromkeys(numbers) == theirs | dict.fromkeys(numbers)


@dataclass(frozen=True)
class BoardConfig:
    """Keep the leaderboard."""

    action: tyro.conf.Positional[Literal["add", "check", "fill"]]
    """What to do."""
    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Finished runs to add."""
    plugin: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Module or file with the methods of the runs to add."""
    folder: Path = Path("leaderboard")
    """Of the entries."""
    results: tuple[Path, ...] = (Path("docs/results/methods.csv"), Path("docs/results/tuning.csv"))
    """Rows of this project's own runs; files that are not there are left out."""
    scratch: Path = Path("runs/leaderboard")
    """Where those are trained once more."""
    levels: tuple[float, ...] = (0.01, 0.1)
    """Oversight levels of this project's own runs."""


def score_of(run: Run) -> Score:
    """Recompute what an entry says."""
    config = run.config
    found = evaluate(run.policy, config.env, (config.gate,), gamma=config.hyper.gamma, regret=False)
    unseen = found.figures(config.gate, "none")
    chosen = contrasted(config)[f"{CHOSEN}/none/return_start"] if len(config.experts) > 1 else None
    legal = audit(config).legal and config.select != "oracle"
    return Score(config.gate, unseen["return_start"], unseen["p_ghost"], chosen, legal)


def entries(folder: Path) -> Iterator[tuple[Run, Score]]:
    """Every entry with its stored score."""
    for path in sorted(folder.rglob(SCORE)):
        yield load_run(path.parent), Score(**json.loads(path.read_text()))


def add(run: Run, folder: Path) -> str:
    """Enter a run unless a better one is there; says what was done."""
    verdict = verify_weights(run)
    if not verdict.holds:
        raise RequestError(verdict.sentence)
    place = folder / replace(run.config, run_dir=None).folder.relative_to("runs").parent
    named = TrainConfig.of(method=run.config.method, oversight=run.config.oversight, world=run.config.world)
    if run.config.env != named.env:
        raise RequestError(f"{run.folder} was trained in an environment of its own; enter runs in a named world.")
    score, stored = score_of(run), place / SCORE
    if stored.exists() and json.loads(stored.read_text())["return_start"] >= score.return_start:
        return f"{place} holds a run that is as good or better; nothing was changed."
    place.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(run.folder / name, place / name)
    write_whole(stored, json.dumps(asdict(score), indent=2).encode() + b"\n")
    return f"{place}: {score.return_start:+.3f}"


def page(folder: Path) -> str:
    """The table of all entries, by world and level, the best first."""
    worlds: dict[str, list[tuple[Run, Score]]] = {}
    for run, score in entries(folder):
        worlds.setdefault(run.config.world or "the default world", []).append((run, score))
    tables = []
    for world, found in worlds.items():
        found.sort(key=lambda entry: (entry[0].config.oversight, -entry[1].return_start))
        config = found[0][0].config
        best = ceilings(config.env, gamma=config.hyper.gamma)["optimal"].figures("optimal", "none")["return_start"]
        table = markdown(HEADINGS, (_cells(folder, run, score) for run, score in found))
        tables.append(f"## In {world} (optimum {best:+.3f})\n\n{table}")
    return PAGE.format(labels=LABELS, tables="\n".join(tables))


def _cells(folder: Path, run: Run, score: Score) -> list[str]:
    config = run.config
    return [
        f"{config.oversight:.4g}",
        f"[`{config.method}`]({run.folder.relative_to(folder).as_posix()})",
        f"{score.return_start:+.3f}",
        f"{score.p_ghost:.3f}",
        "" if score.chosen_return is None else f"{score.chosen_return:+.3f}",
        f"{read_results(run.folder).results[0].labels_used:,}",
        f"{run.record['steps']:,}",
        "yes" if score.legal else "no",
        " and ".join(config.method_row.assumptions),
    ]


def fill(config: BoardConfig) -> Iterator[Run]:
    """Train this project's best run of every method and level once more."""
    rows = read_results(*(path for path in config.results if path.exists())).results
    results = [result for result in rows if result.config.oversight in config.levels]
    best: dict[Any, Any] = {}
    for result in results:
        key = result.config.method, result.config.oversight
        if key not in best or result.figure("none/return_start") > best[key].figure("none/return_start"):
            best[key] = result
    for number, result in enumerate(best.values()):
        yield train(replace(result.config, run_dir=config.scratch / str(number), resume=True))


def check(folder: Path) -> int:
    """Print what does not hold; how many entries that are."""
    wrong = 0
    for run, stored in entries(folder):
        found = score_of(run)
        verdict = verify_weights(run)
        if not (verdict.holds and found.close_to(stored)):
            print(f"{run.folder}: {found} where {SCORE} has {stored}; {verdict.sentence}")
            wrong += 1
    if not (folder / "README.md").exists() or (folder / "README.md").read_text() != page(folder):
        print(f"{folder / 'README.md'} is not what the entries give; add a run, and it is written anew.")
        wrong += 1
    return wrong


def keep(config: BoardConfig) -> None:
    """Do what is asked; exits with status 1 if a check finds something."""
    for name in config.plugin:
        load_plugin(name)
    torch.set_num_threads(1)
    if config.action == "check":
        sys.exit(min(1, check(config.folder)))
    for run in fill(config) if config.action == "fill" else map(load_run, config.runs):
        print(add(run, config.folder), flush=True)
    write_whole(config.folder / "README.md", page(config.folder).encode())


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[BoardConfig])
    try:
        keep(config)
    except RequestError as error:
        print(f"leaderboard: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
