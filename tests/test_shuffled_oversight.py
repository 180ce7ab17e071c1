"""Oversight shown to the policy that has nothing to do with the supervisor's."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from oversight_gym.envs import EnvConfig, Outcome, OversightGridEnv, RequestError
from oversight_gym.envs.sb3 import OversightVecEnv
from oversight_gym.envs.world.state import draw_state, layout_of, set_state
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.quantities import figure_names
from oversight_gym.runs import build

PLANES = ("agent", "ghost", "diamond", "oversight")
SHUFFLED = EnvConfig(size=4, oversight_probability=0.3, shuffled_oversight=True)


def watched_only(observations: np.ndarray) -> np.ndarray:
    """A policy that seeks the diamond's row where anything is shown as overseen, and wanders where nothing is."""
    shown = observations[:, PLANES.index("oversight")].any(axis=(1, 2))
    agent, diamond = (observations[:, PLANES.index(name)].any(axis=2).argmax(axis=1) for name in ("agent", "diamond"))
    towards = np.where((diamond > agent)[:, None], [0.1, 0.2, 0.5, 0.2], [0.5, 0.2, 0.1, 0.2])
    return np.where(shown[:, None], towards, 0.25)


def test_what_is_shown_is_drawn_alike_and_independently() -> None:
    state = draw_state(SHUFFLED, np.random.default_rng(0), 100_000)
    assert state.shown is not None
    for kind in range(2):
        assert state.shown[:, kind].mean() == pytest.approx(0.3, abs=0.01)
        assert np.corrcoef(state.shown[:, kind], state.overseen[:, kind])[0, 1] == pytest.approx(0, abs=0.015)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_supervisor_sees_by_its_own_oversight(seed: int) -> None:
    env = OversightVecEnv(64, seed=seed, **SHUFFLED.to_json())
    env.reset()
    rng = np.random.default_rng(seed)
    for _ in range(50):
        state = env.core.state.copy()
        observations, _, dones, infos = env.step(rng.integers(4, size=64))
        assert state.shown is not None
        for index in np.flatnonzero(dones):
            truth = infos[index]["hidden"]["outcome"]
            if truth != Outcome.NONE:
                watched = state.overseen[index, ["GHOST", "DIAMOND"].index(truth.name)]
                assert infos[index]["observed_outcome"] == (truth if watched else Outcome.UNKNOWN)
        now = env.core.state
        assert now.shown is not None
        for kind in range(2):
            seen = observations[:, PLANES.index("oversight")].reshape(64, -1)[np.arange(64), now.terminals[:, kind]]
            assert (seen == now.shown[:, kind]).all()


def test_a_layout_says_what_is_shown() -> None:
    layout = {"agent": (0, 0), "ghost": (1, 1), "diamond": (2, 2), "oversight": ["ghost"], "shown": ["diamond"]}
    assert layout_of(SHUFFLED, set_state(SHUFFLED, layout)) == layout
    env = OversightGridEnv(**SHUFFLED.to_json())
    observation, _ = env.reset(options=layout)
    assert np.argwhere(observation[PLANES.index("oversight")]).tolist() == [[2, 2]]
    with pytest.raises(RequestError, match="shown is given"):
        set_state(EnvConfig(size=4), layout)
    with pytest.raises(RequestError, match="shown names 'dragon'"):
        set_state(SHUFFLED, layout | {"shown": ["dragon"]})


@pytest.mark.parametrize("exact", [True, False])
def test_every_pattern_is_the_mixture_over_what_is_shown(exact: bool) -> None:
    plain = EnvConfig(size=4, oversight_probability=0.3)
    by_shown, shuffled = (evaluate(watched_only, config, exact=exact) for config in (plain, SHUFFLED))
    for key in figure_names(plain.kinds):
        tolerance = None if exact else 0.05 * max(1.0, by_shown.figures("free")["length"])  # other draws
        assert shuffled.figures("free")[key] == pytest.approx(by_shown.figures("free")[key], abs=tolerance)
        found = [shuffled.figures("free", pattern)[key] for pattern in shuffled.patterns]
        assert all(one == other for one, other in pairwise(found))
    unwatched = [evaluation.figures("free", "none")["return_start"] for evaluation in (by_shown, shuffled)]
    assert abs(unwatched[0] - unwatched[1]) > 1e-3
    if not exact:
        assert shuffled.errors("free")["return_start"] > 0.9 * by_shown.errors("free")["return_start"] > 0


def test_the_method_trains_on_it(tmp_path: Path) -> None:
    model = build.make_model(small_config(tmp_path, method="shuffled_oversight"))
    state = model.env.core.state
    assert state.shown is not None
    assert (state.shown != state.overseen).any()
