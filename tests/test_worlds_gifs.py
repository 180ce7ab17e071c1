"""Every named world has a GIF on its page, which is what its script makes."""

import runpy
from itertools import pairwise
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from oversight_gym.envs.worlds import WORLDS

ROOT = Path(__file__).parents[1]
GIFS = ROOT / "docs" / "worlds"


def test_there_is_one_for_every_world_and_together_they_are_small() -> None:
    paths = [GIFS / f"{name}.gif" for name in WORLDS if WORLDS[name].version >= 0]
    assert sum(path.stat().st_size for path in paths) < 2_000_000


@pytest.mark.parametrize("name", ["Paper", "Button"])
def test_it_shows_what_the_script_draws(name: str) -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "worlds_gifs.py"))["frames"](name)
    stored = imageio.imread(GIFS / f"{name}.gif")
    different = [i for i, (one, other) in enumerate(pairwise(made)) if (one != other).any()]
    assert 4 <= len(different) + 1 <= len(stored) <= len(made)  # a GIF joins frames that are alike
    assert np.abs(stored[0][..., :3].astype(int) - made[0]).mean() < 3  # its colours are those of a palette
    assert np.abs(stored[-1][..., :3].astype(int) - made[-1]).mean() < 3
