"""Splitting a classifier: channels in the middle of a residual network are routed by the half a class belongs to.

After "Gradient Routing" (Cloud et al., arXiv 2410.04332, appendix on CIFAR-100). A network is split if without one half
of its channels it fails on that half's classes and does as well as before on the others, and if no new classifier can
read them from the other half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from matplotlib.figure import Figure

from oversight_gym.demonstrations import cifar, images
from oversight_gym.demonstrations.channels import Setting, train
from oversight_gym.demonstrations.charts import bars, panels
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Request, Results

CONTROL = "control: L1 alone"
SETTINGS = {
    "routing": Setting(),
    "routing, no L1": Setting(l1=0.0),
    "routing after the last block": Setting(last=True),
    "hard routing": Setting(hard=True),
    CONTROL: Setting(routed=False),
    "control: neither": Setting(routed=False, l1=0.0),
}


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Train every setting."""
    if request.data is not None:
        data, classes = cifar.cifar100(request.data, most=500 if request.quick else 5000), 100
    else:
        data, classes = images.digits(torch.Generator().manual_seed(request.seed)), 10
    if request.quick:
        data = replace(data, train=data.train[:300], train_labels=data.train_labels[:300])
    for name, setting in SETTINGS.items():
        yield name, train(request, name, setting, data, classes, epochs=1 if request.quick else 10)


def _mean(results: Results, setting: str, own: str, other: str) -> float:
    figures = results[setting]
    return (figures[f"{own}, first group"] + figures[f"{other}, second group"]) / 2


def parts(results: Results, setting: str) -> float:
    """By how much a group fares better with its own half of the channels alone than with the other half alone."""
    own = _mean(results, setting, "first half", "second half")
    return own - _mean(results, setting, "second half", "first half")


def read(results: Results, setting: str) -> float:
    """The same of new classifiers of either half."""
    names = [f"reader of the {half} half" for half in ("first", "second")]
    return _mean(results, setting, *names) - _mean(results, setting, *reversed(names))


def is_lost(results: Results, setting: str) -> float:
    """How far below an accuracy of 0.1 a group is without its own half."""
    return 0.1 - _mean(results, setting, "second half", "first half")


def suffices(results: Results, setting: str) -> float:
    """How far a group, with its own half alone, is above its accuracy with all channels less 0.05."""
    return _mean(results, setting, "first half", "second half") - _mean(results, setting, "all", "all") + 0.05


def costs_nothing(results: Results, setting: str) -> float:
    """By how much the accuracy with all channels exceeds the control's."""
    return _mean(results, setting, "all", "all") - _mean(results, CONTROL, "all", "all")


LAST = "routing after the last block"
CLAIMS = (
    Claim("A group's own half of the channels serves it better than the other half", parts, "routing", CONTROL),
    Claim("A new classifier reads a group better from its own half than from the other", read, "routing", CONTROL),
    Claim("Without its own half a group is lost (accuracy below 0.1)", is_lost, "routing", CONTROL),
    Claim("Its own half alone suffices (accuracy within 0.05)", suffices, "routing", CONTROL),
    Claim("Routing costs no accuracy", costs_nothing, "routing", CONTROL),
    Claim(
        "Routing splits the classifier more than hard routing",
        parts,
        "routing",
        "hard routing",
        ours=True,
        compares=True,
    ),
    Claim("It splits without L1", parts, "routing, no L1", "control: neither", ours=True),
    Claim("Routing right before the last layer costs no accuracy", costs_nothing, LAST, CONTROL, ours=True),
    Claim("L1 splits it without routing", parts, CONTROL, "control: neither", ours=True),
)


PARTS = ("all", "first half", "second half", "reader of the first half", "reader of the second half")


def chart(results: Sequence[Results]) -> Figure:
    """Accuracies of each group with all channels, its own half and the other."""
    figure, axes = panels(2, "A classifier of digits, its channels split by the half that a class belongs to", 6)
    for each, group in zip(axes, ("first", "second"), strict=True):
        shown = {f"{part}, {group} group": part for part in PARTS}
        bars(each, results, list(SETTINGS), shown)
        each.set(xlabel=f"accuracy on the {group} group of classes", xlim=(0, 1.02))
    return figure


CLASSES = Demonstration(
    name="classes",
    summary="A residual network whose channels are split by the half that an image's class belongs to.",
    settings=tuple(SETTINGS),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads="CIFAR-100's binary archive: cifar-100-binary.tar.gz, or the folder cifar-100-binary out of it",
)
