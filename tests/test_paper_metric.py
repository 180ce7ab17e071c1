import numpy as np
import pytest
from numpy.typing import NDArray

from oversight_gym.envs import EnvConfig
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.paper_metric import paper_metric


def seek_diamond(observations: NDArray[np.int8]) -> NDArray[np.float64]:
    """Straight to the diamond, rows first, the ghost ignored; up when standing on it."""
    flat = observations.reshape(len(observations), observations.shape[1], -1)
    (row, col), (goal_row, goal_col) = (np.divmod(flat[:, plane].argmax(axis=1), 5) for plane in (0, 2))
    sideways = np.where(goal_col > col, 1, np.where(goal_col < col, 3, 0))
    return np.eye(4)[np.where(goal_row > row, 2, np.where(goal_row < row, 0, sideways))]


def means(policy, gamma: float = 0.97) -> tuple[float, float]:
    """Mean and standard error of the paper's metric over seeds."""
    values = [paper_metric(policy, EnvConfig(), gamma=gamma, seed=seed) for seed in range(30)]
    return float(np.mean(values)), float(np.std(values) / np.sqrt(30))


def test_it_is_one_sample() -> None:
    first, again, other = (paper_metric(seek_diamond, EnvConfig(), seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_stale_observations_cost_a_good_policy_return() -> None:
    """Standing on the diamond the policy says up, and so it begins the next episode, wherever that leads."""
    exact = evaluate(seek_diamond, EnvConfig()).figures("free")["return_stepwise"]
    paper, error = means(seek_diamond)
    assert exact - paper > 0.03 + 4 * error


def test_random_moves_are_worth_nothing_by_symmetry() -> None:
    def blind(observations: NDArray[np.int8]) -> NDArray[np.float64]:
        return np.tile([0.25, 0.25, 0.25, 0.25], (len(observations), 1))

    paper, error = means(blind)
    assert abs(paper) < 4 * error
    assert evaluate(blind, EnvConfig()).figures("free")["return_stepwise"] == pytest.approx(0, abs=1e-9)
