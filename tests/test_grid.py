import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oversight_gym.envs import RequestError
from oversight_gym.envs.world.grid import make_grid
from oversight_gym.envs.world.layouts import Layouts

UP, RIGHT, DOWN, LEFT = range(4)


def test_moves_on_an_open_grid_by_hand() -> None:
    grid = make_grid((2, 3))
    assert grid.next_square.tolist() == [
        [0, 1, 3, 0],
        [1, 2, 4, 0],
        [2, 2, 5, 1],
        [0, 4, 3, 3],
        [1, 5, 4, 3],
        [2, 5, 5, 4],
    ]


def test_walls_stop_the_agent_and_count_in_the_size() -> None:
    grid = make_grid(4, "border")
    assert grid.free.tolist() == [5, 6, 9, 10]
    assert grid.next_square[5].tolist() == [5, 6, 9, 5]
    assert grid.distance[5, 10] == 2
    assert grid.distance[0, 5] == -1


def test_distance_goes_around_inner_walls() -> None:
    grid = make_grid((2, 3), [(0, 1)])
    assert grid.distance[0, 2] == 4


@given(rows=st.integers(1, 9), cols=st.integers(1, 9))
@settings(max_examples=30)
def test_open_distances_are_manhattan_and_moves_change_them_by_one(rows: int, cols: int) -> None:
    grid = make_grid((rows, cols))
    row, col = np.divmod(np.arange(grid.squares), cols)
    manhattan = abs(row[:, None] - row) + abs(col[:, None] - col)
    assert (grid.distance == manhattan).all()
    moved = grid.next_square.astype(int)
    stayed = moved == np.arange(grid.squares)[:, None]
    assert (grid.distance[np.arange(grid.squares)[:, None], moved] == np.where(stayed, 0, 1)).all()


@pytest.mark.parametrize("size", [0, -3, 2.5, "five", (5,), (5, 0), True])
def test_impossible_sizes(size: object) -> None:
    with pytest.raises(RequestError, match="size"):
        make_grid(size)


@pytest.mark.parametrize("walls", ["moat", [(9, 9)], [(1,)], [(0, 1), (1, 1), (2, 1)]])
def test_impossible_walls(walls: object) -> None:
    with pytest.raises(RequestError, match="wall"):
        make_grid(3, walls)  # type: ignore[arg-type]


@given(
    size=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    min_distance=st.integers(1, 3),
    unique=st.booleans(),
)
@settings(max_examples=60)
def test_numbered_layouts_are_exactly_the_allowed_ones(size: tuple[int, int], min_distance: int, unique: bool) -> None:
    grid = make_grid(size)
    squares = range(grid.squares)
    expected = set()
    for agent in squares:
        for ghost in squares:
            for diamond in squares:
                near, far = sorted((grid.distance[agent, ghost], grid.distance[agent, diamond]))
                if ghost != diamond and near >= min_distance and (near < far or not unique):
                    expected.add((agent, ghost, diamond))
    if not expected:
        with pytest.raises(RequestError):
            Layouts(grid, min_distance, unique)
        return
    layouts = Layouts(grid, min_distance, unique)
    agent, terminals = layouts.unrank(np.arange(layouts.candidates))
    numbered = list(zip(agent.tolist(), *terminals.T.tolist(), strict=True))
    assert len(set(numbered)) == len(numbered)
    allowed = layouts.allows(agent, terminals)
    assert {layout for layout, ok in zip(numbered, allowed, strict=True) if ok} == expected


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("most_listed", [0, 100_000], ids=["by number", "from a list"])
def test_sampling_is_uniform(most_listed: int, unique: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight_gym.envs.world.layouts.MOST_LISTED", most_listed)
    layouts = Layouts(make_grid((2, 3)), unique_nearest_terminal=unique)
    agent, terminals = layouts.sample(np.random.default_rng(0), 60_000)
    assert layouts.allows(agent, terminals).all()
    _, counts = np.unique(agent * 36 + terminals[:, 0] * 6 + terminals[:, 1], return_counts=True)
    cells = len(counts)
    assert cells == 120 if not unique else cells < 120
    chi_squared = ((counts - 60_000 / cells) ** 2 / (60_000 / cells)).sum()
    assert abs(chi_squared - (cells - 1)) < 4 * np.sqrt(2 * (cells - 1))
