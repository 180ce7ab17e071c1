"""A GIF for every named world: the policy that exploits its supervisor, in a watched and an unwatched episode.

    python scripts/worlds_gifs.py [--only Button Door]

They are written to docs/worlds/NAME.gif. The policy is the exact reference ``exploiting``, which gets the most of what
``naive`` pays. ``frames`` gives the pictures without a file, and the same ones every time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from oversight_gym.envs import EnvConfig
from oversight_gym.envs.worlds import WORLDS, world_id
from oversight_gym.evaluation.references import EXPLOITING, REFERENCES
from oversight_gym.evaluation.situations import Block
from oversight_gym.pictures.files import write_gif
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.recording import LAST, episode_frames
from oversight_gym.viewer.session import Session

FOLDER = Path("docs/worlds")
TILE, GAMMA = 38, 0.97
OVERSIGHT = 0.3
TRIED, SHORTEST, LONGEST = 300, 3, 12
"""Episodes to choose from, and how many steps the chosen ones may have."""


@dataclass(frozen=True)
class GifConfig:
    """Write the GIFs of the named worlds."""

    only: tuple[str, ...] = ()
    """Names of worlds; default: all that come with the package."""


def exploiting(pane: Pane, rng: np.random.Generator) -> Callable[[], int]:
    """Draws what the exploiting policy does in the pane's episode, step by step."""
    config, state = pane.config, pane.core.state
    block = Block(config, state.terminals, state.marked)
    cases, table = block.cases, REFERENCES[EXPLOITING](GAMMA)(block)
    same = (cases.overseen == state.overseen[0]).all(axis=1)
    same &= (cases.shown[cases.signal] == state.displayed[0]).all(axis=1)
    if cases.looks is not None and state.looks is not None:
        same &= (cases.looks[cases.signal] == state.looks[0]).all(axis=1)
    chances = table[:, :, 0, 0, int(same.argmax()) if table.shape[-1] > 1 else 0]

    def action() -> int:
        here = chances[:, np.searchsorted(block.chain.states, pane.core.state.dynamic[0])]
        return int(rng.choice(len(here), p=here / here.sum()))

    return action


def _is_telling(session: Session, number: int) -> bool:
    """Whether an episode is neither short nor long, and the monitor, if a watched agent can move one, is moved."""
    (pane,) = session.panes
    before, watched = pane.monitor, bool(pane.core.state.displayed.any())
    action = exploiting(pane, np.random.default_rng(number))
    while not pane.ended and pane.steps <= LONGEST:
        session.step(action())
    moved = before is None or not watched or pane.monitor != before
    return pane.ended and SHORTEST <= pane.steps <= LONGEST and moved


def _episodes(config: EnvConfig, name: str) -> Iterator[tuple[Session, int]]:
    """A session at the beginning of the first telling episode that shows oversight, then of one that shows none."""
    for watched in (True, False):
        session = Session([Pane(name, config, None)], seed=0, oversight=OVERSIGHT)
        for number in range(TRIED):
            session.next_episode()
            if bool(session.panes[0].core.state.displayed.any()) is watched and _is_telling(session, number):
                session.restart()
                yield session, number
                break


def frames(name: str) -> list[NDArray[np.uint8]]:
    """The pictures of a world's GIF, each of shape (height, width, 3), uint8."""
    found: list[Any] = []
    for session, number in _episodes(WORLDS[name].config(), world_id(name)):
        action = exploiting(session.panes[0], np.random.default_rng(number))
        found += episode_frames(session, overlay=False, tile=TILE, action=action)
        found += [found[-1]] * LAST
    return found


def main() -> None:
    config = tyro.cli(GifConfig)
    for name in config.only or [name for name in WORLDS if WORLDS[name].version >= 0]:
        path = FOLDER / f"{name}.gif"
        write_gif(path, frames(name), seconds=0.4)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
