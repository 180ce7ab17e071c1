"""Draws a session: a column per pane, with a title, the board, the end of the episode, and details."""

import pygame

from oversight_gym.envs.drawing.board import PATH, Painter
from oversight_gym.viewer.details import (
    WIDTH,
    details_height,
    draw_details,
    gate_area,
    outcome_colour,
    outcome_name,
    seen_in_short,
)
from oversight_gym.viewer.gate_bars import gate_bars
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.session import Session
from oversight_gym.viewer.text import BACKGROUND, FAINT, fitting, write

MARGIN, STRIP = 14, 30
"""The margin around everything, and the height of title and status, in pixels."""


class Scene:
    """The layout of a window or recording, and its drawing.

    Args:
        session: the session that is drawn.
        tile: the number of pixels per square; None to choose one that fits.
        details: whether to draw the details of each pane.

    Attributes:
        size: the size of the picture, in pixels.
        gate_bars: the bars on which gates can be set, pane by pane.
    """

    def __init__(self, session: Session, tile: int | None = None, details: bool = True) -> None:
        grid, count = session.config.grid, len(session.panes)
        room = 480 if count == 1 else max(200, min(400, 1200 // count))
        self.session, self.with_details = session, details
        self.tile = tile or max(16, room // max(grid.rows, grid.cols))
        self.painters = [Painter(grid, self.tile) for _ in session.panes]
        board_width, board_height = self.painters[0].size
        beside = details and count == 1
        column = board_width if beside or not details else max(board_width, WIDTH)
        self.boards = [
            pygame.Rect(MARGIN + i * (column + MARGIN), MARGIN + STRIP, board_width, board_height) for i in range(count)
        ]
        bottom = MARGIN + 2 * STRIP + board_height
        corner = [(self.boards[0].right + MARGIN, MARGIN)] if beside else [(b.x, bottom) for b in self.boards]
        tall = max(details_height(pane) for pane in session.panes)
        self.details = [pygame.Rect(x, y, WIDTH, tall) for x, y in corner]
        width = (self.details[0].right if beside else MARGIN + count * (column + MARGIN) - MARGIN) + MARGIN
        height = max(bottom, tall + MARGIN) if beside else bottom + (tall if details else 0)
        self.size = width, height
        areas = zip(session.panes, self.details, strict=True)
        self.gate_bars = [bar for pane, area in areas for bar in gate_bars(pane, gate_area(area))]

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
            pygame.draw.rect(surface, PATH, board, 1)
            self._status(surface, pane, board)
            if self.with_details:
                draw_details(surface, pane, self.details[index])

    def _status(self, surface: pygame.Surface, pane: Pane, board: pygame.Rect) -> None:
        text, colour = f"step {pane.steps}", FAINT
        if pane.outcome is not None:
            text = f"{outcome_name(pane.outcome)} after {pane.steps} step{'s' * (pane.steps > 1)}"
            if not self.with_details:  # which would say what the supervisor saw
                text += seen_in_short(pane)
            colour = outcome_colour(pane.outcome)
        write(surface, text, (board.x, board.bottom + 6), 15, colour, bold=pane.ended, width=board.w)
