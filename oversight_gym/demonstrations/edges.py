"""Which edges to mask: those of the activations, those of the parameters, or both, on digits and on unlearning.

The paper masks edges of the computation graph. A mask at a hidden unit's activation stops what flows back through it;
the weights that read the unit still learn. Masks at the weights on both sides of it keep these as they are; what flows
back through the unit goes on to the layers below. Which leaks less is seen by what can be learnt again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from oversight_gym.agents.routing import Edges
from oversight_gym.demonstrations import cifar, digits, forgetting, images, relearning, stories
from oversight_gym.demonstrations.charts import bars, panels
from oversight_gym.demonstrations.latents import train
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Request, Results
from oversight_gym.envs import RequestError

CHOICES: tuple[Edges, ...] = ("activations", "parameters", "both")
RATES = (-0.75, 0.0)
LATENTS = tuple(f"digits, {name}" for name in (*CHOICES, "none"))
STORIES = tuple(f"ERA, rate {rate:g}, {edges}" for rate in RATES for edges in CHOICES)
CONTROL = "ERA, none"
READS = f"{digits.READS}; {stories.READS}; images or stories alone will do"


def own(request: Request) -> tuple[Request, Request]:
    """The request for images and that for stories: each with the user's data where the folder has it.

    Raises:
        RequestError: if the folder has neither.
    """
    if request.data is None:
        return request, request
    has = images.is_in(request.data) or cifar.is_in(request.data), stories.is_in(request.data)
    if not any(has):
        raise RequestError(f"{request.data} holds nothing that edges reads: {READS}.")
    of_images, of_stories = (request if each else request._replace(data=None) for each in has)
    return of_images, of_stories


def run(request: Request) -> Iterator[tuple[str, Figures]]:
    """The autoencoder of ``digits`` and the language model of ``unlearn``, at each choice of edges."""
    of_images, of_stories = own(request)
    data = digits.load(of_images)
    for edges, name in zip((*CHOICES, None), LATENTS, strict=True):
        setting = replace(digits.ROUTING, routed=edges is not None, edges=edges or "activations")
        yield name, train(request, name, setting, data, digits.epochs(request))
    size = forgetting.QUICK if request.quick else forgetting.Size()
    world = forgetting.World.of(request, stories.load(of_stories, size.stories, size.test), size)
    yield CONTROL, relearning.measure(world, CONTROL, forgetting.Setting("era", labelled=0.0))
    pairs = ((rate, edges) for rate in RATES for edges in CHOICES)
    for name, (rate, edges) in zip(STORIES, pairs, strict=True):
        yield name, relearning.measure(world, name, forgetting.Setting("era", rate=rate, edges=edges))


def unrecovered(results: Results, setting: str) -> float:
    """By how much the lowest loss in relearning is above that of the control."""
    return results[setting]["lowest relearnt"] - results[CONTROL]["lowest relearnt"]


def spared(results: Results, setting: str) -> float:
    """By how much the loss on the other stories is below that of the control."""
    return results[CONTROL]["retain"] - results[setting]["retain"]


NEGATIVE, ZERO = STORIES[:3], STORIES[3:]
CLAIMS = (
    *(
        Claim(f"Masking {edges} hides the first group of digits from the second half", digits.hidden, name, LATENTS[-1])
        for edges, name in zip(CHOICES, LATENTS, strict=False)
    ),
    Claim(
        "On digits, both hide more than activations", digits.hidden, LATENTS[2], LATENTS[0], ours=True, compares=True
    ),
    Claim(
        "On digits, parameters hide more than activations",
        digits.hidden,
        LATENTS[1],
        LATENTS[0],
        ours=True,
        compares=True,
    ),
    *(
        Claim(f"Masking {edges} keeps stories from being relearnt, rate 0", unrecovered, name, CONTROL, ours=True)
        for edges, name in zip(CHOICES, ZERO, strict=True)
    ),
    Claim(
        "On stories, both leak less than activations, rate 0", unrecovered, ZERO[2], ZERO[0], ours=True, compares=True
    ),
    Claim(
        "On stories, parameters leak less than activations, rate 0",
        unrecovered,
        ZERO[1],
        ZERO[0],
        ours=True,
        compares=True,
    ),
    Claim(
        "At rate -0.75 both leak less than activations", unrecovered, NEGATIVE[2], NEGATIVE[0], ours=True, compares=True
    ),
    Claim(
        "At rate -0.75 parameters leak less than activations",
        unrecovered,
        NEGATIVE[1],
        NEGATIVE[0],
        ours=True,
        compares=True,
    ),
    Claim("Masking both spares the other stories, rate 0", spared, ZERO[2], ZERO[0], ours=True),
    Claim("Masking both spares the other stories, rate -0.75", spared, NEGATIVE[2], NEGATIVE[0], ours=True),
)


def chart(results: Sequence[Results]) -> Figure:
    """What leaks by edges, on digits and on stories."""
    figure, (left, right) = panels(2, "Which edges are masked, and what leaks", 5)
    parts = {f"second half, {group} group, MAE": f"{group} group" for group in ("first", "second")}
    bars(left, results, LATENTS, parts)
    left.set(xlabel="error of a new decoder that reads the second half")
    labels = {"forget": "after ablation", "lowest relearnt": "lowest in relearning", "retain": "other stories"}
    bars(right, results, (CONTROL, *STORIES), labels)
    right.set(xlabel="loss, nats per token")
    return figure


EDGES = Demonstration(
    name="edges",
    summary="Routing by activations, by parameters, and by both, on the digits and on unlearning.",
    settings=(*LATENTS, CONTROL, *STORIES),
    run=run,
    claims=CLAIMS,
    chart=chart,
    reads=READS,
)
