"""The facts about a run for its page: plain JSON, without the weights."""

from dataclasses import fields
from typing import Any

import numpy as np

from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.drawing import shapes
from oversight_gym.envs.drawing.directions import directions, glyph
from oversight_gym.envs.drawing.gates import GATE_STRENGTH
from oversight_gym.envs.drawing.marks import expert_colours, terminal_marks
from oversight_gym.envs.world.kinds import KINDS
from oversight_gym.envs.world.tables import World
from oversight_gym.evaluation.policy_map import default_terminals
from oversight_gym.runs.folder import Run

_AS_DEFAULT = (
    "view",
    "monitor",
    "oversight_process",
    "supervisor",
    "flag",
    "shuffled_oversight",
    "spurious_oversight_probability",
    "looks",
    "split",
    "min_distance",
    "unique_nearest_terminal",
    "step_cost",
)
"""The settings of an environment of which the page supports only the default."""


def check_showable(config: EnvConfig) -> None:
    """Refuse a world that the page cannot compute.

    Raises:
        RequestError: naming the setting that is not the default.
    """
    defaults = {field.name: field.default for field in fields(EnvConfig)}
    for name in _AS_DEFAULT:
        value = getattr(config, name)
        if value != defaults[name]:
            raise RequestError(
                f"the run's {name} is {value!r}; a page can only show {defaults[name]!r}, so watch this run instead."
            )
    if config.world.further > 1:
        raise RequestError(
            f"the run's dynamics {config.dynamics!r} remember more than a square; a page cannot show that, so watch "
            "this run instead."
        )


def facts(run: Run) -> dict[str, Any]:
    """The tables of a run's world, how it is drawn, and what is known of the run.

    Raises:
        RequestError: as :func:`check_showable`.
    """
    config, world = run.config.env, run.config.env.world
    check_showable(config)
    terminals = default_terminals(config)[0]
    experts = run.policy.experts if len(run.policy.experts) > 1 else ()
    return {
        "title": run.title,
        "oversight": run.config.oversight,
        "rows": config.grid.rows,
        "cols": config.grid.cols,
        "free": config.grid.free.tolist(),
        "walls": np.flatnonzero(config.grid.walls).tolist(),
        "planes": list(config.view_part.planes(world)),
        "kinds": [{"name": kind, "value": KINDS[kind].value, "colour": KINDS[kind].colour} for kind in config.kinds],
        "terminals": _terminals(config),
        "actions": _actions(world),
        "next": world.next_state.tolist(),
        "probability": world.branch_probability.tolist(),
        "gamma": run.config.hyper.gamma,
        "horizon": config.step_limit,
        "experts": [
            {"name": name, "colour": colour} for name, colour in zip(experts, expert_colours(experts), strict=True)
        ],
        "used": run.config.gate if experts else "free",
        "layout": {"terminals": terminals.tolist(), "agent": _corner(config, set(terminals.tolist()))},
        "gate_strength": GATE_STRENGTH,
        "shapes": {
            "ghost_eyes": shapes.GHOST_EYES.tolist(),
            "facets": shapes.GEM_FACETS.tolist(),
            "eye": shapes.EYE.round(4).tolist(),
            "eye_at": shapes.EYE_AT.tolist(),
            "arrow": shapes.ARROW.tolist(),
        },
    }


def _terminals(config: EnvConfig) -> list[dict[str, Any]]:
    """Name, kind, chance of oversight and drawing of each terminal."""
    chances = config.process.marginal(config).tolist()
    rows = zip(config.terminals, config.kind_of.tolist(), chances, terminal_marks(config), strict=True)
    return [
        {
            "name": name,
            "kind": kind,
            "chance": chance,
            "colour": mark.fill,
            "outline": mark.outline.round(4).tolist(),
            "letter": mark.letter if mark.lettered else "",
            "letter_colour": mark.letter_colour,
        }
        for name, kind, chance, mark in rows
    ]


def _actions(world: World) -> list[dict[str, Any]]:
    """Name, direction and character of each action."""
    ways = zip(world.actions, directions(world), strict=True)
    return [{"name": name, "down": way[0], "right": way[1], "glyph": glyph(way)} for name, way in ways]


def _corner(config: EnvConfig, taken: set[int]) -> int:
    """The free square nearest to the corner at the bottom on the left."""
    free: list[int] = [square for square in config.grid.free.tolist() if square not in taken]
    return min(free, key=lambda square: square % config.grid.cols - square // config.grid.cols)
