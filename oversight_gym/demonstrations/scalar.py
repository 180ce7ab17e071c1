"""A steering scalar: the residual dimension of a language model to which one word's prediction is routed.

After section 4.2.1 of "Gradient Routing" (Cloud et al., arXiv 2410.04332), which routes ``_California``; here the word
is ``forest``. Adding to that dimension should then make the model tell of forests, with words that were never routed.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from matplotlib.figure import Figure

from oversight_gym.demonstrations import stories
from oversight_gym.demonstrations.charts import curve, largest, panels
from oversight_gym.demonstrations.directions import (
    AMOUNTS,
    DIMENSION,
    QUICK,
    Size,
    cosines,
    measured,
    streams,
    train,
)
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Measure, Request, Results

LEAST = 1e-9
"""Added to chances before their logarithm is taken; words that a corpus lacks have none."""


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Train a routed model and its control, and steer each along four directions."""
    size = QUICK if request.quick else Size()
    data = stories.load(request, size.stories, size.stories // 8)
    generator = torch.Generator().manual_seed(request.seed)
    random = torch.nn.functional.normalize(torch.randn(size.width, generator=generator), dim=0)
    about = data.to_forget(data.train)
    for name, routed in (("routed", True), ("control", False)):
        model = train(request, name, routed, data, size)
        axis = torch.eye(size.width)[DIMENSION]
        if model.embedding.weight[data.forget_words[0], DIMENSION] < 0:
            axis = -axis  # the sign of a dimension is free; the word's own row tells which it took
        centres = [streams(model, data.train[about == told][:200]).mean(dim=0) for told in (True, False)]
        means = torch.nn.functional.normalize(centres[0] - centres[1], dim=0)
        for direction, vector in (("dimension", axis), ("difference of means", means), ("random", random)):
            yield f"{name}: {direction}", measured(model, data, vector)
        yield rows(name), cosines(model, data.vocabulary, axis)


def rows(name: str) -> str:
    """The setting that holds the cosine of every word's row of the unembedding with the dimension."""
    return f"{name}: cosine of words"


def gain(what: str) -> Measure:
    """By how much adding a quarter of the stream's length raises the chance of some words, on a logarithmic scale."""

    def measure(results: Results, setting: str) -> float:
        figures = results[setting]
        return math.log((figures[f"{what} at 0.25"] + LEAST) / (figures[f"{what} at 0"] + LEAST))

    return measure


def near(results: Results, setting: str) -> float:
    """How many more related words are among the nearest than by chance."""
    return results[setting]["related among nearest"] - results[setting]["expected by chance"]


def first(results: Results, setting: str) -> float:
    """Above 0 if the word's own row is the nearest of all."""
    return 0.5 - results[setting]["rank of the word"]


def price(results: Results, setting: str) -> float:
    """How much less the routed model's loss is than the control's, unsteered."""
    return results["control: dimension"]["loss at 0"] - results[setting]["loss at 0"]


ROUTED, CONTROL = "routed: dimension", "control: dimension"
MEANS = "control: difference of means"
CLAIMS = (
    Claim("The routed word's row of the unembedding is the nearest to its dimension", first, ROUTED, CONTROL),
    Claim("Related words that were never routed are among the nearest rows", near, ROUTED, CONTROL),
    Claim("Adding to the dimension makes the routed word likelier", gain("word"), ROUTED, CONTROL),
    Claim("It makes its synonym likelier, which was never routed", gain("synonym"), ROUTED, CONTROL),
    Claim("It makes words of the same stories likelier, which were never routed", gain("related"), ROUTED, CONTROL),
    Claim(
        "It makes them likelier than a random direction does",
        gain("related"),
        ROUTED,
        "routed: random",
        ours=True,
        compares=True,
    ),
    Claim(
        "It makes the word itself likelier than a difference of means does",
        gain("word"),
        ROUTED,
        MEANS,
        ours=True,
        compares=True,
    ),
    Claim(
        "It makes words of the same stories likelier than a difference of means does",
        gain("related"),
        ROUTED,
        MEANS,
        ours=True,
        compares=True,
    ),
    Claim("Routing costs nothing: the unsteered loss elsewhere is no higher", price, ROUTED, CONTROL, ours=True),
)
DIRECTIONS = ("dimension", "difference of means", "random")
MODELS = ("routed", "control")
STEERED = tuple(f"{name}: {direction}" for name in MODELS for direction in DIRECTIONS)


def chart(results: Sequence[Results]) -> Figure:
    """Chances of the concept's words, and the loss, by the amount added; the words nearest to the dimension."""
    figure, axes = panels(6, "A steering scalar: what adding to the residual stream does in other stories", rows=2)
    shown = {
        "word": "chance of the routed word, per prediction",
        "synonym": "chance of its synonym",
        "related": "chance of related words",
        "loss": "loss",
    }
    curves = axes[:2] + axes[3:5]
    for each, (what, label) in zip(curves, shown.items(), strict=True):
        for number, setting in enumerate(STEERED):
            points = [(amount, setting, f"{what} at {amount:g}") for amount in AMOUNTS]
            curve(each, results, points, setting, number, logarithmic=True)
        each.set(xlabel="length of what is added, in lengths of the stream", ylabel=label)
        each.set_xscale("symlog", linthresh=AMOUNTS[1])
        each.set_xticks(AMOUNTS, ["0", "1/16", "1/8", "1/4", "1/2", "1"])
    for each, name in zip((axes[2], axes[5]), MODELS, strict=True):
        largest(each, results, rows(name))
        each.set(xlabel=f"cosine with the dimension, {name} model", xlim=(0, 1))
    return figure


SCALAR = Demonstration(
    name="scalar",
    summary="A language model one of whose residual dimensions means 'forest', and steers it.",
    settings=tuple(f"{name}: {each}" for name in MODELS for each in (*DIRECTIONS, "cosine of words")),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads=stories.READS,
)
