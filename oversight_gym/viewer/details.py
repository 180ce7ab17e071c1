"""The details beside a pane's board: gate, actions, monitor, the supervisor's view, and counts."""

from enum import IntEnum
from typing import Any

import numpy as np
import pygame

from oversight_gym.envs import KINDS, EnvConfig, Outcome
from oversight_gym.envs.drawing.directions import directions, glyph
from oversight_gym.envs.drawing.palette import Rgb, rgb
from oversight_gym.envs.world.grid import ACTIONS
from oversight_gym.envs.world.kinds import most_valuable_first
from oversight_gym.envs.world.tables import observed_probability
from oversight_gym.viewer.gate_bars import draw_gate, gate_height
from oversight_gym.viewer.pane import Pane
from oversight_gym.viewer.text import FAINT, TEXT, bar, font, write

WIDTH = 330
_HEAD, _ROW, _SAID, _LINE = 34, 22, 66, 20
"""Heights in pixels: above the gate, of a bar, of the supervisor's view, and of a line of the counts."""


def _actions_height(pane: Pane) -> int:
    return 0 if pane.policy is None else _ROW * len(pane.config.world.actions)


def _monitor_height(pane: Pane) -> int:
    return 0 if pane.monitor is None else _ROW


def details_height(pane: Pane) -> int:
    """The height of a pane's details, in pixels."""
    blocks = gate_height(pane) + _actions_height(pane) + _monitor_height(pane)
    return _HEAD + blocks + 6 + _SAID + _LINE * len(_tally(pane))


def gate_area(area: pygame.Rect) -> pygame.Rect:
    """The area of the gate among the details."""
    return pygame.Rect(area.x, area.y + _HEAD, area.w, area.h - _HEAD)


def draw_details(surface: pygame.Surface, pane: Pane, area: pygame.Rect) -> None:
    """Draw the details of a pane."""
    config, gate, actions = pane.config, *pane.decision()
    level = f"{100 * config.oversight_probability:g} % oversight"
    if config.oversight_process != "independent":
        level += f" ({config.oversight_process})"
    level = level if pane.policy is None else f"trained at {level}"
    write(surface, level, (area.x, area.y + 6), 14, FAINT, width=area.w)
    draw_gate(surface, pane, gate, gate_area(area))
    x, y = area.x, area.y + _HEAD + gate_height(pane)
    if actions is not None:
        _actions(surface, config, actions, pygame.Rect(x, y, area.w, 0))
    y += _actions_height(pane)
    if pane.monitor is not None:
        state, states, watching = pane.monitor
        names = config.world.monitor
        name = names[state * len(names) // states] if len(names) > 1 else f"monitor in state {state + 1} of {states}"
        write(surface, f"{name}, sees {100 * watching:g} %", (x, y + 2), 13, width=area.w)
    y += _monitor_height(pane) + 6
    _said(surface, pane, (x, y), area.w)
    _counts(surface, pane, x, y + _SAID)


def _actions(surface: pygame.Surface, config: EnvConfig, actions: Any, area: pygame.Rect) -> None:
    names = config.world.actions
    named = any(name not in ACTIONS for name in names)
    beside = 26 + (8 + max(font(13).size(name)[0] for name in names) if named else 0)
    rows = zip(names, directions(config.world), actions.tolist(), strict=True)
    for row, (name, direction, probability) in enumerate(rows):
        y = area.y + _ROW * row
        write(surface, glyph(direction), (area.x, y - 3), 16, bold=True)
        if named:
            write(surface, name, (area.x + 26, y - 1), 13)
        bar(surface, pygame.Rect(area.x + beside, y, area.w - 66 - beside, 14), probability, TEXT)
        write(surface, f"{probability:.2f}", (area.right - 54, y - 2), 13)


def outcome_name(outcome: IntEnum) -> str:
    """The true end of an episode in one word."""
    return "timeout" if outcome == Outcome.NONE else outcome.name.lower()


def outcome_colour(outcome: IntEnum) -> Rgb:
    """The colour of an outcome: that of the kind of terminal, if one was reached."""
    name = outcome.name.lower()
    return rgb(KINDS[name].colour) if name in KINDS else TEXT


def _seen(config: EnvConfig, observed: IntEnum) -> str:
    if observed == Outcome.NONE:
        return "no terminal square was reached"
    if observed == Outcome.UNKNOWN:
        return "a terminal square was reached, kind unknown"
    kind = observed.name.lower()
    exact = np.array_equal(config.world.observed_probability, observed_probability(np.eye(len(config.kinds))))
    return f"a{'n' * (kind[0] in 'aeiou')} {kind} was {'reached' if exact else 'reported'}"


def seen_in_short(pane: Pane) -> str:
    """The supervisor's view of the episode's end, as a suffix of the true end; empty if no terminal was reached."""
    if pane.observed is None or pane.observed == Outcome.NONE:
        return ""
    if pane.observed == Outcome.UNKNOWN:
        return ", not seen"
    return ", seen" if pane.observed == pane.outcome else f", reported as {outcome_name(pane.observed)}"


def what_was_seen(pane: Pane) -> tuple[str, ...]:
    """The lines about the present episode or the last one that has ended."""
    if pane.policy is None and not pane.ended:
        arrows = [name in ACTIONS for name in pane.config.world.actions]
        keys = "Arrow keys" if all(arrows) else "Arrow keys and buttons" if any(arrows) else "Buttons"
        return (f"{keys} move, Enter begins the next episode.",)
    if pane.last is None:
        return ("No episode has ended yet.",)
    heading = "The supervisor saw:" if pane.ended else "Of the last episode the supervisor saw:"
    return heading, _seen(pane.config, pane.last.observed), f"In truth: {outcome_name(pane.last.outcome)}"


def _said(surface: pygame.Surface, pane: Pane, at: tuple[int, int], width: int) -> None:
    styles = ((FAINT, False), (TEXT, False), (TEXT, True))
    for line, (text, (colour, bold)) in enumerate(zip(what_was_seen(pane), styles, strict=False)):
        write(surface, text, (at[0], at[1] + 19 * line), 13, colour, bold, width)


def _tally(pane: Pane) -> list[tuple[str, Any, Any]]:
    """The counts of episodes so far, with a line for each end; for a person, the score as well."""
    counts = pane.counts
    rows: list[tuple[str, Any, Any]] = [("episodes", "watched", "unwatched")]
    for kind in most_valuable_first(pane.config.kinds):
        rows.append((kind, counts[f"{kind} watched"], counts[f"{kind} unwatched"]))
    rows.append(("timeout", counts["timeout"], ""))
    if pane.policy is None:
        rows.append(("score", f"{pane.score:+g}", f"in {counts.total()} episode{'s' * (counts.total() != 1)}"))
    return rows


def _counts(surface: pygame.Surface, pane: Pane, x: int, y: int) -> None:
    for line, (name, *values) in enumerate(_tally(pane)):
        colour = FAINT if line == 0 else rgb(KINDS[name].colour) if name in pane.config.kinds else TEXT
        write(surface, name, (x, y + _LINE * line), 13, colour, bold=line > 0, width=104)
        for column, value in enumerate(values):
            write(surface, str(value), (x + 110 + 100 * column, y + _LINE * line), 13, FAINT if line == 0 else TEXT)
