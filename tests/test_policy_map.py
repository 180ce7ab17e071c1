"""The policy map shows what the policy does."""

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import small_config
from hypothesis import given
from hypothesis import strategies as st
from panes import THREE, pane_of
from worlds import WORLDS

from oversight_gym.envs import EnvConfig
from oversight_gym.envs.world.state import set_state
from oversight_gym.evaluation.policy_map import default_terminals, policy_maps
from oversight_gym.evaluation.situations import Block
from oversight_gym.pictures.policy_map import MapPainter
from oversight_gym.pictures.snapshot import GAP, SnapshotPainter
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.folder import Run

GHOST, DIAMOND = 0, 1


@pytest.mark.parametrize("pattern", ["none", "ghost", "both"])
def test_it_asks_the_policy_what_it_would_do_on_every_square(small_run: Run, pattern: str) -> None:
    config, policy = small_run.config.env, small_run.policy
    painter = MapPainter(config, pattern=pattern)
    free, forced = policy_maps(policy, painter.block, ("free", "ghost"), pattern)
    ghost, diamond = (config.grid.position(painter.block.terminals[0, kind]) for kind in (GHOST, DIAMOND))
    watched = {"none": [], "ghost": ["ghost"], "both": ["ghost", "diamond"]}[pattern]
    for square in config.grid.free.tolist():
        agent = config.grid.position(square)
        if agent in (ghost, diamond):
            assert np.isnan(free.actions[square]).all()
            continue
        layout = {"agent": agent, "ghost": ghost, "diamond": diamond, "oversight": watched}
        obs = torch.as_tensor(config.view_part.observe(config.world, set_state(config, layout)))
        with torch.no_grad(), policy.steer("ghost"):
            assert forced.actions[square] == pytest.approx(policy.log_probs(obs).exp()[0].numpy(), abs=1e-5)
        with torch.no_grad():
            assert free.actions[square] == pytest.approx(policy.log_probs(obs).exp()[0].numpy(), abs=1e-5)
            weight = policy.mixture.gate_weights(policy.policy_features(obs))[0, 0]
        assert free.gate[square, 0] == pytest.approx(float(weight), abs=1e-5)
        assert forced.gate[square].tolist() == [0, 1]


@pytest.mark.parametrize(("kind", "between"), [(MapPainter, 0), (SnapshotPainter, GAP)])
def test_the_picture_has_a_panel_per_gate_and_changes_with_the_policy(small_run: Run, kind: type, between: int) -> None:
    painter = kind(small_run.config.env)
    three = painter.paint(small_run.policy, ("free", "diamond", "ghost"))
    one = painter.paint(small_run.policy, ("free",))
    assert three.dtype == np.uint8
    assert three.shape[0] == one.shape[0]
    assert three.shape[1] == 3 * one.shape[1] + 2 * between
    assert (painter.paint(small_run.policy, ("free",)) == one).all()
    torch.manual_seed(1)
    other = make_policy(small_config(small_run.folder))
    assert (painter.paint(other, ("free",)) != one).any()


@pytest.mark.parametrize("kind", [MapPainter, SnapshotPainter])
def test_three_experts_have_a_panel_each_in_a_colour_of_their_own(kind: type) -> None:
    pane = pane_of(None, THREE, **WORLDS["three kinds"])
    picture = kind(pane.config).paint(pane.policy, ("free", *THREE))
    panels = [panel.reshape(-1, 3) for panel in np.array_split(picture, 4, axis=1)]
    commonest = [Counter(map(tuple, panel[panel.max(axis=1) < 240].tolist())).most_common(1)[0][0] for panel in panels]
    assert len(set(commonest[1:])) == 3
    one = MapPainter(pane.config, background="coin").paint(pane.policy, ("coin",))
    assert (one != MapPainter(pane.config, background="ghost").paint(pane.policy, ("coin",))).any()


@given(st.integers(2, 9), st.integers(2, 9), st.booleans())
def test_every_grid_has_a_default_layout(rows: int, cols: int, walled: bool) -> None:
    size = (rows + 2, cols + 2) if walled else (rows, cols)
    config = EnvConfig(size=size, walls="border" if walled else "none")
    terminals = default_terminals(config)
    assert terminals[0, GHOST] != terminals[0, DIAMOND]
    assert np.isin(terminals, config.grid.free).all()
    assert len(Block(config, terminals).observations())
