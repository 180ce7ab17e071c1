"""The examples of docs/extending.md do what that page says, each run from its file."""

import re
import runpy
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from forked import run_forked
from gymnasium.utils.env_checker import check_env

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= (250 if path.name == "routed_ppo.py" else 80)


@pytest.fixture(scope="module")
def routed_ppo() -> ModuleType:
    spec = spec_from_file_location("routed_ppo", EXAMPLES / "routed_ppo.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_routed_ppo(*options: str) -> dict[str, float]:
    """The stepwise return by gate that the one-file example prints on a 3 x 3 grid."""
    small = "--size 3 3 --oversight 0.3 --num-envs 128 --num-steps 32 --minibatch-size 512 --width 64 --seed 1"
    found = run_forked([str(EXAMPLES / "routed_ppo.py"), *small.split(), "--gate-coef", "0.02", *options])
    assert found.returncode == 0, found.stderr
    _, header, *rows = (line.split() for line in found.stdout.splitlines())
    assert header[1] == "return_stepwise"
    return {gate: float(stepwise) for gate, stepwise, *_ in rows}


@pytest.mark.slow
def test_the_one_file_example_steers_and_its_control_does_not() -> None:
    routed, control = (small_routed_ppo("--total-timesteps", "500000", flag) for flag in ("--routed", "--no-routed"))
    assert routed["diamond"] > 0.15
    assert routed["ghost"] < -0.3
    assert routed["diamond"] - routed["ghost"] > control["diamond"] - control["ghost"] + 0.5


def test_the_one_file_example_labels_finished_episodes_and_drops_only_the_steps_that_begin_one(
    routed_ppo: ModuleType,
) -> None:
    outcome, dropped, unlabelled = routed_ppo.Outcome, routed_ppo.DROPPED, routed_ppo.UNLABELLED
    observed, ended, ignored = np.zeros((3, 7, 1), dtype=int)
    for step, seen in {1: outcome.GHOST, 4: outcome.UNKNOWN}.items():
        observed[step], ended[step], ignored[step + 1] = seen, 1, 1
    labels = routed_ppo.fill_back(observed, ended.astype(bool), ignored.astype(bool))[:, 0]
    ghost = routed_ppo.GHOST
    assert labels.tolist() == [ghost, ghost, dropped, unlabelled, unlabelled, dropped, unlabelled]


def test_the_one_file_example_bootstraps_a_truncated_episode_from_its_own_last_observation(
    routed_ppo: ModuleType,
) -> None:
    rewards = np.array([[0.0], [0.0], [0.0], [1.0]])
    values = np.array([[0.1], [0.2], [0.4], [0.8], [100.0]])  # those after the last step are of no account
    terminated, ended = np.array([[0], [0], [0], [1]], dtype=bool), np.array([[0], [1], [0], [1]], dtype=bool)
    args = routed_ppo.Args(gamma=0.5, gae_lambda=0.5)
    last = 0.5 * 0.4 - 0.2  # the second step ends an episode by the time limit
    expected = [0.5 * 0.2 - 0.1 + 0.25 * last, last]
    found = routed_ppo.gae(args, rewards, values, terminated, ended)[:, 0]
    assert found[[0, 1, 3]] == pytest.approx([*expected, 1.0 - 0.8])


def test_an_environment_of_ones_own_is_routed(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLES / "own_env.py"))
    check_env(example["Room"](), skip_render_check=True)
    example["main"](total_timesteps=60_000, seed=1)
    _, wanted, wrong = (int(share) for share in re.findall(r"(\d+)% of the episodes", capsys.readouterr().out))
    assert wanted > wrong + 10
