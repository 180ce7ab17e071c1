"""The window, which handles events and draws frames."""

import json
import time
from itertools import count
from pathlib import Path
from typing import Any

import pygame

from oversight_gym.envs.drawing.palette import BLUE, rgb
from oversight_gym.envs.drawing.window import open_display
from oversight_gym.files import write_whole
from oversight_gym.viewer import SCREENSHOTS
from oversight_gym.viewer.controls import make_controls
from oversight_gym.viewer.gate_bars import GateBar
from oversight_gym.viewer.scene import MARGIN, Scene
from oversight_gym.viewer.session import Session
from oversight_gym.viewer.text import BACKGROUND, FAINT, TEXT, TRACK, font, rounded, write

FPS = 60
AFTERWARDS = 1.2
"""The number of seconds for which the end of an episode is shown."""
BUTTON = 28
"""The height of a button, in pixels."""


class App:
    """A session in a window.

    Args:
        session: the session that is watched or played.
        title: the window's title.
        playing: whether a person moves.
        speed: the number of steps per second.
        report: a file that always holds the application's state as JSON, for scripts and tests; or None.
        screenshots: the folder for screenshots.
    """

    def __init__(
        self,
        session: Session,
        title: str,
        playing: bool = False,
        speed: float = 4.0,
        report: Path | None = None,
        screenshots: Path = SCREENSHOTS,
    ) -> None:
        self.session, self.playing, self.speed, self.report = session, playing, speed, report
        self.screenshots = screenshots
        self.paused = self.editing = self.helping = self.overlay = False
        self.scene = Scene(session)
        self.controls = make_controls(session, playing)
        self._arrange_buttons()
        self.surface = open_display(self.size, title)
        self.clock = pygame.time.Clock()
        self.running, self.saved, self.selected = True, "", "agent"
        self._due, self._dragging, self._reported = 0.0, "", ""
        self._held: GateBar | None = None
        self._frames, self._began = 0, time.perf_counter()

    def _arrange_buttons(self) -> None:
        self.buttons = []
        x, y = MARGIN, self.scene.size[1] + 4
        for control in self.controls:
            if control.label:
                width = font(12).size(f"{control.key_name} {control.label}")[0] + 16
                if x + width > self.scene.size[0] - MARGIN:
                    x, y = MARGIN, y + BUTTON + 6
                self.buttons.append((pygame.Rect(x, y, width, BUTTON), control))
                x += width + 6
        self.size = self.scene.size[0], y + BUTTON + MARGIN

    # What controls do

    def single_step(self) -> None:
        self.paused = True
        self.session.step()

    def save_screenshot(self) -> None:
        self.screenshots.mkdir(parents=True, exist_ok=True)
        names = (self.screenshots / f"oversight-gym-{number:03d}.png" for number in count())
        path = next(path for path in names if not path.exists())
        pygame.image.save(self.surface, path)
        self.saved = str(path)

    def quit(self) -> None:
        self.running = False

    # Events

    def handle(self, event: pygame.event.Event) -> None:
        """Act on one event."""
        if event.type == pygame.QUIT:
            self.quit()
        elif event.type == pygame.KEYDOWN:
            self._press(event)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._press_mouse(event.pos)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._release_mouse(event.pos)
        elif event.type == pygame.MOUSEMOTION and self._held is not None:
            self._drag_gate(self._held, event.pos)

    def _press(self, event: pygame.event.Event) -> None:
        names = {
            pygame.key.name(event.key),
            event.unicode,
            {"escape": "q", "enter": "return"}.get(pygame.key.name(event.key)),
        }
        for control in self.controls:
            if control.key in names:
                control.act(self)
                return

    def _press_mouse(self, point: tuple[int, int]) -> None:
        for rect, control in self.buttons:
            if rect.collidepoint(point):
                control.act(self)
                return
        for bar in self.scene.gate_bars:
            if bar.rect.inflate(10, 8).collidepoint(point):
                self._held = bar
                self._drag_gate(bar, point)
                return
        square = self.scene.square_at(point)
        if square is None:
            return
        piece = self._piece_at(square)
        if not self.editing and piece in self.session.config.terminals:
            self.session.toggle_oversight(piece)
        elif self.editing and piece:
            self._dragging = self.selected = piece
        elif self.editing:
            self.session.place(self.selected, square)

    def _release_mouse(self, point: tuple[int, int]) -> None:
        square = self.scene.square_at(point)
        if self._dragging in self.session.pieces and square is not None and self._piece_at(square) != self._dragging:
            self.session.place(self._dragging, square)
        self._dragging, self._held = "", None

    def _drag_gate(self, bar: GateBar, point: tuple[int, int]) -> None:
        self.session.set_weight(bar.expert, bar.weight_at(point[0]))

    def _piece_at(self, square: int) -> str:
        position = self.session.config.grid.position(square)
        return next((piece for piece in self.session.pieces if tuple(self.session.layout[piece]) == position), "")

    # Frames

    def advance(self, now: float) -> None:
        """Take a step or begin the next episode when it is due."""
        if self.paused or self.editing or now < self._due:
            return
        if self.session.ended:
            if not self.playing:
                self.session.next_episode()
        else:
            self.session.step()
        self._due = now + (AFTERWARDS if self.session.ended else 1 / self.speed)

    def draw(self) -> None:
        """Draw a frame, and show it."""
        self.scene.draw(self.surface, self.overlay)
        self.surface.fill(BACKGROUND, (0, self.scene.size[1], *self.size))
        active = {"pause": self.paused, "policy": self.overlay, "greedy": self.session.greedy, "edit": self.editing}
        active |= {"help": self.helping}
        for rect, control in self.buttons:
            on = active.get(control.label, False)
            rounded(self.surface, rect, TEXT if on else TRACK)
            text = f"{control.key_name} {control.label}"
            write(self.surface, text, (rect.x + 8, rect.y + 6), 12, BACKGROUND if on else TEXT)
        if self.saved:
            below = (MARGIN, self.size[1] - MARGIN)
            write(self.surface, f"saved {self.saved}", below, 11, FAINT, width=self.size[0] - 2 * MARGIN)
        if self.helping:
            self._draw_help()
        pygame.display.flip()
        self._frames += 1

    def _draw_help(self) -> None:
        veil = pygame.Surface(self.size, pygame.SRCALPHA)
        veil.fill((*BACKGROUND, 236))
        self.surface.blit(veil, (0, 0))
        for line, control in enumerate(self.controls):
            column, row = divmod(line, 14)
            x, y = 40 + 400 * column, 40 + 28 * row
            write(self.surface, control.key_name, (x, y), 15, rgb(BLUE), bold=True)
            write(self.surface, control.help, (x + 80, y), 15)
        write(self.surface, f"{self.speed:g} steps a second; {self.rate():.0f} frames a second", (40, 14), 13, FAINT)

    def rate(self) -> float:
        """The frames per second since the start."""
        return self._frames / max(time.perf_counter() - self._began, 1e-9)

    def describe(self) -> dict[str, Any]:
        """The application's state as plain JSON."""
        names = ("paused", "speed", "overlay", "editing", "helping", "saved", "selected")
        bars = [tuple(bar.rect) for bar in self.scene.gate_bars]
        where = {"boards": [tuple(board) for board in self.scene.boards], "tile": self.scene.tile, "gate_bars": bars}
        where["buttons"] = {control.label: rect.center for rect, control in self.buttons}
        return {name: getattr(self, name) for name in names} | self.session.describe() | {"where": where}

    def _write_report(self) -> None:
        text = json.dumps(self.describe())
        if self.report is not None and text != self._reported:
            write_whole(self.report, text, flushed=False)
            self._reported = text

    def run(self) -> float:
        """Run until the window is closed; returns the mean number of frames per second."""
        pygame.key.set_repeat(300, 60)
        self._due = time.perf_counter() + 1 / self.speed
        while self.running:
            for event in pygame.event.get():
                self.handle(event)
            self.advance(time.perf_counter())
            self.draw()
            self._write_report()
            self.clock.tick(FPS)
        rate = self.rate()
        pygame.display.quit()
        return rate
