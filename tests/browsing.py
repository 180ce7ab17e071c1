"""A page of an agent in a real browser, and what the library computes for the layout that it shows."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from oversight_gym.envs.oversight.processes import pattern_flags
from oversight_gym.evaluation.probabilities import policy_query, table_of
from oversight_gym.evaluation.situations import Block
from oversight_gym.evaluation.solver import Task, solve_block
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run

in_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's package chromium")
TINY = {"layers": (16,), "gate_layers": (16,), "value_layers": (8,), "oversight": 0.3}


def untrained(**settings: Any) -> Run:
    """A run whose policy is as it was drawn, but for a head that makes up its mind."""
    config = TrainConfig.of(**{**TINY, **settings})
    torch.manual_seed(0)
    policy = make_policy(config)
    policy.action_net.weight.data *= 20
    return Run(Path("untrained"), config, policy, {})


@dataclass(frozen=True, eq=False)
class OneStart(Block):
    """A block in which every episode begins on one square."""

    agent: int = 0

    @cached_property
    def starts(self) -> NDArray[np.bool_]:
        return np.arange(len(self.chain))[:, None] == self.chain.start[self.agent]


@dataclass
class Opened:
    """A page in a browser.

    Attributes:
        page: playwright's.
        run: whose page it is.
    """

    page: Any
    run: Run

    def number(self, key: str) -> float:
        return float(self.page.locator(f'data[data-key="{key}"]').get_attribute("value"))

    def square(self, piece: str) -> int:
        label = self.page.get_by_role("button", name=re.compile(f"^{piece} at row")).get_attribute("aria-label")
        row, col = map(int, re.findall(r"\d+", label.partition(" at ")[2]))
        return (row - 1) * self.run.config.env.grid.cols + col - 1

    def watched(self) -> list[bool]:
        pieces = self.page.locator('[data-piece]:not([data-piece="agent"])')
        return [piece.get_attribute("aria-pressed") == "true" for piece in pieces.all()]

    def centre(self, square: int) -> tuple[float, float]:
        grid, box = self.run.config.env.grid, self.page.locator("#board").bounding_box()
        row, col = grid.position(square)
        return box["x"] + (col + 0.5) / grid.cols * box["width"], box["y"] + (row + 0.5) / grid.rows * box["height"]

    def drag(self, piece: str, square: int) -> None:
        mouse = self.page.mouse
        mouse.move(*self.centre(self.square(piece)))
        mouse.down()
        mouse.move(*self.centre(square), steps=3)
        mouse.up()

    def slide(self, place: float) -> None:
        self.page.locator("#slider").fill(str(place))

    def library(self, gate: Any, left: int | None = None, start: int | None = None) -> dict[str, float]:
        """What the exact evaluation says to the layout on the page."""
        config = self.run.config.env if left is None else replace(self.run.config.env, max_episode_steps=left)
        terminals = np.array([[self.square(name) for name in config.terminals]], dtype=np.int16)
        block = OneStart(config, terminals, agent=self.square("agent") if start is None else start)
        task = Task(config, config, self.run.config.hyper.gamma, regret=False)
        solved = solve_block(block, table_of(policy_query(self.run.policy, [gate]))(block), task)
        pattern = (pattern_flags(len(config.terminals)) == self.watched()).all(axis=1).argmax()
        found = task.quantities.figures(solved[0, 0, pattern])
        return {name: found[name] for name in found if name.startswith("p_")} | {"return": found["return_start"]}

    def check(self, gate: Any, of: str = "start", **how: Any) -> dict[str, float]:
        expected = self.library(gate, **how)
        shown = {name: self.number(f"{of}/{name}") for name in expected}
        assert shown == pytest.approx(expected, abs=1e-4)
        return expected

    def policy(self) -> NDArray[np.float64]:
        """The library's action probabilities on the page's layout, shape (squares, actions), at the free gate."""
        config = self.run.config.env
        block = Block(config, np.array([[self.square(name) for name in config.terminals]], dtype=np.int16))
        pattern = (pattern_flags(len(config.terminals)) == self.watched()).all(axis=1).argmax()
        table = table_of(policy_query(self.run.policy))(block)
        return np.asarray(table[:, :, 0, 0, pattern].T)


Opens = Callable[..., Opened]
