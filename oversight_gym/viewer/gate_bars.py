"""The bars that show a gate and set it: a weight from 0 to 1 in the middle, and contrasts beyond either end."""

from dataclasses import dataclass
from typing import Any

import pygame

from oversight_gym.envs.drawing.gates import gate_colours
from oversight_gym.envs.drawing.marks import expert_colours
from oversight_gym.envs.drawing.palette import Rgb, rgb
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.session import HIGHEST, LOWEST
from oversight_gym.viewer.text import FAINT, TEXT, TRACK, font, write

_ROW, _NAME, _VALUE = 22, 84, 66
"""The height of a bar among several, and the widths of the name before it and the number after it, in pixels."""


@dataclass(frozen=True)
class GateBar:
    """The bar on which the weight of one expert is shown and set, from ``LOWEST`` on the left to ``HIGHEST``."""

    rect: pygame.Rect
    expert: int

    def weight_at(self, x: int) -> float:
        """The weight that a point stands for, to two digits."""
        share = min(1.0, max(0.0, (x - self.rect.x) / self.rect.w))
        return round(LOWEST + share * (HIGHEST - LOWEST), 2)

    def x_of(self, weight: float) -> int:
        """The position of a weight; the nearest end if it is not on the bar."""
        share = (min(max(weight, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
        return self.rect.x + round(share * self.rect.w)

    def draw(self, surface: pygame.Surface, weight: float | None, colour: Rgb) -> None:
        """Draw the bar: solid from 0 to 1, hatched beyond, and filled from 0 to the weight, if there is one."""
        zero, one = self.x_of(0), self.x_of(1)
        pygame.draw.rect(surface, TRACK, self.rect, width=1, border_radius=4)
        pygame.draw.rect(surface, TRACK, (zero, self.rect.y, one - zero, self.rect.h))
        if weight is not None:
            left, right = sorted((zero, self.x_of(weight)))
            pygame.draw.rect(surface, colour, (left, self.rect.y, right - left, self.rect.h))
        self._hatch(surface, self.rect.x, zero)
        self._hatch(surface, one, self.rect.right)
        for x in (zero, one):
            pygame.draw.line(surface, TEXT, (x, self.rect.y - 3), (x, self.rect.bottom + 2))
        if weight is not None:
            pygame.draw.aacircle(surface, TEXT, (self.x_of(weight), self.rect.centery), 7)

    def _hatch(self, surface: pygame.Surface, left: int, right: int) -> None:
        """Draw slanted lines between two positions of the bar."""
        before = surface.get_clip()
        surface.set_clip(pygame.Rect(left, self.rect.y, right - left, self.rect.h).clip(before))
        for x in range(left - self.rect.h, right, 7):
            pygame.draw.line(surface, FAINT, (x, self.rect.bottom), (x + self.rect.h, self.rect.y))
        surface.set_clip(before)


def gate_height(pane: Pane) -> int:
    """The height of a pane's gate, in pixels."""
    return 74 if len(pane.experts) <= 2 else 34 + _ROW * len(pane.experts)


def gate_bars(pane: Pane, area: pygame.Rect) -> list[GateBar]:
    """One bar for two experts (the weight of the first), else one for each; ``area`` is where the gate is drawn."""
    if len(pane.experts) <= 2:
        return [GateBar(pygame.Rect(area.x, area.y + 28, area.w - 10, 18), 0)] if pane.experts else []
    x, width = area.x + _NAME, area.w - _NAME - _VALUE
    rects = (pygame.Rect(x, area.y + 26 + _ROW * row, width, 14) for row in range(len(pane.experts)))
    return [GateBar(rect, expert) for expert, rect in enumerate(rects)]


def draw_gate(surface: pygame.Surface, pane: Pane, weights: Any, area: pygame.Rect) -> None:
    """Draw the setting of the gate and its weights, shape (experts,); None if there are none at the moment."""
    bars, names = gate_bars(pane, area), expert_colours(pane.experts)
    if not bars:
        return
    how = "free" if pane.gate in (None, "free") else "forced"
    if weights is not None and (weights.max() > 1 or weights.min() < 0):
        how += f", beyond {pane.experts[weights.argmax()]}"
    value = f" {weights[0]:.2f}" if len(bars) == 1 and weights is not None else ""
    write(surface, f"gate{value} ({how})", (area.x, area.y), 14)
    if len(bars) == 1:
        colour = rgb(names[0]) if weights is None else tuple(gate_colours(weights, names).tolist())
        bars[0].draw(surface, None if weights is None else float(weights[0]), colour)
        _ends(surface, pane, bars[0])
        return
    for bar, name, colour in zip(bars, pane.experts, map(rgb, names), strict=True):
        bar.draw(surface, None if weights is None else float(weights[bar.expert]), colour)
        write(surface, name, (area.x, bar.rect.y - 2), 13, colour, True, _NAME - 8)
        if weights is not None:
            write(surface, f"{weights[bar.expert]:.2f}", (area.right - 54, bar.rect.y - 2), 13)


def _ends(surface: pygame.Surface, pane: Pane, bar: GateBar) -> None:
    """Write the experts' names where each acts alone, and mark the parts beyond."""
    y, colours = bar.rect.y + 21, [rgb(colour) for colour in expert_colours(pane.experts)]
    for name, weight, colour in ((pane.experts[1], 0, colours[1]), (pane.experts[0], 1, colours[0])):
        write(surface, name, (bar.x_of(weight) - font(12).size(name)[0] // 2, y), 12, colour)
    width = font(11).size("beyond")[0]
    for x in (bar.rect.x, bar.rect.right - width):
        write(surface, "beyond", (x, y), 11, FAINT)
