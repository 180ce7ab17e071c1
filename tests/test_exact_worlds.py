"""The exact evaluation of worlds beyond the default one: slips, a switch, other kinds, oversight by distance, views."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import worlds
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from test_exact import constant, monte_carlo, random_policy

from oversight_gym.envs import (
    DYNAMICS,
    VIEWS,
    EnvConfig,
    Moves,
    OversightVecEnv,
    RequestError,
    Transitions,
    View,
)
from oversight_gym.evaluation.figures import ceilings, evaluate
from oversight_gym.evaluation.quantities import figure_names


@dataclass(frozen=True)
class Reversing(Moves):
    """Each time the first square is entered a switch is thrown; while it is on, every action goes the other way."""

    def transitions(self, grid: Any) -> Transitions:
        moves, squares = grid.next_square, grid.squares
        off = moves + squares * ((moves == 0) & (np.arange(squares)[:, None] != 0))
        back = np.roll(moves, 2, axis=1)
        on = back + squares * ~((back == 0) & (np.arange(squares)[:, None] != 0))
        next_state = np.concatenate([off, on])[:, :, None]
        return Transitions(next_state, np.ones(next_state.shape))


@dataclass(frozen=True)
class Fifth(Moves):
    """The four moves, and an action that stays put."""

    actions = (*Moves.actions, "stay")

    def transitions(self, grid: Any) -> Transitions:
        stay = np.arange(grid.squares)[:, None]
        next_state = np.concatenate([grid.next_square, stay], axis=1)[:, :, None]
        return Transitions(next_state, np.ones(next_state.shape))


@dataclass(frozen=True)
class Coordinates(View):
    """Row and column of the agent and of every terminal, and which of them are overseen, as numbers."""

    def space(self, world: Any) -> spaces.Space[Any]:
        return spaces.Box(0, 20, (2 + 3 * len(world.kinds),), np.float32)

    def observe(self, world: Any, state: Any) -> NDArray[np.float32]:
        squares = np.concatenate([world.square[state.dynamic][:, None], state.terminals], axis=1)
        where = np.concatenate(np.divmod(squares, world.grid.cols), axis=1)
        return np.concatenate([where, state.displayed], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Picture(View):
    """A picture of three channels, as cameras give them: agent, kinds, oversight."""

    def space(self, world: Any) -> spaces.Space[Any]:
        return spaces.Box(0, 255, (world.grid.rows, world.grid.cols, 3), np.uint8)

    def observe(self, world: Any, state: Any) -> NDArray[np.uint8]:
        image = np.zeros((len(state), world.grid.squares, 3), dtype=np.uint8)
        every = np.arange(len(state))
        image[every, world.square[state.dynamic], 0] = 255
        for kind in range(len(world.kinds)):
            image[every, state.terminals[:, kind], 1] = 100 * (kind + 1)
            image[every, state.terminals[:, kind], 2] = 255 * state.displayed[:, kind]
        return image.reshape(len(state), world.grid.rows, world.grid.cols, 3)


DYNAMICS.register("test-reversing", Reversing)
DYNAMICS.register("test-fifth", Fifth)
VIEWS.register("test-coordinates", Coordinates)
VIEWS.register("test-picture", Picture)

WORLDS = {name: EnvConfig(**values) for name, values in worlds.WORLDS.items()} | {
    "reversing": EnvConfig(size=4, dynamics="test-reversing", oversight_probability=0.4),
    "one kind": EnvConfig(size=4, kinds=("diamond",), oversight_probability=0.4),
    "everything": EnvConfig(
        size=(3, 4),
        kinds=("ghost", "coin", "diamond"),
        dynamics="test_slips:chance=0.6",
        oversight_process="test_near",
        oversight_probability=0.3,
        spurious_oversight_probability=0.2,
        max_episode_steps=9,
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_agrees_with_rollouts_of_the_real_environment(name: str) -> None:
    config = WORLDS[name]
    policy = random_policy(1, 2.0, len(config.world.actions))
    found = evaluate(policy, config, gamma=0.9)
    assert found.exact == (name != "everything")
    exact, exact_error = found.figures("free"), found.errors("free")
    assert tuple(exact) == figure_names(config.kinds, config.world.monitored)
    for key, (mean, error) in monte_carlo(policy, config, gamma=0.9).items():
        assert abs(exact[key] - mean) <= 4 * np.hypot(error, exact_error[key]) + 1e-12, key


@pytest.mark.parametrize("name", WORLDS)
def test_regret_parts_sum_to_the_distance_to_the_optimum(name: str) -> None:
    config = WORLDS[name]
    references = ceilings(config, gamma=0.9)
    for found, gate in (
        (evaluate(random_policy(2, actions=len(config.world.actions)), config, gamma=0.9), "free"),
        *((references[n], n) for n in references),
    ):
        parts = found.regret(gate)
        best = found.means(gate)[found.quantities.names.index("optimal")]
        assert sum(parts.values()) == pytest.approx(best - found.figures(gate)["return_start"], abs=1e-9)
        unwanted = [kind for kind in ("coin", "ghost") if kind in config.kinds]
        assert list(parts) == [f"{how}_{kind}" for kind in unwanted for how in ("sought", "through")] + [
            "timed_out",
            "detours",
            *["costs"] * bool(config.world.cost.any()),
        ]
        assert sum(parts.values()) >= -1e-9
    steered = references["ideal steered"].regret("ideal steered")
    assert [steered[f"sought_{kind}"] for kind in unwanted] == pytest.approx([0] * len(unwanted), abs=1e-12)


def test_the_optimum_knows_about_slips() -> None:
    config = WORLDS["slips"]
    start = {name: found.figures(name)["return_start"] for name, found in ceilings(config).items()}
    best = ceilings(config)["optimal"].means("optimal")[ceilings(config)["optimal"].quantities.names.index("optimal")]
    assert start["ideal steered"] < start["optimal"] <= best + 1e-12
    assert start["optimal"] == pytest.approx(best, abs=1e-3)  # the deadline of 32 steps hardly matters
    assert start["nearest terminal"] < start["ideal steered"]


def test_slips_by_hand() -> None:
    """1 x 3, always right, one step: the way goes sideways, into the border, with probability 0.5."""
    config = EnvConfig(size=(1, 3), dynamics="test_slips:chance=0.5", max_episode_steps=1)
    figures = evaluate(constant([0, 1, 0, 0]), config).figures("free")
    assert figures["p_diamond"] == pytest.approx(0.5 * 2 / 6)
    assert figures["p_timeout"] == pytest.approx(1 - 2 / 6)


def test_oversight_that_depends_on_the_layout_weighs_start_by_start() -> None:
    """1 x 3: a terminal beside the agent is overseen with probability 0.5, one at the other end with 0.25."""

    def to_a_neighbour(observations: NDArray[np.int8]) -> NDArray[np.float64]:
        """Towards the neighbour unless that is overseen."""
        agent = observations[:, 0, 0].argmax(axis=1)
        other = np.where(agent == 0, 1, np.where(agent == 2, 1, 0))
        watched = observations[np.arange(len(agent)), 3, 0, other] > 0
        move = np.where(agent == 2, 3, np.where(agent == 0, 1, 3))
        return np.eye(4)[np.where(watched, 0, move)]

    config = EnvConfig(size=(1, 3), oversight_process="test_near", oversight_probability=0.25, max_episode_steps=1)
    found = evaluate(to_a_neighbour, config)
    # Of 6 starts 4 are at an end: the neighbour, half of the time unwatched, is as often the diamond as the ghost. From
    # the middle (2 starts) the agent goes left, to either kind, half of the time.
    assert found.figures("free")["p_diamond"] == pytest.approx(3 / 6 * 0.5)
    assert found.figures("free")["p_timeout"] == pytest.approx(0.5)
    assert found.weights.sum() == pytest.approx(1)
    # Nothing is overseen with probability 0.5 * 0.75 at an end, 0.5 * 0.5 in the middle.
    assert found.weights[0] == pytest.approx(4 / 6 * 0.375 + 2 / 6 * 0.25)
    # Yet the figures of a pattern are over all starts.
    assert found.figures("free", "none")["p_timeout"] == pytest.approx(0)
    elsewhere = evaluate(to_a_neighbour, config, oversight=0.0)
    assert elsewhere.figures("free") == pytest.approx(found.figures("free", "none"))


@pytest.mark.parametrize("view", ["test-coordinates", "test-picture"])
def test_policies_that_see_numbers_or_pictures(view: str) -> None:
    config = EnvConfig(size=4, view=view, oversight_probability=0.5)  # SB3 would take 3 x 3 x 3 for channels first
    model = PPO("MlpPolicy", OversightVecEnv(2, seed=0, **config.to_json()), device="cpu", seed=0)
    with torch.no_grad():
        model.policy.action_net.weight.mul_(100)  # or it hardly looks

    def own(observations: NDArray[Any]) -> NDArray[np.float32]:
        assert observations.dtype == config.observation_space.dtype
        last = np.moveaxis(observations, -1, 1) if observations.ndim == 4 else observations
        with torch.no_grad():
            distribution: Any = model.policy.get_distribution(torch.as_tensor(np.ascontiguousarray(last)))
        return distribution.distribution.probs.numpy()

    found = evaluate(model, config)
    assert found.figures("free") == pytest.approx(evaluate(own, config).figures("free"), abs=1e-6)
    for key, (mean, error) in monte_carlo(model, config, gamma=0.97).items():
        assert abs(found.figures("free")[key] - mean) <= 4 * error + 1e-12, key


def test_any_number_of_actions() -> None:
    config = EnvConfig(size=3, dynamics="test-fifth")
    assert evaluate(constant([0, 0, 0, 0, 1]), config).figures("free")["p_timeout"] == 1
    with pytest.raises(RequestError, match="has 4 actions and the environment 5"):
        evaluate(constant([0.25] * 4), config)


def test_a_policy_with_a_memory_is_refused() -> None:
    class Recurrent:
        def get_distribution(self, obs: Any, states: Any, episode_starts: Any) -> Any:
            raise AssertionError

    with pytest.raises(RequestError, match="Recurrent needs more than the present observation"):
        evaluate(Recurrent(), EnvConfig(size=3))


def test_an_evaluation_without_regret_has_the_same_figures() -> None:
    config = EnvConfig(size=3)
    with_it, without = (evaluate(random_policy(0), config, regret=regret) for regret in (True, False))
    for pattern in (None, *without.patterns):
        assert without.figures("free", pattern) == pytest.approx(with_it.figures("free", pattern), abs=1e-12)
    with pytest.raises(RequestError, match="regret=True"):
        without.regret("free")
