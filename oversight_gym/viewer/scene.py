"""Drawing a session: a column per pane, with a title, the board, how the episode ended, and details."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pygame

from oversight_gym.envs import Outcome
from oversight_gym.envs.drawing.board import COLOURS, Painter, gate_colour
from oversight_gym.envs.world.grid import ACTIONS
from oversight_gym.viewer.session import Pane, Session

MARGIN, STRIP, DETAILS = 14, 30, (330, 344)
"""Pixels: around everything; height of title and status; size of the details."""
BACKGROUND, TEXT, FAINT, TRACK = (252, 251, 248), COLOURS["agent"], COLOURS["path"], (226, 223, 216)
ARROWS = {"up": "↑", "right": "→", "down": "↓", "left": "←"}
SUPERVISOR = {
    Outcome.NONE: "no terminal square was reached",
    Outcome.UNKNOWN: "a terminal square was reached, kind unknown",
    Outcome.DIAMOND: "a diamond was reached",
    Outcome.GHOST: "a ghost was reached",
}
TRUTH = {Outcome.NONE: "timeout", Outcome.DIAMOND: "diamond", Outcome.GHOST: "ghost"}


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> pygame.font.Font:
    """DejaVu Sans, as matplotlib brings it."""
    import matplotlib

    pygame.font.init()
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return pygame.font.Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(maxsize=512)
def _written(text: str, size: int, colour: tuple[int, int, int], bold: bool) -> pygame.Surface:
    return font(size, bold).render(text, True, colour)


def fitting(text: str, size: int, bold: bool, width: int) -> int:
    """The largest font size up to ``size`` at which a line is no wider."""
    while size > 8 and font(size, bold).size(text)[0] > width:
        size -= 1
    return size


def write(
    surface: pygame.Surface,
    text: str,
    at: tuple[float, float],
    size: int = 14,
    colour: tuple[int, int, int] = TEXT,
    bold: bool = False,
    width: int | None = None,
) -> None:
    """Write a line; smaller where it would be wider than ``width``."""
    if width is not None:
        size = fitting(text, size, bold, width)
    surface.blit(_written(text, size, colour, bold), at)


def bar(surface: pygame.Surface, rect: pygame.Rect, share: float, colour: tuple[int, int, int]) -> None:
    """A horizontal bar filled from the left."""
    pygame.draw.rect(surface, TRACK, rect, border_radius=4)
    filled = pygame.Rect(rect.x, rect.y, round(rect.w * min(max(share, 0.0), 1.0)), rect.h)
    if filled.w > 1:
        pygame.draw.rect(surface, colour, filled, border_radius=4)


class Scene:
    """Where everything is, and how it is drawn.

    Args:
        session: what is drawn.
        tile: pixels per square; chosen to fit if None.
        details: whether to draw the details of each pane.

    Attributes:
        size: of the picture, in pixels.
        gate_bars: where each pane's gate can be set, by pane.
    """

    def __init__(self, session: Session, tile: int | None = None, details: bool = True) -> None:
        grid, count = session.config.grid, len(session.panes)
        room = 480 if count == 1 else max(200, min(400, 1200 // count))
        self.session, self.tile, self.with_details = (
            session,
            tile or max(16, room // max(grid.rows, grid.cols)),
            details,
        )
        self.painters = [Painter(grid, self.tile) for _ in session.panes]
        board_width, board_height = self.painters[0].size
        beside = details and count == 1
        column = board_width if beside or not details else max(board_width, DETAILS[0])
        self.boards = [
            pygame.Rect(MARGIN + i * (column + MARGIN), MARGIN + STRIP, board_width, board_height) for i in range(count)
        ]
        bottom = MARGIN + 2 * STRIP + board_height
        corner = [(self.boards[0].right + MARGIN, MARGIN)] if beside else [(b.x, bottom) for b in self.boards]
        self.details = [pygame.Rect(x, y, *DETAILS) for x, y in corner]
        width = (self.details[0].right if beside else MARGIN + count * (column + MARGIN) - MARGIN) + MARGIN
        height = max(bottom, DETAILS[1] + MARGIN) if beside else bottom + (DETAILS[1] if details else 0)
        self.size = width, height
        self.gate_bars = [pygame.Rect(area.x, area.y + 62, area.w - 10, 18) for area in self.details]

    def square_at(self, point: tuple[int, int]) -> int | None:
        """The square of any pane's board at a point of the picture."""
        for board in self.boards:
            if board.collidepoint(point):
                col, row = (point[0] - board.x) // self.tile, (point[1] - board.y) // self.tile
                return int(row * self.session.config.grid.cols + col)
        return None

    def draw(self, surface: pygame.Surface, overlay: bool) -> None:
        """Draw everything on a surface of ``size`` or larger."""
        surface.fill(BACKGROUND)
        title = min(fitting(pane.title, 16, True, self.boards[0].w) for pane in self.session.panes)
        for index, (pane, board) in enumerate(zip(self.session.panes, self.boards, strict=True)):
            write(surface, pane.title, (board.x, MARGIN + 4), title, bold=True)
            surface.blit(self.painters[index].paint(pane.board(overlay)), board)
            pygame.draw.rect(surface, COLOURS["path"], board, 1)
            self._status(surface, pane, board)
            if self.with_details:
                self._details(surface, pane, self.details[index])

    def _status(self, surface: pygame.Surface, pane: Pane, board: pygame.Rect) -> None:
        text, colour = f"step {pane.steps}", FAINT
        if pane.outcome is not None and pane.observed is not None:
            text = f"{TRUTH[pane.outcome]} after {pane.steps} step{'s' * (pane.steps > 1)}"
            colour = {Outcome.DIAMOND: COLOURS["diamond"], Outcome.GHOST: COLOURS["ghost"]}.get(pane.outcome, TEXT)
        write(surface, text, (board.x, board.bottom + 6), 15, colour, bold=pane.ended, width=board.w)

    def _details(self, surface: pygame.Surface, pane: Pane, area: pygame.Rect) -> None:
        weight, actions = pane.situation()
        x, y = area.x, area.y + 34
        level = f"{100 * pane.config.oversight_probability:g} % oversight"
        write(surface, level if pane.policy is None else f"trained at {level}", (x, area.y + 6), 14, FAINT)
        if weight is not None:
            how = "free" if pane.gate in (None, "free") else "forced"
            write(surface, f"gate {weight:.2f} ({how})", (x, y), 14)
            rect = pygame.Rect(x, y + 28, area.w - 10, 18)
            bar(surface, rect, 1.0, TRACK)
            bar(surface, rect, weight, gate_colour(weight))
            knob = (rect.x + round(weight * rect.w), rect.centery)
            pygame.draw.circle(surface, TEXT, knob, 7)
            write(surface, pane.experts[-1], (x, y + 48), 12, COLOURS["ghost"])
            last = font(12).size(pane.experts[0])[0]
            write(surface, pane.experts[0], (rect.right - last, y + 48), 12, COLOURS["diamond"])
        y += 74
        if actions is not None:
            for name, probability in zip(ACTIONS, actions.tolist(), strict=True):
                write(surface, ARROWS[name], (x, y - 3), 16, bold=True)
                bar(surface, pygame.Rect(x + 26, y, area.w - 92, 14), probability, TEXT)
                write(surface, f"{probability:.2f}", (area.right - 54, y - 2), 13)
                y += 22
        y += 6
        if pane.outcome is not None and pane.observed is not None:
            write(surface, "The supervisor saw:", (x, y), 13, FAINT)
            write(surface, SUPERVISOR[pane.observed], (x, y + 19), 13, width=area.w)
            write(surface, f"In truth: {TRUTH[pane.outcome]}", (x, y + 38), 13, bold=True)
        elif pane.policy is None:
            write(surface, "Arrow keys move, Return begins the next episode.", (x, y), 13, FAINT, width=area.w)
        else:
            write(surface, "The supervisor has seen nothing yet.", (x, y), 13, FAINT)
        y += 66
        self._counts(surface, pane, x, y)

    def _counts(self, surface: pygame.Surface, pane: Pane, x: int, y: int) -> None:
        counts = pane.counts
        rows: list[tuple[str, Any, Any]] = [("episodes", "watched", "unwatched")]
        rows += [(kind, counts[f"{kind} watched"], counts[f"{kind} unwatched"]) for kind in ("diamond", "ghost")]
        rows.append(("timeout", counts["timeout"], ""))
        for line, (name, *values) in enumerate(rows):
            colour = FAINT if line == 0 else COLOURS.get(name, TEXT)
            write(surface, name, (x, y + 20 * line), 13, colour, bold=line > 0)
            for column, value in enumerate(values):
                write(surface, str(value), (x + 110 + 100 * column, y + 20 * line), 13, FAINT if line == 0 else TEXT)
