"""Unlearning by expanding, routing and ablating, beside six other ways to forget the stories of one place.

After section 4.2.2 of "Gradient Routing" (Cloud et al., arXiv 2410.04332). What a model has forgotten is its loss on
stories of that place; whether it has truly is the lowest such loss while it relearns from 64 of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from oversight_gym.demonstrations import stories
from oversight_gym.demonstrations.charts import bars, curve, panels
from oversight_gym.demonstrations.forgetting import QUICK, Setting, Size, World, train
from oversight_gym.demonstrations.relearning import RELEARNING, measure
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Measure, Request, Results, numbers_in

SHARES = (5, 25, 50, 75, 100)
WRONG = (5, 20)
ERA = Setting("era")
BASE, CONTROL = "base", "control: expanded, ablated, not routed"
SETTINGS = {
    BASE: Setting("none"),
    CONTROL: replace(ERA, labelled=0.0),
    **{f"ERA, labels {share} %": replace(ERA, labelled=share / 100) for share in SHARES},
    **{f"filtering, labels {share} %": Setting("filter", labelled=share / 100) for share in SHARES},
    "ERA, rate 0": replace(ERA, rate=0.0),
    "DEMix, ablated": Setting("demix"),
    "RMU": Setting("rmu", share=0.2),
    "gradient ascent": Setting("ascent"),
    **{f"ERA, wrong labels {share} %": replace(ERA, wrong=share / 100) for share in WRONG},
    **{f"filtering, wrong labels {share} %": Setting("filter", wrong=share / 100) for share in WRONG},
    "ERA by token": replace(ERA, by_token=True),
}
FULL, HALF = "ERA, labels 100 %", "ERA, labels 50 %"
RETRAINED = (BASE, CONTROL, FULL, "filtering, labels 100 %")
"""Settings that are retrained on the training mix, too."""


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """Measure every setting; those that start from a trained model share one."""
    size = QUICK if request.quick else Size()
    world = World.of(request, stories.load(request, size.stories, size.test), size)
    base = train(world, BASE, SETTINGS[BASE])
    for name, setting in SETTINGS.items():
        starts_from_base = setting.method in ("none", "rmu", "ascent")
        yield name, measure(world, name, setting, base if starts_from_base else None, mixed=name in RETRAINED)


def above(figure: str, other: str) -> Measure:
    """By how much a figure exceeds that of another setting."""
    return lambda results, setting: results[setting][figure] - results[other][figure]


def rises(figure: str) -> Measure:
    """By how much ablation, with what follows it, raises a loss."""
    return lambda results, setting: results[setting][figure] - results[setting][f"{figure} before"]


def filtered(share: int) -> str:
    """The setting that filters with so many labels."""
    return f"filtering, labels {share} %"


LOWEST, MIX = "lowest relearnt", "lowest retrained on the mix"
CLAIMS = (
    Claim("Ablation raises the loss on the stories to be forgotten", rises("forget"), FULL, CONTROL),
    Claim("It raises the loss on the other stories", rises("retain"), FULL, CONTROL),
    Claim("ERA is robust: its lowest loss in relearning is above the base's", above(LOWEST, BASE), FULL, CONTROL),
    Claim(
        "At 50 % labels ERA relearns to a higher loss than filtering",
        above(LOWEST, filtered(50)),
        HALF,
        CONTROL,
    ),
    Claim("At 5 %, too", above(LOWEST, filtered(5)), "ERA, labels 5 %", CONTROL),
    Claim("At 100 %, too", above(LOWEST, filtered(100)), FULL, CONTROL),
    Claim("ERA's retain loss is above filtering's at 50 %", above("retain", filtered(50)), HALF, CONTROL),
    Claim("ERA relearns to a higher loss than RMU", above(LOWEST, "RMU"), FULL, CONTROL),
    Claim("ERA relearns to a higher loss than DEMix with ablation", above(LOWEST, "DEMix, ablated"), FULL, CONTROL),
    Claim("ERA relearns to a higher loss than ascent", above(LOWEST, "gradient ascent"), FULL, CONTROL, ours=True),
    Claim(
        "With 20 % wrong labels, ERA relearns to a higher loss than filtering",
        above(LOWEST, "filtering, wrong labels 20 %"),
        "ERA, wrong labels 20 %",
        CONTROL,
        ours=True,
    ),
    Claim(
        "Routing listed words alone raises the loss on related words outside the list (absorption)",
        above("unlisted related words", BASE),
        "ERA by token",
        CONTROL,
    ),
    Claim("Retraining on the training mix, ERA stays above the base", above(MIX, BASE), FULL, CONTROL, ours=True),
)


def chart(results: Sequence[Results]) -> Figure:
    """Losses by setting, by the share of labels, and while relearning."""
    figure, (left, middle, right) = panels(3, "Unlearning the stories of one place", 7)
    labels = {"forget": "to be forgotten", LOWEST: "lowest in relearning", "retain": "others"}
    bars(left, results, list(SETTINGS), labels)
    left.set(xlabel="loss, nats per token")
    for number, method in enumerate(("ERA", "filtering")):
        points = numbers_in(list(SETTINGS), rf"{method}, labels (\d+) %")
        start = (0.0, CONTROL if method == "ERA" else BASE)
        curve(middle, results, [(x, name, LOWEST) for x, name in [start, *points]], f"{method}, relearnt", number)
        curve(middle, results, [(x, name, "retain") for x, name in [start, *points]], f"{method}, others", number + 2)
    middle.set(xlabel="labelled share of the stories to be forgotten, %", ylabel="loss, nats per token")
    known = [step for step in RELEARNING if f"relearnt {step}" in results[0][BASE]]
    for number, setting in enumerate((BASE, CONTROL, FULL, filtered(100), "DEMix, ablated", "RMU", "gradient ascent")):
        curve(right, results, [(float(step), setting, f"relearnt {step}") for step in known], setting, number)
    right.set(xlabel="steps of relearning from 64 stories", ylabel="loss on stories to be forgotten, held out")
    return figure


UNLEARN = Demonstration(
    name="unlearn",
    summary="A language model that forgets the stories of one place: expand, route, ablate, and then relearn.",
    settings=tuple(SETTINGS),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads=stories.READS,
)
