"""Splitting latents: an autoencoder of digits whose halves of the code are routed by the class of the digit.

After section 4.1 and appendix C of "Gradient Routing" (Cloud et al., arXiv 2410.04332).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from matplotlib.figure import Figure

from oversight_gym.demonstrations import cifar, images
from oversight_gym.demonstrations.charts import bars, curve, panels
from oversight_gym.demonstrations.latents import Setting, train
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Request, Results, numbers_in
from oversight_gym.envs.drawing.palette import GREY

SHARES = (0, 10, 25, 50, 75)
ROUTING = Setting()
CONTROL = "control: regularisation alone"
SETTINGS = {
    "routing": ROUTING,
    "separate decoders": replace(ROUTING, decoders=2),
    "no correlation penalty": replace(ROUTING, correlation=0.0),
    "no regularisation": replace(ROUTING, l1=0.0, correlation=0.0),
    CONTROL: replace(ROUTING, routed=False),
    "control: L1 alone": replace(ROUTING, routed=False, correlation=0.0),
    "control: neither": replace(ROUTING, routed=False, l1=0.0, correlation=0.0),
    "filtering": replace(ROUTING, routed=False, filtered=True),
    **{f"one group, classes {count}": replace(ROUTING, classes=count, second=False) for count in range(1, 6)},
    **{f"labels {share} %": replace(ROUTING, labelled=share / 100) for share in SHARES},
}
READS = (
    "MNIST as its IDX files, plain or .gz: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...; "
    "or CIFAR-100's binary archive, its classes in ten groups"
)


def load(request: Request) -> images.Images:
    """Scikit-learn's digits; MNIST where the user has it, else CIFAR-100 in ten classes."""
    if request.data is None:
        return images.digits(torch.Generator().manual_seed(request.seed))
    most = 500 if request.quick else 6000
    if cifar.is_in(request.data) and not images.is_in(request.data):
        return cifar.in_tens(cifar.cifar100(request.data, most))
    return images.mnist(request.data, most)


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Train every setting."""
    data = load(request)
    for name, setting in SETTINGS.items():
        yield name, train(request, name, setting, data, epochs(request))


def epochs(request: Request) -> int:
    """Passes over the digits, of each of the two trainings."""
    return 4 if request.quick else 60


def hidden(results: Results, setting: str, classes: int = 5) -> float:
    """How well the second half hides the first group, as mean absolute error of a pixel."""
    return results[setting][f"hidden, classes {classes}"]


def hidden_squared(results: Results, setting: str) -> float:
    """The same as mean squared error."""
    low, high = (results[setting][f"second half, {group} group, MSE"] for group in ("first", "second"))
    return low - high


def first_hides(results: Results, setting: str) -> float:
    """How well the first half hides the second group."""
    low, high = (results[setting][f"first half, {group} group, MAE"] for group in ("first", "second"))
    return high - low


def few_labels_suffice(results: Results, setting: str) -> float:
    """Half of what routing hides with all labels lies below what it hides in this setting."""
    return hidden(results, setting) - hidden(results, "routing") / 2


CLAIMS = (
    Claim("The second half hides the first group of classes", hidden, "routing", CONTROL),
    Claim("It does so as a squared error", hidden_squared, "routing", CONTROL),
    Claim("The first half hides the second group", first_hides, "routing", CONTROL),
    Claim("L1 alone, without routing, splits the code", hidden, "control: L1 alone", "control: neither", ours=True),
    Claim("Routing with separate decoders splits it", hidden, "separate decoders", CONTROL),
    Claim("Routing without the correlation penalty splits it", hidden, "no correlation penalty", "control: L1 alone"),
    Claim("Routing without any regularisation splits it", hidden, "no regularisation", "control: neither"),
    Claim(
        "Routing a single class hides it",
        lambda results, setting: hidden(results, setting, 1),
        "one group, classes 1",
        CONTROL,
    ),
    Claim(
        "Labels on half of the digits suffice for half of the effect", few_labels_suffice, "labels 50 %", CONTROL, True
    ),
    Claim(
        "Routing hides the first group as well as training without it does",
        lambda results, setting: hidden(results, setting) - hidden(results, "filtering"),
        "routing",
        CONTROL,
        ours=True,
    ),
)


def chart(results: Sequence[Results]) -> Figure:
    """What each half knows of each group by setting, and what routing hides by the share of labels and of classes."""
    figure, (left, middle, right) = panels(3, "Digits: what a new decoder reads from each half of the code", 6)
    plain = [name for name in SETTINGS if not name.startswith(("labels", "one group"))]
    groups = {"first": "first group (0 to 4)", "second": "second group (5 to 9)"}
    shown = {
        f"{half} half, {group} group, MAE": f"{half} half, {text}"
        for half in ("second", "first")
        for group, text in groups.items()
    }
    bars(left, results, plain, shown)
    left.set(xlabel="mean absolute error of a pixel")
    labels = [*numbers_in(list(SETTINGS), r"labels (\d+) %"), (100.0, "routing")]
    curve(middle, results, [(x, name, "hidden, classes 5") for x, name in labels], "both groups labelled", 0)
    middle.set(xlabel="labelled share of the digits, %")
    for number, (of, text) in enumerate({"one group, classes {}": "routed", CONTROL: "control"}.items()):
        points = [(float(count), of.format(count), f"hidden, classes {count}") for count in range(1, 6)]
        curve(right, results, points, text, number)
    right.set(xlabel="routed classes, from 0 on; the others have no label", xticks=range(1, 6))
    for each in (middle, right):
        each.axhline(0, color=GREY, lw=0.8)
        each.set(ylabel="second half: error on the routed group less the others'")
    return figure


DIGITS = Demonstration(
    name="digits",
    summary="An autoencoder of digits whose code is split in two halves by the class of the digit.",
    settings=tuple(SETTINGS),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads=READS,
)
