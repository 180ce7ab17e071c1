"""Statistics over seeds: means with intervals, and probabilities of improvement.

The interval is Student's t about the mean. The table gives the true coverage of 95 % intervals with 3, 5 and 10 seeds,
in per cent (``scripts/interval_coverage.py``; widths and another distribution in docs/sweeps.md):

| seeds are | Student's t | percentile bootstrap, interquartile mean | BCa bootstrap | studentised bootstrap |
|---|---|---|---|---|
| normal | 96, 95, 95 | 75, 89, 95 | 73, 83, 90 | 82, 95, 95 |
| skewed (exponential) | 88, 88, 90 | 68, 88, 93 | 66, 79, 87 | 77, 93, 94 |
| of two sorts, 60 to 40 | 75, 91, 93 | 74, 91, 93 | 74, 91, 97 | 77, 92, 100 |
| of two sorts, 80 to 20 | 46, 68, 88 | 50, 67, 90 | 50, 67, 88 | 52, 69, 90 |

Student's interval is the only one with the right coverage for normal seeds at every number of seeds, and no other is
much better elsewhere. The studentised bootstrap comes closest, but with five seeds of two sorts its intervals are wider
than the range of returns. If five seeds happen to be of one sort, no interval can say anything about the other sort, so
claims need ten seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

FEWEST = 3
"""The fewest seeds for which an interval is given."""
LEVEL = 0.95
_TAIL = (1 + LEVEL) / 2

Range = tuple[float, float]
ANYTHING: Range = (-np.inf, np.inf)


@dataclass(frozen=True)
class Summary:
    """The summary of one figure over seeds.

    Attributes:
        seeds: the number of seeds.
        mean: the mean over the seeds.
        low, high: the 95 % interval of the mean; None with fewer than ``FEWEST`` seeds.
    """

    seeds: int
    mean: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return with_interval(self.mean, self.low, self.high)


def with_interval(value: float, low: float | None, high: float | None, form: str = "+.3f") -> str:
    """A value with its interval, as in ``+0.700 [+0.650, +0.750]``; only the value if there is no interval."""
    text = f"{value:{form}}"
    return text if low is None else f"{text} [{low:{form}}, {high:{form}}]"


def summarise(values: Sequence[float], within: Range = ANYTHING) -> Summary:
    """The mean of a figure, one value per seed, with Student's interval.

    Args:
        values: the values of at least one seed.
        within: the least and the greatest value that the figure can have; the interval is cut there.
    """
    sample = np.asarray(values, dtype=np.float64)
    n, mean = len(sample), float(sample.mean())
    if n < FEWEST:
        return Summary(n, mean)
    half = float(stdtrit(n - 1, _TAIL) * sample.std(ddof=1) / np.sqrt(n))
    return Summary(n, mean, max(within[0], mean - half), min(within[1], mean + half))


@dataclass(frozen=True)
class Improvement:
    """The probability that one method beats another (Agarwal et al. 2021, arXiv 2108.13264); ties count half.

    Attributes:
        probability: the estimate.
        low, high: its 95 % interval.
    """

    probability: float
    low: float
    high: float


def paired_improvement(differences: Sequence[float]) -> Improvement:
    """The probability that a seed does better with one method than with the other; the interval is Wilson's.

    Args:
        differences: the figure of one method minus that of the other, for at least one seed.
    """
    n = len(differences)
    found = float(np.mean((np.sign(differences) + 1) / 2))
    return _score_interval(found, lambda p: p * (1 - p) / n)


def improvement(mine: Sequence[float], theirs: Sequence[float]) -> Improvement:
    """The probability that a run of one method does better than a run of another, whatever their seeds.

    The interval is Newcombe's (Statistics in Medicine 25, 2006, method 5).

    Args:
        mine, theirs: the figures of at least one seed each.
    """
    m, n = len(mine), len(theirs)
    found = float(np.mean((np.sign(np.subtract.outer(mine, theirs)) + 1) / 2))
    spread = (m + n) / 2 - 1
    return _score_interval(found, lambda p: p * (1 - p) * (1 + spread * ((1 - p) / (2 - p) + p / (1 + p))) / (m * n))


def _score_interval(found: float, variance: Callable[[float], float]) -> Improvement:
    """All probabilities under which the one found lies within the central 95 % of a normal distribution."""
    z = float(ndtri(_TAIL))

    def excess(p: float) -> float:
        return (found - p) ** 2 - z**2 * variance(p)

    least, most = 1e-9, 1 - 1e-9  # at 0 and 1 themselves there is no variance
    low = 0.0 if found <= least else brentq(excess, least, min(found, most))
    high = 1.0 if found >= most else brentq(excess, max(found, least), most)
    return Improvement(found, low, high)
