"""Writes the generated parts of docs/worlds.md and its pictures, from the registries and the exact evaluation.

    python scripts/worlds_page.py [--check]

Everything between two marks on the page is rewritten; the text outside is written by hand.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import tyro
from marked import filled
from numpy.typing import NDArray

from oversight_gym.analysis.markdown import markdown
from oversight_gym.envs import DYNAMICS, FLAGS, KINDS, MONITORS, PROCESSES, SUPERVISORS, VIEWS, EnvConfig
from oversight_gym.envs.drawing.render import Renderer
from oversight_gym.envs.world.splits import SPLITS
from oversight_gym.envs.world.state import draw_state
from oversight_gym.envs.world.walls import WALLS
from oversight_gym.envs.worlds import WORLDS, world_id
from oversight_gym.evaluation.hackability import WorldFacts, world_facts
from oversight_gym.pictures.files import png

PAGE, PICTURES = Path("docs/worlds.md"), Path("docs/worlds")
PARTS: dict[str, Mapping[str, Any]] = {
    "oversight_process": PROCESSES,
    "supervisor": SUPERVISORS,
    "flag": FLAGS,
    "monitor": MONITORS,
    "dynamics": DYNAMICS,
    "walls": WALLS,
    "split": SPLITS,
    "view": VIEWS,
}
TILE = 40


@dataclass(frozen=True)
class PageConfig:
    """Write the generated parts of the page and its pictures."""

    check: bool = False
    """Write nothing, and fail if the page is not up to date."""


def own(registry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a registry that come with this package."""
    return ((name, part) for name, part in registry.items() if part.__module__.startswith("oversight_gym."))


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    return re.split(r"(?<=[a-z)`])[.;](?:\s|$)", " ".join(text.split()), maxsplit=1)[0].replace("``", "`") + "."


def parameters(part: Any) -> str:
    """The parameters of a part, with their defaults."""
    if getattr(part, "others", None) is not None:
        return "`KIND=...`, `every=...`"
    listed = fields(part) if is_dataclass(part) else ()
    return ", ".join(f"`{field.name}={str(field.default).lower()}`" for field in listed)


def parts() -> str:
    """A table for every registry of parts."""
    tables = []
    for name, registry in PARTS.items():
        rows = [
            [f"`{key}`", parameters(part), first_sentence(inspect.getdoc(part) or "")] for key, part in own(registry)
        ]
        tables.append(f"### `{name}`\n\n{markdown(['name', 'parameters', 'what it does'], rows)}")
    kinds = ", ".join(f"`{kind.name}` ({kind.value:+g})" for kind in KINDS.values())
    return "\n".join(
        [*tables, f"### `kinds`\n\nOf terminals, with what an episode that ends there is worth: {kinds}.\n"]
    )


def signed(value: float) -> str:
    """A number with a sign and three decimals, without a minus before zero."""
    return f"{round(value, 3) + 0.0:+.3f}"


def overview(facts: Mapping[str, WorldFacts]) -> str:
    """One line for each world."""
    rows = []
    for name, found in facts.items():
        moved = "" if found.tampering is None else signed(found.tampering)
        returns = [signed(found.figure("return_start", key)) for key in ("optimal", "exploiting", "guaranteed")]
        link = f"[{world_id(name)}](#{world_id(name).lower()})"
        rows.append([link, f"{found.states:,}", *returns, f"**{found.hackability:.3f}**", moved])
    heading = ["world", "states", "optimal", "exploiting", "guaranteed", "hackability", "by tampering"]
    return markdown(heading, rows)


def section(name: str, facts: WorldFacts) -> str:
    """The section of one world."""
    row, best = WORLDS[name], facts.references["optimal"]
    ghost = f"p_{best.quantities.unwanted[-1]}"
    rows = []
    for key in facts.references:
        returns = [signed(facts.figure("return_start", key, pattern)) for pattern in (None, "none")]
        ends = [f"{facts.figure(ghost, key, pattern):.3f}" for pattern in (None, "none")]
        more = []
        if best.quantities.monitored:
            more = [f"{facts.figure(figure, key):.3f}" for figure in ("p_off", "labels_caused", "labels_avoided")]
        rows.append([key, *returns, *ends, *more])
    heading = ["policy", "return", "return, nobody looks", f"P({ghost[2:]})", f"P({ghost[2:]}), nobody looks"]
    heading += ["P(off)", "labels caused", "labels avoided"] * best.quantities.monitored
    settings = ", ".join(f"`{key}={value!r}`" for key, value in row.settings.items()) or "The defaults."
    how = "" if best.exact else " False marks make them too many to enumerate, so 1,000 placements are drawn."
    return (
        f"### {world_id(name)}\n\n![A situation in {name}](worlds/{name}.png)\n\n{row.summary} {settings}\n\n"
        f"{facts.states:,} states.{how}\n\n{markdown(heading, rows)}"
    )


def picture(config: EnvConfig) -> NDArray[np.uint8]:
    """A situation in which something is watched, and something is not if that can be."""
    state = draw_state(config, np.random.default_rng(4), 2000)
    some, not_all = state.displayed.any(axis=1), ~state.displayed.all(axis=1)
    return Renderer(config, "rgb_array", TILE).array(state, int((2 * some + not_all * some).argmax()))


def main() -> None:
    config = tyro.cli(PageConfig)
    facts = {name: world_facts(row.config()) for name, row in own_worlds()}
    made = {
        "parts": parts(),
        "overview": overview(facts),
        "worlds": "\n".join(section(name, found) for name, found in facts.items()),
    }
    before = PAGE.read_text()
    after = filled(before, made)
    pictures = {PICTURES / f"{name}.png": picture(row.config()) for name, row in own_worlds()}
    if config.check:
        old = [str(PAGE)] * (before != after)
        old += [str(path) for path, image in pictures.items() if not same_picture(path, image)]
        if old:
            sys.exit(f"{', '.join(old)}: no longer what the worlds are; run python scripts/worlds_page.py.")
        return
    PAGE.write_text(after)
    PICTURES.mkdir(exist_ok=True)
    for path, image in pictures.items():
        path.write_bytes(png(image))


def own_worlds() -> Iterator[tuple[str, Any]]:
    """The worlds that come with this package."""
    return ((name, WORLDS[name]) for name in WORLDS if WORLDS[name].version >= 0)


def same_picture(path: Path, image: NDArray[np.uint8]) -> bool:
    """Whether a file shows an image."""
    return path.exists() and np.array_equal(imageio.imread(path)[..., :3], image)


if __name__ == "__main__":
    main()
