"""How a policy is steered along its gate and beyond it."""

import pytest
import worlds
from panes import THREE, pane_of

from oversight_gym.agents import Contrast
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.steering import steer

assert worlds


def test_the_curve_of_three_experts_goes_from_the_last_to_the_first_and_beyond() -> None:
    pane = pane_of(experts=THREE, kinds=("ghost", "diamond", "coin"), size=2, max_episode_steps=4)
    assert pane.policy is not None
    steering = steer(pane.policy, pane.config, points=3, contrast=0.6)
    assert steering.values == (0, 0.5, 1, 1.25, 1.5)
    assert steering.plain == ["0", "0.5", "1"]
    named = {
        "0": "ghost",
        "0.5": (0.5, 0, 0.5),
        "1": "coin",
        "1.25": Contrast("coin", 0.25),
        "1.5": (1.5, -0.25, -0.25),
    }
    expected = evaluate(pane.policy, pane.config, named)
    for name in named:
        assert steering.evaluation.figures(name) == pytest.approx(expected.figures(name), abs=1e-9)
    plain = steer(pane.policy, pane.config, points=3, contrast=0)
    assert plain.localisation() == pytest.approx(steering.localisation(), abs=1e-9)
