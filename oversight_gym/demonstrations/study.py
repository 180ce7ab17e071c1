"""What a demonstration is, what it claims, and how its claims are answered: by intervals over seeds."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from oversight_gym.analysis.statistics import Summary, summarise

Figures = dict[str, float]
"""What was measured in one setting with one seed, by name."""
Results = Mapping[str, Figures]
"""The figures of one seed, by setting."""
Measure = Callable[[Results, str], float]
"""From the results of a seed and a setting to a number that is above 0 where the setting does what is claimed."""
Log = Callable[[str, int, float], None]
"""Takes a curve's name, a step and a value, for TensorBoard."""


def no_log(name: str, step: int, value: float) -> None:
    """Keeps nothing."""


class Request(NamedTuple):
    """What a demonstration is asked to do once.

    Attributes:
        seed: of everything random in it.
        quick: whether to do it in small.
        data: folder with the user's own data; None for the embedded one.
        log: takes the curves.
    """

    seed: int
    quick: bool = False
    data: Path | None = None
    log: Log = no_log


@dataclass(frozen=True)
class Claim:
    """A claim, as a measure that is above 0 where it is true, in the setting it is about and in its control.

    Attributes:
        text: of the claim.
        measure: as above.
        setting: that it is about.
        control: that it is put beside.
        ours: whether the claim is this project's question, not the paper's.
        compares: whether it says that the measure is greater than in the control, above 0 or not.
    """

    text: str
    measure: Measure
    setting: str
    control: str
    ours: bool = False
    compares: bool = False


@dataclass(frozen=True)
class Answer:
    """A claim with its measure over seeds: in its setting, in its control, and the difference, seed by seed."""

    claim: Claim
    found: Summary
    control: Summary
    difference: Summary

    @property
    def word(self) -> str:
        """Whether the claim holds."""
        return in_a_word(self.difference if self.claim.compares else self.found)

    @property
    def beyond_control(self) -> str:
        """Whether it holds more than in the control."""
        return in_a_word(self.difference)


def in_a_word(summary: Summary) -> str:
    """``holds`` where the whole interval lies above 0, ``does not hold`` where it lies below, else ``open``."""
    if summary.low is not None and summary.low > 0:
        return "holds"
    if summary.high is not None and summary.high < 0:
        return "does not hold"
    return "open"


@dataclass(frozen=True)
class Demonstration:
    """One use of gradient routing.

    Attributes:
        name: on the command line.
        summary: one sentence.
        settings: names of what is compared, in the order in which ``run`` gives them.
        run: measures one setting after the other.
        claims: that the figures answer.
        chart: of the results of all seeds.
        reads: what ``data`` must hold to be used.
    """

    name: str
    summary: str
    settings: Sequence[str]
    run: Callable[[Request], Iterator[tuple[str, Figures]]]
    claims: Sequence[Claim]
    chart: Callable[[Sequence[Results]], Figure]
    reads: str

    def answers(self, results: Sequence[Results]) -> list[Answer]:
        """The claims, answered by the results of at least one seed."""
        return [_answer(claim, results) for claim in self.claims]


def _answer(claim: Claim, results: Sequence[Results]) -> Answer:
    found = [claim.measure(result, claim.setting) for result in results]
    control = [claim.measure(result, claim.control) for result in results]
    differences = [one - other for one, other in zip(found, control, strict=True)]
    return Answer(claim, summarise(found), summarise(control), summarise(differences))


def over_seeds(results: Sequence[Results], setting: str, figure: str) -> Summary:
    """One figure of one setting, over seeds."""
    return summarise([result[setting][figure] for result in results])


def verdict(answers: Sequence[Answer]) -> str:
    """One paragraph: every claim with its answer beside its control."""
    return " ".join(
        f"{answer.claim.text}: {answer.word} ({answer.found}; control '{answer.claim.control}' {answer.control}; "
        f"more than the control: {answer.beyond_control}, {answer.difference})."
        for answer in answers
    )


def numbers_in(names: Sequence[str], form: str) -> list[tuple[float, str]]:
    """The names that match a pattern, with the number that its group holds."""
    return [(float(found[1]), name) for name in names if (found := re.fullmatch(form, name))]
