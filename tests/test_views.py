"""What the policy may see: windows, numbers, pictures; and where it walks: maps, mazes, held-out placements."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from oversight_gym.agents import RoutedPPO
from oversight_gym.envs import EnvConfig, OversightGridEnv, OversightVecEnv, RequestError
from oversight_gym.evaluation.figures import evaluate

WORLDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "button": {"monitor": "button:row=2,col=2", "walls": "...../...#./...../...../....."},
    "battery": {"monitor": "battery"},
    "ask": {"monitor": "ask"},
    "looks": {"looks": 3, "copies": (2, 1)},
    "camera": {"oversight_process": "camera", "oversight_probability": 0.3},
    "limited": {"monitor": "limited:steps=12", "size": (3, 4)},
}


def walked(steps: int = 40, **settings: Any) -> Any:
    """An environment of three, and its observations under random actions."""
    env = OversightVecEnv(3, 0, tile_size=24, **settings)
    rng = np.random.default_rng(0)
    yield env, env.reset()
    for _ in range(steps):
        yield env, env.step(rng.integers(env.action_space.n, size=3))[0]


@pytest.mark.parametrize("world", WORLDS)
def test_a_camera_sees_what_is_rendered(world: str) -> None:
    for env, pictures in walked(view="camera:tile=24", render_mode="rgb_array", **WORLDS[world]):
        assert pictures.dtype == np.uint8
        for picture, rendered in zip(pictures, env.get_images(), strict=True):
            assert np.array_equal(picture, rendered)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("world", WORLDS)
def test_a_window_is_cut_out_of_the_planes_around_the_agent(world: str, size: int) -> None:
    settings = WORLDS[world]
    config = EnvConfig(**settings)
    names, grid, away = config.view_part.planes(config.world), config.grid, size // 2
    for (_, whole), (env, cut) in zip(walked(**settings), walked(view=f"window:size={size}", **settings), strict=True):
        shown = env.config.view_part.planes(env.config.world)
        for planes, window, dynamic in zip(whole, cut, env.core.state.dynamic, strict=True):
            row, col = grid.position(config.world.square[dynamic])
            everything = dict(zip(names, planes, strict=True))
            everything["floor"] = ~grid.walls.reshape(grid.rows, grid.cols)
            for sign, square in config.world.signs.items():
                everything[sign] = (np.arange(grid.squares) == square).reshape(grid.rows, grid.cols)
            for name, plane in zip(shown, window, strict=True):
                if name.startswith("monitor"):
                    continue
                padded = np.pad(everything[name], away)
                assert np.array_equal(plane, padded[row : row + size, col : col + size]), name
            state = [plane.reshape(-1) for name, plane in zip(shown, window, strict=True) if "monitor" in name]
            if state:
                assert np.concatenate(state).nonzero()[0].tolist() == [int(dynamic) // grid.squares]


def test_oversight_can_be_left_out_of_a_window() -> None:
    env = OversightGridEnv(view="window:oversight=false")
    assert env.observation_space.shape == (3, 3, 3)
    assert "oversight" not in env.config.view_part.planes(env.config.world)
    with pytest.raises(RequestError, match="size of the window is 4; give an odd number"):
        EnvConfig(view="window:size=4")


def test_one_number_stands_for_one_situation() -> None:
    settings = {"size": (2, 3), "monitor": "button", "oversight_probability": 0.5, "looks": 2}
    seen: dict[int, bytes] = {}
    for (_, numbers), (_, planes) in zip(walked(300, view="index", **settings), walked(300, **settings), strict=True):
        for number, picture in zip(numbers, planes, strict=True):
            assert seen.setdefault(int(number), picture.tobytes()) == picture.tobytes()
    assert len(set(seen.values())) == len(seen) > 100
    env = OversightGridEnv(view="index", **settings)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    with pytest.raises(RequestError, match=r"would number .* situations; make the grid smaller"):
        EnvConfig(view="index", size=15, copies=(2, 2))


def test_policies_of_sb3_learn_from_numbers_and_pictures_and_are_judged() -> None:
    for view, policy, size in (("index", "MlpPolicy", (1, 3)), ("camera:tile=12", "CnnPolicy", (3, 3))):
        config = EnvConfig(view=view, size=size, reward="naive")
        model = PPO(policy, OversightVecEnv(8, 0, **config.to_json()), n_steps=16, batch_size=64, device="cpu", seed=0)
        model.learn(128)
        assert evaluate(model, config, regret=False).exact


def test_routed_agents_learn_from_numbers_as_with_the_collector_of_sb3() -> None:
    def trained(collector: str) -> RoutedPPO:
        env = OversightVecEnv(8, 0, view="index", size=(1, 3), oversight_probability=0.5)
        return RoutedPPO(env=env, n_steps=16, batch_size=64, seed=0, collector=collector).learn(256)

    ours, theirs = trained("native"), trained("sb3")
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=0)


def test_a_recurrent_policy_learns_behind_a_window() -> None:
    contrib = pytest.importorskip("sb3_contrib")
    env = OversightVecEnv(16, 0, view="window", reward="naive", size=3)
    model = contrib.RecurrentPPO("MlpLstmPolicy", env, n_steps=32, batch_size=128, device="cpu", seed=0)
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(1024)
    assert any((now != then).any() for now, then in zip(model.policy.parameters(), before, strict=True))
    actions, memory = model.predict(env.reset(), episode_start=np.ones(16, dtype=bool))
    assert actions.shape == (16,)
    assert memory is not None
    with pytest.raises(RequestError, match="only a policy without a memory"):
        evaluate(model, env.config)


# Where it walks

SIX = ("ghost", "diamond", "coin", "pearl", "thorn", "bomb")


def test_walls_come_from_a_map() -> None:
    grid = EnvConfig(size=(3, 4), walls="..#./..../#...").grid
    assert np.flatnonzero(grid.walls).tolist() == [2, 8]
    assert EnvConfig(size=(3, 4), walls="..#.\n....\n#...\n").grid.walls.tolist() == grid.walls.tolist()


@pytest.mark.parametrize("size", [5, 7, (7, 15), 15])
@pytest.mark.parametrize("seed", range(4))
def test_a_maze_leads_from_anywhere_to_anywhere(size: Any, seed: int) -> None:
    perfect, open_ = (EnvConfig(size=size, walls=f"maze:seed={seed},loops={loops}").grid for loops in (0, 1))
    cells = ((perfect.rows + 1) // 2) * ((perfect.cols + 1) // 2)
    assert len(perfect.free) == 2 * cells - 1  # a tree: as many ways between cells as cells, but one
    assert set(perfect.free) < set(open_.free)
    assert (perfect.distance[np.ix_(perfect.free, perfect.free)] >= 0).all()
    again = EnvConfig(size=size, walls=f"maze:seed={seed},loops=0").grid
    assert np.array_equal(again.walls, perfect.walls)


def test_mazes_of_other_seeds_differ() -> None:
    assert len({EnvConfig(size=7, walls=f"maze:seed={seed}").grid.walls.tobytes() for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"walls": "../.."}, r"a map of 2 x 2 squares, but size is \(5, 5\); give the size of the map"),
        ({"walls": "../..."}, "a map of 2 uneven rows"),
        ({"size": 3, "walls": ".#./##./..."}, "the walls cut the 3 x 3 grid in two"),
        ({"walls": "moat"}, "choose 'none', 'border', 'maze', a map such as"),
        ({"walls": "maze:loops=2"}, "loops of walls 'maze' is 2"),
        ({"walls": "maze:doors=2"}, "the parameters of 'maze' are: seed, loops"),
        ({"split": "half"}, "split is 'half'; choose one of all, train, test"),
        ({"split": "test:share=0"}, "leaves no layout; choose another share or seed"),
        ({"split": "train:share=1"}, "leaves no layout"),
        ({"split": "test:share=0", "size": 15}, "leaves no layout"),
        (
            {"kinds": ("ghost", "diamond", "coin", "pearl", "thorn", "bomb"), "size": (2, 3)},
            "agent and terminals need 7",
        ),
    ],
)
def test_impossible_places_name_the_value_and_the_mend(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        EnvConfig(**settings)


def placements(config: EnvConfig) -> set[tuple[int, ...]]:
    return set(map(tuple, config.layouts.everything()[1].tolist()))


def test_placements_are_split_into_two_parts_that_share_none() -> None:
    train, test, every = (
        placements(EnvConfig(split=split)) for split in ("train:share=0.3,seed=1", "test:share=0.3,seed=1", "all")
    )
    assert train | test == every
    assert not train & test
    assert len(test) / len(every) == pytest.approx(0.3, abs=0.06)
    assert placements(EnvConfig(split="test:share=0.3,seed=2")) != test
    ghosts = EnvConfig(size=4, copies=(2, 1), split="test:share=0.5")
    held_out = placements(ghosts)
    assert all((second, first, diamond) in held_out for first, second, diamond in held_out)  # one and the same sight


@pytest.mark.parametrize("size", [5, 15])
def test_an_environment_and_its_evaluation_keep_to_their_part(size: int) -> None:
    config = EnvConfig(size=size, split="test:share=0.3,seed=1")
    state = OversightVecEnv(2000, 0, **config.to_json()).core.state
    assert config.layouts.allows(state.dynamic, state.terminals).all()
    other = EnvConfig(size=size, split="train:share=0.3,seed=1")
    assert not other.layouts.allows(state.dynamic, state.terminals).any()
    if size == 5:
        found = [evaluate(lambda o: np.full((len(o), 4), 0.25), c, regret=False).episodes for c in (config, other)]
        assert sum(found) == 13_800


def test_six_kinds_have_planes_outcomes_and_values_of_their_own() -> None:
    env = OversightVecEnv(64, 0, kinds=SIX, size=4, oversight_probability=1.0)
    assert env.observation_space.shape == (8, 4, 4)
    assert env.config.values == [-1.0, 1.0, 0.3, 0.6, -0.5, -1.0]
    env.reset()
    ends, rng = set(), np.random.default_rng(0)
    for _ in range(60):
        _, _, dones, infos = env.step(rng.integers(4, size=64))
        ends |= {infos[index]["hidden"]["outcome"].name.lower() for index in np.flatnonzero(dones)}
    assert set(SIX) <= ends
