"""Statistics over seeds: interquartile mean and bootstrap interval, after Agarwal et al. (2021, arXiv 2108.13264)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, trim_mean

FEWEST = 5
"""Seeds below which no interval is given."""
RESAMPLES = 9999


@dataclass(frozen=True)
class Summary:
    """Of one figure over seeds.

    Attributes:
        seeds: number of them.
        iqm: interquartile mean.
        low, high: 95 % percentile bootstrap interval of it; None with fewer than ``FEWEST`` seeds.
    """

    seeds: int
    iqm: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{self.iqm:+.3f}" + ("" if self.low is None else f" [{self.low:+.3f}, {self.high:+.3f}]")


def iqm(values: Sequence[float]) -> float:
    """Mean of the middle half: a quarter of the values, rounded down, is cut at either end."""
    return float(trim_mean(values, 0.25))


def summarise(values: Sequence[float], seed: int = 0) -> Summary:
    """Interquartile mean of a figure, one value per seed, with its interval.

    Args:
        values: of at least one seed.
        seed: of the resampling.
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < FEWEST:
        return Summary(len(sample), iqm(values))
    if np.ptp(sample) == 0:
        return Summary(len(sample), float(sample[0]), float(sample[0]), float(sample[0]))
    found = bootstrap(
        (sample,),
        lambda x, axis: trim_mean(x, 0.25, axis=axis),
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Summary(len(sample), iqm(values), float(found.low), float(found.high))
