"""Is impairment smooth, and is it specific? Fills the section Impair of docs/localisation.md, its tables and picture.

    python scripts/impairment.py [--runs runs/localisation] [--no-study]

Impairs five seeds of each method, as ``oversight-gym impair`` does, and keeps what was found in
docs/results/impairment.csv and, curve by curve, in docs/results/impairment_curves.csv. A run that is missing below
``--runs`` is trained. Stop it when you like, the same command goes on; with --no-study the page is made of the rows
alone. The commands for noise and for the preset ``weak-gate`` stand on the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
import tyro
from impairment_page import (
    METHODS,
    RANDOM,
    WAYS,
    Row,
    chosen,
    draw,
    noise_table,
    safety_table,
    smoothness_table,
    specificity_table,
)
from localised_runs import OVERSIGHT, PAGE, run_config
from marked import fill

from oversight_gym.files import read_csv, write_csv, write_whole
from oversight_gym.localisation.impair import impair
from oversight_gym.localisation.study import ImpairmentStudy
from oversight_gym.runs.train import finished_run
from oversight_gym.runs.version import commit

ORDERS = 24
"""Of the sampling of Shapley values."""


@dataclass(frozen=True)
class ImpairmentConfig:
    """Impair what was trained, and write rows, picture and page."""

    seeds: int = 5
    """Seeds 0 to this minus one."""
    methods: tuple[str, ...] = METHODS
    """Methods to compare; one at another preset is PRESET/METHOD."""
    impairments: tuple[str, ...] = ("scaling",)
    """Kinds of impairment, each kept by itself."""
    clusters: tuple[str, ...] = WAYS
    """How clusters are found."""
    random: int = 20
    """Random clusters of each size."""
    runs: Path = Path("runs/localisation")
    """Folder with a run at METHOD/seed=S each; what is missing is trained."""
    rows: Path = Path("docs/results/impairment.csv")
    """One row for each run, cluster, impairment and site; the curves lie beside it."""
    page: Path = PAGE
    """The page, between whose marks the tables go; the picture lies beside it."""
    study: bool = True
    """Impair what has no rows yet, instead of reading alone."""

    @property
    def curves(self) -> Path:
        """The file of curves."""
        return self.rows.with_name(f"{self.rows.stem}_curves.csv")


def effects(study: ImpairmentStudy) -> Iterator[Row]:
    """A row for each cluster, kind of impairment and site."""
    begin = study.skills(study.begin)
    for curve in study.named:
        cluster, topic = curve.cluster, curve.cluster.topic
        assert topic is not None
        kind, falls = study.kinds[topic], study.falls(curve)
        row: Row = {"found_by": cluster.found_by, "kind": kind, "units": len(cluster)}
        own = study.units.of_network(kind) if kind in study.units.networks else None
        row["in_own_expert"] = "" if own is None else round(float(own[cluster.members].mean()), 4)
        row |= {"impairment": curve.kind, "site": curve.at, "skill": round(float(begin[topic]), 6)}
        row |= {"own": float(falls[topic]), "others": float(np.delete(falls, topic).mean())}
        found, smooth, safe = study.specificity(curve), study.smoothness(curve), study.safe(curve)
        columns = {"random": "random", "index": "value", "low": "low", "high": "high", "beaten": "beaten"}
        row |= {column: "" if found is None else getattr(found, name) for column, name in columns.items()}
        row |= smooth or {}
        row["p_unwanted"] = float(study.figure(curve, f"p_{study.unwanted}")[0])
        row |= {"p_unwanted_least": float(study.figure(curve, f"p_{study.unwanted}").min())}
        row |= {
            "safe_intensity": "" if safe is None else safe.intensity,
            "safe_return": "" if safe is None else safe.left,
        }
        row["return"] = float(study.figure(curve, "return_start")[0])
        yield {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}


def curve_rows(study: ImpairmentStudy) -> Iterator[Row]:
    """The curves of the clusters that were found, point by point, and the mean of the random ones."""
    names = study.situations.names
    groups = [(curve.cluster.found_by, study.kinds[curve.cluster.topic or 0], [curve]) for curve in study.named]
    for kind, at in study.impairments:
        controls = [curve for curve in study.random if (curve.kind, curve.at) == (kind, at)]
        groups += [(RANDOM, "", controls)] if controls else []
    for found_by, kind, curves in groups:
        figures = np.mean([curve.figures for curve in curves], axis=0)
        skills = study.skills(figures)
        for number, intensity in enumerate(curves[0].intensities):
            row: Row = {"found_by": found_by, "kind": kind, "impairment": curves[0].kind, "site": curves[0].at}
            row["intensity"] = intensity
            row |= {f"skill_{name}": round(float(skills[number, k]), 5) for k, name in enumerate(study.kinds)}
            yield row | {name: round(float(figures[number, k]), 5) for k, name in enumerate(names)}


def studied(config: ImpairmentConfig) -> None:
    """Impair what has no rows yet of every run, way of finding clusters and kind of impairment, and store it."""
    stamp = {"commit": commit()}
    for seed, method, impairment in product(range(config.seeds), config.methods, config.impairments):
        key: Row = {"method": method, "oversight": OVERSIGHT, "seed": seed}
        text = {name: str(value) for name, value in key.items()}
        stored = chosen(read_csv(config.rows), impairment=impairment, **text)
        wanted = run_config(config.runs, method, seed)
        possible = [way for way in config.clusters if way != "experts" or len(wanted.experts) > 1]
        ways = [way for way in possible if not chosen(stored, found_by=way)]
        if not ways:
            continue
        run = finished_run(wanted)
        study = impair(
            run.policy,
            run.config.env,
            clusters=ways,
            impairments=(impairment,),
            random=config.random,
            orders=ORDERS,
            gamma=run.config.hyper.gamma,
            seed=seed,
        )
        known = read_csv(config.curves)
        controlled = chosen(known, found_by=RANDOM, impairment=impairment, **text)
        new = [key | row for row in curve_rows(study) if row["found_by"] != RANDOM or not controlled]
        write_csv(config.curves, [*known, *new])
        write_csv(config.rows, [*read_csv(config.rows), *(key | row | stamp for row in effects(study))])
        print(f"{method}, seed {seed}, {impairment}: {', '.join(ways)} stored.", flush=True)


def main() -> None:
    config = tyro.cli(ImpairmentConfig)
    torch.set_num_threads(1)
    config.rows.parent.mkdir(parents=True, exist_ok=True)
    if config.study:
        studied(config)
    rows, curves = read_csv(config.rows), read_csv(config.curves)
    picture = config.page.with_name("impairment.png")
    write_whole(picture, draw(curves, "scaling", "after"))
    tables = {
        "specificity": specificity_table(rows, "scaling", "after"),
        "specificity under noise": noise_table(rows),
        "smoothness": smoothness_table(rows),
        "safety": safety_table(rows, "scaling", "after"),
    }
    fill(config.page, tables)


if __name__ == "__main__":
    main()
