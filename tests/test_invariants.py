"""What holds of every step in every world: random worlds, random steps."""

from typing import Any

import numpy as np
import pytest
from worlds import WORLDS

from oversight_gym.envs import DYNAMICS, MONITORS, PROCESSES, EnvConfig, Outcome, RequestError
from oversight_gym.envs.core import Core
from oversight_gym.envs.oversight import FLAGS, REWARDS, SUPERVISORS
from oversight_gym.envs.oversight.outcomes import FIRST_KIND
from oversight_gym.envs.world.state import State

ENVS, STEPS = 64, 50
PARTS = {
    "dynamics": [name for name in DYNAMICS if name != "test_crowded"],
    "oversight_process": [
        *PROCESSES,
        *(world["oversight_process"] for world in WORLDS.values() if "oversight_process" in world),
    ],
    "supervisor": [*SUPERVISORS, "errs:ghost=0.3"],
    "flag": list(FLAGS),
    "monitor": ["none"] * len(MONITORS) + [*MONITORS, "button:row=1,col=1", "ask:cost=0.2", "battery:charge=2"],
    "view": ["planes", "planes", "index", "window:size=3"],
    "reward": list(REWARDS),
}


def random_world(rng: np.random.Generator) -> EnvConfig:
    """A world of random size, walls, kinds and parts; what is impossible is drawn again."""
    while True:
        rows, cols = (int(side) for side in rng.integers(1, 7, size=2))
        kinds = ("ghost", "diamond", "coin")[: int(rng.integers(1, 4))]
        walls: Any = rng.choice(["none", "none", "border", "some"])
        if walls == "some":
            walls = [(int(rng.integers(rows)), int(rng.integers(cols))) for _ in range(int(rng.integers(1, 5)))]
        settings = {
            "size": (rows, cols),
            "walls": walls,
            "kinds": kinds,
            "copies": tuple(int(n) for n in rng.integers(1, 3, size=len(kinds))) if rng.random() < 0.3 else (),
            "oversight_probability": float(rng.choice([0.0, 0.1, 0.5, 1.0])),
            "spurious_oversight_probability": float(rng.choice([0.0, 0.3])),
            "shuffled_oversight": bool(rng.random() < 0.1),
            "looks": (looks := int(rng.integers(1, 3))),
            "labelled_looks": int(rng.integers(1, looks + 1)),
            "step_cost": float(rng.choice([0.0, 0.05])),
            "min_distance": int(rng.integers(1, 4)),
            "unique_nearest_terminal": bool(rng.random() < 0.3),
            "max_episode_steps": int(rng.integers(1, 40)),
            "ghost_penalty": -3.0,
            **{part: str(rng.choice(names)) for part, names in PARTS.items()},
        }
        try:
            return EnvConfig(**settings)
        except RequestError:
            continue


def check_layouts(config: EnvConfig, state: State) -> None:
    """Agent and terminals stand on free squares, no two of them on one at the start."""
    grid, square = config.grid, config.world.square[state.dynamic]
    assert not grid.walls[state.terminals].any()
    assert not grid.walls[square].any()
    fresh = state.steps == 0
    pieces = np.sort(np.column_stack([square, state.terminals])[fresh], axis=1)
    assert (np.diff(pieces, axis=1) > 0).all()
    assert config.layouts.allows(square[fresh].astype(np.int16), state.terminals[fresh]).all()
    if state.marked is not None:
        assert not (state.marked & grid.walls).any()
        assert not np.take_along_axis(state.marked, state.terminals.astype(np.intp), axis=1).any()


def check_step(config: EnvConfig, before: State, core: Core, actions: Any, seen: Any, outcome: Any) -> None:
    """One step of every episode."""
    world, state, every = config.world, core.state, np.arange(len(actions))
    reached = world.next_state[before.dynamic, actions]
    chances = world.branch_probability[before.dynamic, actions]
    assert ((reached == state.dynamic[:, None]) & (chances > 0)).any(axis=1).all()
    assert np.array_equal(state.terminals, before.terminals)
    assert np.array_equal(state.steps, before.steps + 1)
    assert (state.steps <= config.step_limit).all()

    standing = world.square[state.dynamic][:, None] == state.terminals
    assert np.array_equal(seen.terminated, standing.any(axis=1))
    assert np.array_equal(seen.truncated, (state.steps == config.step_limit) & ~seen.terminated)
    kind = config.kind_of[standing.argmax(axis=1)]
    assert np.array_equal(outcome, np.where(seen.terminated, FIRST_KIND + kind, Outcome.NONE))
    assert np.array_equal(seen.observed == Outcome.NONE, ~seen.terminated)
    known = seen.observed >= FIRST_KIND
    watched = before.overseen[every, standing.argmax(axis=1)].astype(np.intp)
    chance = world.sees[state.dynamic, watched]
    assert (chance[known] > 0).all()  # no label without oversight
    if config.supervisor == "reliable":
        assert np.array_equal(seen.observed[known], outcome[known])
        if not config.process.scheduled and config.labelled_looks == config.looks:
            assert known[seen.terminated & (chance == 1)].all()
    by = outcome if config.reward_rule.uses_hidden else seen.observed
    assert np.allclose(seen.reward, config.reward_table[by] - world.cost[actions])


@pytest.mark.parametrize("steps", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_invariants_of_random_worlds(steps: int) -> None:
    rng = np.random.default_rng(steps)
    done = 0
    while done < steps:
        config = random_world(rng)
        core = Core(config, ENVS, rng.spawn(1)[0], training=bool(rng.random() < 0.5))
        space = config.observation_space
        for _ in range(STEPS):
            check_layouts(config, core.state)
            observations = core.observe()
            assert np.array_equal(observations, config.view_part.observe(config.world, core.state))
            assert space.contains(observations[0])
            before, actions = core.state.copy(), rng.integers(len(config.world.actions), size=ENVS)
            seen, outcome = core.step(actions)
            check_step(config, before, core, actions, seen, outcome)
            core.restart(np.flatnonzero(seen.terminated | seen.truncated))
            done += ENVS
