"""The six extensions of docs/extending.md, each run from its file as that page says, in small."""

import csv
import json
import re
from itertools import permutations, product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from conftest import process
from forked import run_forked
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from oversight_gym.envs import EnvConfig, OversightGridEnv, OversightVecEnv, RequestError, load_plugin
from oversight_gym.runs.folder import load_run

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SMALL = (
    "--num-envs 128 --n-steps 32 --batch-size 1024 --n-epochs 2 --learning-rate 3e-3 --ent-coef 0.2 --gate-coef 0.02 "
    "--layers 64 64 --gate-layers 32 --value-layers 64 --evaluations 1"
)


def trained(run: Path, example: str, words: str) -> dict[str, float]:
    """The figures at the end of a small training by the command line; keys as in ``evaluations.csv``."""
    done = process("train", "--plugin", EXAMPLES / example, "--run-dir", run, *SMALL.split(), *words.split())
    assert done.returncode == 0, done.stderr
    with (run / "evaluations.csv").open() as file:
        return {key: float(value) for key, value in list(csv.DictReader(file))[-1].items()}


def evaluated(run: Path, example: str) -> dict[str, Any]:
    """What ``evaluate`` says of a run."""
    done = process("evaluate", run, "--json", "--plugin", EXAMPLES / example)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def assert_exact_and_sampled_agree(run_dir: Path, example: str, exact: dict[str, float], gate: str) -> None:
    """What a run's exact figures say is what 20,000 episodes show, within five standard errors."""
    load_plugin(str(EXAMPLES / example))
    run = load_run(run_dir)
    env = OversightVecEnv(500, seed=5, **run.config.env.to_json())
    observation = env.reset()
    ended: list[list[dict[str, Any]]] = [[] for _ in range(env.num_envs)]
    with run.policy.steer(gate):
        while min(map(len, ended)) < 40:
            observation, _, dones, infos = env.step(run.policy.predict(observation)[0])
            for index in np.flatnonzero(dones):
                ended[index].append(infos[index])
    first = [info for infos in ended for info in infos[:40]]  # of the first to end, more would be short
    lengths = np.array([info["episode"]["l"] for info in first])
    diamonds = np.array([info["hidden"]["outcome"].name == "DIAMOND" for info in first])
    for sampled, figure in ((lengths, "length"), (diamonds, "p_diamond")):
        error = sampled.std() / np.sqrt(len(sampled))
        assert abs(sampled.mean() - exact[f"{gate}/{figure}"]) < 5 * error


@pytest.mark.parametrize(
    ("example", "world"),
    [
        ("distant_oversight.py", {"oversight_process": "fading:half=1"}),
        ("slippery.py", {"dynamics": "sliding:chance=0.3"}),
        ("window.py", {"view": "peephole", "walls": "border", "size": 6}),
    ],
)
def test_an_extended_environment_is_one_to_both_libraries(example: str, world: dict[str, Any]) -> None:
    load_plugin(str(EXAMPLES / example))
    check_sb3(gym.make("OversightGrid-v0", **world))
    single, sb3 = OversightGridEnv(render_mode="ansi", **world), OversightVecEnv(1, 0, **world)
    check_gymnasium(single, skip_render_check=True)
    vector = gym.make_vec("OversightGrid-v0", num_envs=1, **world)
    observations = single.reset(seed=0)[0], vector.reset(seed=0)[0][0], sb3.reset()[0]
    for action in np.random.default_rng(1).integers(4, size=200):
        assert np.array_equal(observations[0], observations[1])
        assert np.array_equal(observations[0], observations[2])
        observation, _, terminated, truncated, info = single.step(action)
        batch = vector.step(np.array([action]))[0]
        sb3_batch, _, dones, infos = sb3.step(np.array([action]))
        assert (terminated or truncated or single.state.steps[0] >= 32) == dones[0]
        if dones[0]:
            assert info["observed_outcome"] == infos[0]["observed_outcome"]
            observation, batch = single.reset()[0], vector.step(np.array([0]))[0]
        observations = observation, batch[0], sb3_batch[0]


@pytest.mark.slow
def test_a_third_kind_has_an_expert_to_steer_to(tmp_path: Path) -> None:
    world = "--kinds ghost diamond star --size 3 4 --oversight 0.8 --method routing --total-timesteps 120000"
    trained(tmp_path, "third_kind.py", world)
    gates = evaluated(tmp_path, "third_kind.py")["gates"]
    assert list(gates) == ["free", "diamond", "star", "ghost"]
    for kind in ("diamond", "star", "ghost"):
        elsewhere = max(figures[f"p_{kind}"] for gate, figures in gates.items() if gate not in (kind, "free"))
        assert gates[kind][f"p_{kind}"] > elsewhere + 0.1


@pytest.mark.slow
def test_oversight_may_fade_with_distance(tmp_path: Path) -> None:
    figures = trained(
        tmp_path,
        "distant_oversight.py",
        "--oversight-process fading:half=1 --oversight 0.8 --size 3 3 --total-timesteps 120000",
    )
    squares = np.array(list(product(range(3), repeat=2)))
    layouts = squares[list(permutations(range(9), 3))]  # agent, ghost and diamond of each
    distances = np.abs(layouts[:, 1:] - layouts[:, :1]).sum(axis=2)
    unwatched = (1 - 0.8 * 0.5 ** (distances - 1)).prod(axis=1)
    report = evaluated(tmp_path, "distant_oversight.py")
    assert report["pattern_weights"]["none"] == pytest.approx(unwatched.mean(), abs=1e-12)
    assert figures["diamond/p_diamond"] > figures["ghost/p_diamond"] + 0.15
    assert_exact_and_sampled_agree(tmp_path, "distant_oversight.py", figures, "diamond")


@pytest.mark.slow
def test_moves_may_slip(tmp_path: Path) -> None:
    words = "--method oracle --dynamics sliding:chance=0.3 --total-timesteps 40000"
    figures = trained(tmp_path, "slippery.py", f"{words} --size 1 3")
    # The agent stands beside the diamond in four layouts of six and beyond the ghost in the others; moving up and down
    # stays put, so every attempt succeeds with probability 0.7 and costs a factor of gamma if it does not.
    beside = sum(0.7 * (0.3 * 0.97) ** step for step in range(32))
    optimal = evaluated(tmp_path, "slippery.py")["ceilings"]["optimal"]
    assert optimal["return_start"] == pytest.approx(4 / 6 * beside, abs=1e-9)
    assert_exact_and_sampled_agree(tmp_path, "slippery.py", figures, "free")


def test_a_window_hides_what_is_far() -> None:
    load_plugin(str(EXAMPLES / "window.py"))
    env = OversightGridEnv(view="peephole")
    layout = {"agent": (0, 1), "ghost": (1, 2), "diamond": (4, 4), "oversight": ["ghost", "diamond"]}
    ghost, diamond, oversight, floor = env.reset(options=layout)[0]
    assert np.argwhere(ghost).tolist() == np.argwhere(oversight).tolist() == [[2, 2]]
    assert not diamond.any()
    assert floor.tolist() == [[0, 0, 0], [1, 1, 1], [1, 1, 1]]


@pytest.mark.slow
def test_a_policy_behind_a_window_finds_fewer_diamonds_than_one_that_sees_everything(tmp_path: Path) -> None:
    words = "--method oracle --total-timesteps 100000 --ent-coef 0.05 --view peephole:radius="
    near, far = (trained(tmp_path / radius, "window.py", words + radius) for radius in "14")
    assert near["free/p_diamond"] > near["free/p_ghost"] + 0.5
    assert near["free/p_diamond"] < far["free/p_diamond"] - 0.05
    assert near["free/p_timeout"] > far["free/p_timeout"] + 0.05
    assert_exact_and_sampled_agree(tmp_path / "1", "window.py", near, "free")


def test_a_loss_term_of_its_own_is_logged_and_lowered(tmp_path: Path) -> None:
    penalty, figures = {}, {}
    for method in ("sparse_ghost", "measured_ghost"):
        words = f"--method {method} --size 3 3 --oversight 0.5 --total-timesteps 100000"
        figures[method] = trained(tmp_path / method, "own_loss.py", words)
        with (tmp_path / method / "progress.csv").open() as file:
            logged = [row["train/ghost_l1"] for row in csv.DictReader(file)]
        penalty[method] = float([value for value in logged if value][-1])
    assert penalty["sparse_ghost"] < 0.3 * penalty["measured_ghost"]
    for found in figures.values():
        assert found["diamond/p_diamond"] > found["ghost/p_diamond"] + 0.1


def script(name: str, words: str) -> list[tuple[float, ...]]:
    """The numbers with decimals on each line that an example prints."""
    done = run_forked([str(EXAMPLES / name), *words.split()])
    assert done.returncode == 0, done.stderr
    return [tuple(map(float, re.findall(r"[-+]?\d\.\d+", line))) for line in done.stdout.splitlines()]


def test_another_algorithm_is_evaluated_at_each_gate() -> None:
    free, diamond, ghost = script("routed_a2c.py", "--oversight 0.5 --total-timesteps 10000 --method routing")
    assert all(-1 <= figure <= 1 for (figure,) in (free, diamond, ghost))


@pytest.mark.slow
def test_routing_steers_another_algorithm() -> None:
    words = "--oversight 0.5 --total-timesteps 500000 --method "
    (_, (diamond,), (ghost,)), (_, *control) = (
        script("routed_a2c.py", words + name) for name in ("routing", "no_routing")
    )
    assert diamond > 0.1
    assert ghost < -0.1
    assert diamond - ghost > control[0][0] - control[1][0] + 0.3


def test_a_parameter_that_cannot_be_is_refused_in_one_sentence() -> None:
    load_plugin(str(EXAMPLES / "slippery.py"))
    with pytest.raises(RequestError, match="chance is 2"):
        EnvConfig(dynamics="sliding:chance=2")
