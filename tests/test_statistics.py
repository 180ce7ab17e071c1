"""Intervals hold what they should as often as they say, by simulation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, mannwhitneyu, norm, ttest_1samp

from oversight_gym.analysis.statistics import FEWEST, improvement, paired_improvement, summarise

Sample = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
TRIES = 3000


def two_sorts(rng: np.random.Generator, size: tuple[int, ...]) -> Sample:
    """Like the seeds of routing at 1 % oversight: most get there, some do not."""
    return np.where(rng.random(size) < 0.6, rng.normal(0.68, 0.04, size), rng.normal(0.2, 0.1, size))


CASES: dict[str, tuple[Callable[[np.random.Generator, tuple[int, ...]], Sample], float, tuple[float, ...]]] = {
    "normal": (lambda rng, size: rng.normal(0.7, 0.05, size), 0.7, (0.95, 0.95, 0.95)),
    "skewed": (lambda rng, size: 0.75 - rng.exponential(0.05, size), 0.7, (0.88, 0.89, 0.90)),
    "two sorts": (two_sorts, 0.6 * 0.68 + 0.4 * 0.2, (0.73, 0.91, 0.935)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_interval_of_the_mean_covers_what_its_docstring_says(name: str) -> None:
    draw, truth, expected = CASES[name]
    for seeds, wanted in zip((3, 5, 10), expected, strict=True):
        summaries = [summarise(sample.tolist()) for sample in draw(np.random.default_rng(seeds), (TRIES, seeds))]
        covered = np.mean([s.low <= truth <= s.high for s in summaries if s.low is not None and s.high is not None])
        assert covered == pytest.approx(wanted, abs=0.02), seeds


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_the_intervals_of_improvement_cover_at_least_nearly_as_much(seeds: int, shift: float) -> None:
    rng, truth = np.random.default_rng(0), norm.cdf(shift / np.sqrt(2))
    pairs = [(rng.normal(shift, 1, seeds), rng.normal(0, 1, seeds)) for _ in range(800)]
    found = {
        "any two": [improvement(mine.tolist(), theirs.tolist()) for mine, theirs in pairs],
        "pairs": [paired_improvement((mine - theirs).tolist()) for mine, theirs in pairs],
    }
    for name, improvements in found.items():
        assert np.mean([i.low <= truth <= i.high for i in improvements]) >= (0.87 if seeds == 3 else 0.92), name


values = st.lists(st.floats(-1, 1).map(lambda value: round(value, 6)), min_size=1, max_size=12)


@given(values)
def test_a_summary_is_students_interval(sample: list[float]) -> None:
    found = summarise(sample)
    assert found.mean == pytest.approx(np.mean(sample))
    if len(sample) < FEWEST:
        assert (found.low, found.high) == (None, None)
    elif np.ptp(sample) > 1e-5:
        interval = ttest_1samp(sample, 0).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        clipped = summarise(sample, (-1, 1))
        assert (clipped.low, clipped.high) == pytest.approx((max(-1, interval.low), min(1, interval.high)))


@given(values, values)
def test_improvement_agrees_with_scipy(mine: list[float], theirs: list[float]) -> None:
    found, turned = improvement(mine, theirs), improvement(theirs, mine)
    assert found.probability == pytest.approx(mannwhitneyu(mine, theirs).statistic / (len(mine) * len(theirs)))
    assert 0 <= found.low <= found.probability <= found.high <= 1
    assert (turned.low, turned.probability, turned.high) == pytest.approx(
        (1 - found.high, 1 - found.probability, 1 - found.low), abs=1e-6
    )


@pytest.mark.parametrize("wins", range(6))
def test_paired_improvement_is_wilsons_interval(wins: int) -> None:
    found = paired_improvement([0.1] * wins + [-0.2] * (5 - wins))
    expected = binomtest(wins, 5).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert paired_improvement([0.0, 0.1]).probability == 0.75
