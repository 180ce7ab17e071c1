"""Searches the settings of ``demonstrate unlearn``, on seeds that it does not report, by a criterion fixed beforehand.

    python scripts/tune_unlearning.py

The criterion, with all labels: by how much the lowest loss in relearning exceeds the base model's, less by how much the
loss on other stories does. Every method that has something to choose is searched.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
import tyro

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import summarise
from oversight_gym.demonstrations import stories
from oversight_gym.demonstrations.forgetting import Setting, Size, World, train
from oversight_gym.demonstrations.relearning import measure
from oversight_gym.demonstrations.study import Request


@dataclass(frozen=True)
class TuneConfig:
    """Search the settings of unlearning."""

    seeds: tuple[int, ...] = (100, 101)
    """Seeds; the page reports 0 to 4."""


def candidates() -> Iterator[tuple[str, Size, Setting]]:
    """What is tried: a name, the sizes, the setting."""
    for expanded in (2, 3):
        for rate in (0.0, -0.75, -1.5):
            name = f"ERA, rate {rate:g}, {expanded} of 3 layers expanded"
            yield name, Size(expanded=expanded), Setting("era", rate=rate)
    for push, hold in ((3.0, 20.0), (10.0, 20.0), (10.0, 1.0)):
        yield f"RMU, push {push:g}, hold {hold:g}", Size(), Setting("rmu", push=push, hold=hold, share=0.2)
    for share in (0.1, 0.2):
        yield f"gradient ascent, {share:.0%} of the steps", Size(), Setting("ascent", share=share)


def main() -> None:
    config = tyro.cli(TuneConfig)
    torch.set_num_threads(1)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in config.seeds:
        request = Request(seed)
        data = stories.load(request, Size.stories, Size.test)
        base = train(World.of(request, data, Size()), "base", Setting("none"))
        without = measure(World.of(request, data, Size()), "base", Setting("none"), deepcopy(base))
        for name, size, setting in candidates():
            started = base if setting.method in ("rmu", "ascent") else None
            figures = measure(World.of(request, data, size), name, setting, started)
            gains = [figures[figure] - without[figure] for figure in ("lowest relearnt", "retain")]
            found.setdefault(name, []).append((gains[0], gains[1]))
            print(f"seed {seed}, {name}: {gains[0]:+.3f}, {gains[1]:+.3f}", flush=True)
    rows = []
    for name, pairs in found.items():
        lowest, retain, score = ([p[0] for p in pairs], [p[1] for p in pairs], [p[0] - p[1] for p in pairs])
        rows.append([name, *(f"{summarise(values).mean:+.3f}" for values in (lowest, retain, score))])
    print(markdown(("candidate", "lowest in relearning", "other stories", "criterion"), rows))


if __name__ == "__main__":
    main()
