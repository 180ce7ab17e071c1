"""The coverage of intervals over few seeds, by simulation; prints the table of docs/sweeps.md.

    python scripts/interval_coverage.py

It takes minutes on one core. Coverage refers to the quantity that each estimator estimates, so the interquartile mean
is not blamed for its bias.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, trim_mean

from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.statistics import summarise

Sample = NDArray[np.float64]
Interval = tuple[float, float]
SEEDS, RESAMPLES, TRIES = (3, 5, 10), 1000, 2000
TAILS = (0.025, 0.975)


def _two_sorts(share: float, high: float, spread: float, low: float) -> Callable[..., Sample]:
    def draw(rng: np.random.Generator, size: Any) -> Sample:
        well = rng.random(size) < share
        return np.where(well, rng.normal(high, spread, size), rng.normal(low, 0.1, size))

    return draw


DISTRIBUTIONS: dict[str, Callable[..., Sample]] = {
    "normal": lambda rng, size: rng.normal(0.7, 0.05, size),
    "skewed (exponential)": lambda rng, size: 0.75 - rng.exponential(0.05, size),
    "below a ceiling (beta)": lambda rng, size: rng.beta(8, 1.5, size),
    "of two sorts, 60 to 40": _two_sorts(0.6, 0.68, 0.04, 0.2),
    "of two sorts, 80 to 20": _two_sorts(0.8, 0.74, 0.01, 0.3),
}
"""The distributions of returns over seeds; those of two sorts are like routing's at 1 % oversight."""


def _iqm(sample: Sample) -> Sample:
    found: Sample = trim_mean(sample, 0.25, axis=-1)
    return found


def _mean(sample: Sample) -> Sample:
    found: Sample = sample.mean(axis=-1)
    return found


def _resampled(sample: Sample, rng: np.random.Generator) -> Sample:
    found: Sample = sample[rng.integers(0, len(sample), (RESAMPLES, len(sample)))]
    return found


def student(sample: Sample, rng: np.random.Generator) -> Interval:
    """The interval in use."""
    found = summarise(sample.tolist())
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def percentile(sample: Sample, rng: np.random.Generator) -> Interval:
    low, high = np.quantile(_iqm(_resampled(sample, rng)), TAILS)
    return low, high


def bca(sample: Sample, rng: np.random.Generator) -> Interval:
    means, mean = _mean(_resampled(sample, rng)), sample.mean()
    below = np.mean(means < mean) + np.mean(means == mean) / 2
    bias = norm.ppf(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    spread = np.array([mean - np.delete(sample, left_out).mean() for left_out in range(len(sample))])
    skew = (spread**3).sum() / (6 * (spread**2).sum() ** 1.5)
    z = bias + norm.ppf(TAILS)
    low, high = np.quantile(means, norm.cdf(bias + z / (1 - skew * z)))
    return low, high


def studentised(sample: Sample, rng: np.random.Generator) -> Interval:
    others, root = _resampled(sample, rng), np.sqrt(len(sample))
    others = others[np.ptp(others, axis=1) > 0]
    low, high = np.quantile((_mean(others) - sample.mean()) / (others.std(axis=1, ddof=1) / root), TAILS)
    error = sample.std(ddof=1) / root
    return sample.mean() - high * error, sample.mean() - low * error


INTERVALS: dict[str, tuple[Callable[..., Interval], Callable[[Sample], Sample]]] = {
    "Student's t, mean": (student, _mean),
    "percentile bootstrap, interquartile mean": (percentile, _iqm),
    "BCa bootstrap, mean": (bca, _mean),
    "studentised bootstrap, mean": (studentised, _mean),
}


def cell(draw: Callable[..., Sample], interval: Callable[..., Interval], estimate: Callable[[Sample], Sample]) -> str:
    """Coverage in per cent and median width, at each number of seeds."""
    cells = []
    for seeds in SEEDS:
        rng = np.random.default_rng(0)
        truth = estimate(draw(rng, (200_000, seeds))).mean()
        found = np.array([interval(draw(rng, seeds), rng) for _ in range(TRIES)])
        covered = np.mean((found[:, 0] <= truth) & (truth <= found[:, 1]))
        cells.append(f"{100 * covered:.0f} ({np.median(found[:, 1] - found[:, 0]):.2f})")
    return ", ".join(cells)


def main() -> None:
    lines = [[name, *(cell(draw, *how) for how in INTERVALS.values())] for name, draw in DISTRIBUTIONS.items()]
    print(markdown(["seeds are", *INTERVALS], lines))


if __name__ == "__main__":
    main()
