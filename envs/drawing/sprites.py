"""Sprites, drawn with pygame: the agent, the terminals, the eye of oversight. It opens no window."""

from functools import lru_cache
from typing import Any

import numpy as np
import pygame

from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.marks import Mark
from oversight_gym.envs.drawing.palette import ALARM, FACET, GREEN, GREY, INK, OVERSIGHT, WHITE, WOOD, Rgb, rgb

_SMOOTH = 4
"""The factor by which sprites are drawn larger before they are scaled down, for smooth edges."""


def _canvas(size: int, colour: Rgb) -> pygame.Surface:
    """A transparent surface that has a colour, so that scaling it down does not darken the edges."""
    canvas = pygame.Surface((size * _SMOOTH, size * _SMOOTH), pygame.SRCALPHA)
    canvas.fill((*colour, 0))
    return canvas


def _scaled(outline: Any, tile: int) -> Any:
    return (np.asarray(outline) + 0.5) * tile * _SMOOTH


def _circle(canvas: pygame.Surface, colour: str, at: Any, radius: float, tile: int) -> None:
    pygame.draw.circle(canvas, rgb(colour), _scaled(at, tile), radius * tile * _SMOOTH)


@lru_cache(maxsize=16)
def agent(tile: int) -> pygame.Surface:
    """The agent on a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(INK))
    _circle(canvas, INK, (0, 0), 0.25, tile)
    for x in (-0.09, 0.09):
        _circle(canvas, WHITE, (x, -0.04), 0.07, tile)
        _circle(canvas, INK, (x, -0.03), 0.033, tile)
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=16)
def eye(tile: int) -> pygame.Surface:
    """The sign of oversight on a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(OVERSIGHT))
    outline = _scaled(shapes.EYE + shapes.EYE_AT, tile)
    pygame.draw.polygon(canvas, rgb(WHITE), outline)
    pygame.draw.polygon(canvas, rgb(INK), outline, max(1, round(0.02 * tile * _SMOOTH)))
    _circle(canvas, INK, shapes.EYE_AT, 0.05, tile)
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=16)
def closed_eye(tile: int) -> pygame.Surface:
    """The sign of oversight that sees nothing, on a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(INK))
    for line in (shapes.LID, *shapes.LASHES):
        pygame.draw.lines(canvas, rgb(INK), False, _scaled(line, tile), max(1, round(0.025 * tile * _SMOOTH)))
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=16)
def button(tile: int, pressed: bool) -> pygame.Surface:
    """A button on a transparent square of ``tile`` pixels; green while the camera is on, red after it was pressed."""
    canvas = _canvas(tile, rgb(GREY))
    _circle(canvas, GREY, (0, 0), 0.3, tile)
    _circle(canvas, WHITE, (0, 0), 0.26, tile)
    _circle(canvas, ALARM if pressed else GREEN, (0, 0), 0.17 if pressed else 0.22, tile)
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=16)
def door(tile: int) -> pygame.Surface:
    """An open door on a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(INK))
    pygame.draw.polygon(canvas, rgb(INK), _scaled([(-0.3, -0.44), (0.3, -0.44), (0.3, 0.44), (-0.3, 0.44)], tile))
    pygame.draw.polygon(canvas, rgb(WHITE), _scaled([(-0.25, -0.39), (0.25, -0.39), (0.25, 0.44), (-0.25, 0.44)], tile))
    pygame.draw.polygon(canvas, rgb(WOOD), _scaled([(-0.25, -0.39), (0.1, -0.3), (0.1, 0.47), (-0.25, 0.44)], tile))
    _circle(canvas, INK, (0.04, 0.08), 0.03, tile)
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=64)
def gauge(tile: int, left: int, full: int) -> pygame.Surface:
    """What is left of a resource, in the corner of a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(INK))
    corners = np.array([(-0.46, 0.3), (-0.04, 0.3), (-0.04, 0.46), (-0.46, 0.46)])
    pygame.draw.polygon(canvas, rgb(WHITE), _scaled(corners, tile))
    filled = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * [0.42 * left / full, 0.16] + [-0.46, 0.3]
    if left:
        pygame.draw.polygon(canvas, rgb(GREEN), _scaled(filled, tile))
    pygame.draw.polygon(canvas, rgb(INK), _scaled(corners, tile), max(1, round(0.025 * tile * _SMOOTH)))
    return pygame.transform.smoothscale(canvas, (tile, tile))


@lru_cache(maxsize=64)
def terminal(mark: Mark, tile: int) -> pygame.Surface:
    """A terminal on a transparent square of ``tile`` pixels."""
    canvas = _canvas(tile, rgb(mark.fill))
    pygame.draw.polygon(canvas, rgb(mark.fill), _scaled(mark.outline, tile))
    for dot in range(mark.look):
        _circle(canvas, INK, (0.14 * dot - 0.36, 0.37), 0.045, tile)
    if mark.kind == "ghost":
        for at in shapes.GHOST_EYES:
            _circle(canvas, WHITE, at, 0.065, tile)
            _circle(canvas, INK, at + 0.015, 0.03, tile)
    if mark.kind == "diamond":
        for line in _scaled(shapes.GEM_FACETS, tile):
            pygame.draw.line(canvas, rgb(FACET), line[0], line[1], max(1, round(0.016 * tile * _SMOOTH)))
    if mark.lettered:
        pygame.font.init()
        letter = pygame.font.Font(None, round(0.42 * tile * _SMOOTH)).render(mark.letter, True, rgb(mark.letter_colour))
        canvas.blit(letter, letter.get_rect(center=_scaled((0, 0.01), tile)))
    return pygame.transform.smoothscale(canvas, (tile, tile))
