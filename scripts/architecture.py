"""Draws docs/architecture.svg: the folders of this project and the imports between them.

    python scripts/architecture.py            # draw
    python scripts/architecture.py --check    # fail if the picture no longer agrees with the imports

A box is a folder, with the first sentence of its ``__init__``. An arrow points from a folder to one that imports it, in
the direction of the data. Arrows that follow from others are pale. Red arrows point down, where folders import each
other in a cycle. The picture leaves out imports for type checkers, the ``__init__`` files, which only pass names on,
and the few modules that everything may use.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from textwrap import wrap
from xml.etree import ElementTree

import matplotlib
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).parents[1]
PACKAGES = {"envs": "oversight_gym.envs", "agents": "oversight_gym.agents", "oversight_gym": "oversight_gym"}
DARK, PALE, DOWN = "#33383f", "#b8bcc2", "#c0492f"
COLOURS = {"envs": "#dcebf7", "agents": "#e3f1dc", "oversight_gym": "#fbeedb"}
EVERYWHERE = {f"oversight_gym.{name}" for name in ("envs.errors", "envs.fields", "envs.registry", "files")}
PREFIX = "flow:"  # of the arrows' ids in the SVG

WIDTH, HEIGHT, GAP, RISE = 2.5, 0.9, 0.4, 1.3  # of boxes, between boxes, from row to row, in inches

Edge = tuple[str, str]
"""A folder and one that imports it."""


@dataclass(frozen=True)
class ArchitectureConfig:
    """Draw the picture, or check it."""

    check: bool = False
    """Compare the picture with the imports without drawing, and fail if they differ."""
    picture: Path = ROOT / "docs" / "architecture.svg"
    """The picture. Any format of matplotlib can be drawn, but only SVG can be checked."""


def modules(root: Path) -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def folder_of(path: Path, root: Path) -> str:
    """The folder of a module, one or two deep: ``envs/world``."""
    return "/".join(path.relative_to(root).parent.parts[:2])


def imports(code: ast.AST) -> Iterator[tuple[str, str]]:
    """Every imported (module, name), with an empty name for whole modules; those for type checkers left out."""
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        else:
            yield from imports(node)


def passed_on(code: ast.Module) -> dict[str, str]:
    """Where an ``__init__`` has its names from: module by name, those that are loaded at first use included."""
    froms = (node for node in ast.walk(code) if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name: node.module or "" for node in froms for alias in node.names}


def read(root: Path) -> tuple[dict[str, str], set[Edge]]:
    """The folders with the first sentence of their ``__init__``, and the edges between them."""
    files = modules(root)
    trees = {name: ast.parse(path.read_text()) for name, path in files.items()}
    origins = {name: passed_on(trees[name]) for name, path in files.items() if path.name == "__init__.py"}

    def home(module: str, name: str) -> str:
        """The module that ``from module import name`` is about."""
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        following = origins.get(module, {}).get(name, module)
        return module if following == module else home(following, name)

    own = {name for name, path in files.items() if path.name not in ("__init__.py", "__main__.py")} - EVERYWHERE
    folders, edges = {}, set()
    for module in sorted(own):
        folder = folder_of(files[module], root)
        package = module.rpartition(".")[0]
        folders[folder] = (ast.get_docstring(trees[package]) if package in trees else None) or ""
        for imported in (home(*found) for found in imports(trees[module])):
            if imported in own and folder_of(files[imported], root) != folder:
                edges.add((folder_of(files[imported], root), folder))
    return {folder: text.split(".")[0].replace("``", "") for folder, text in folders.items()}, edges


def reachable(edges: set[Edge], start: str) -> set[str]:
    """The folders that use ``start``, at any remove."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        following = {upper for lower, upper in edges if lower == ahead[-1]} - found
        ahead[-1:] = following
        found |= following
    return found


def rows(folders: list[str], edges: set[Edge]) -> list[list[str]]:
    """The folders from the bottom up, each above all it imports, one package above the other.

    In a cycle of imports, the folder that imports the fewest others comes first.
    """
    stacked = []
    for package in PACKAGES:
        left = sorted(folder for folder in folders if folder.split("/")[0] == package)
        while left:
            imported = {a: sum((b, a) in edges for b in left) for a in left}
            used = {a: sum((a, b) in edges for b in left) for a in left}
            row = [a for a in left if not imported[a]] or [min(left, key=lambda a: (imported[a], -used[a]))]
            stacked.append(row)
            left = [folder for folder in left if folder not in row]
    return stacked


def places(stacked: list[list[str]], edges: set[Edge], pale: set[Edge]) -> dict[str, tuple[float, float]]:
    """The centre of every box, in inches: row by row wherever arrows are short and pass behind few boxes."""
    columns = range(max(6, 2 * max(map(len, stacked))))
    level = {folder: number for number, row in enumerate(stacked) for folder in row}
    column = {folder: 2 * position for row in stacked for position, folder in enumerate(row)}

    def cost() -> float:
        total = 0.0
        for edge in sorted(edges):  # in one order, since sums of floats depend on it
            (x0, y0), (x1, y1) = sorted(
                ((column[folder], level[folder]) for folder in edge), key=lambda place: place[1]
            )
            passed = ((x0 + (x1 - x0) * (y - y0) / (y1 - y0), stacked[y]) for y in range(y0 + 1, y1))
            behind = sum(abs(x - column[folder]) < 0.9 for x, row in passed for folder in row)
            total += (abs(x1 - x0) + 6 * behind) * (0.1 if edge in pale else 1.0)
        return total

    def put(row: list[str], chosen: tuple[int, ...]) -> float:
        column.update(zip(row, chosen, strict=True))
        return cost()

    for row in stacked * 4:
        orders = permutations(columns, len(row))
        choices = [chosen for chosen in orders if all(abs(a - b) >= 2 for a, b in combinations(chosen, 2))]
        put(row, min(choices, key=lambda chosen: put(row, chosen)))
    return {folder: (column[folder] * (WIDTH + GAP) / 2, level[folder] * RISE) for folder in column}


def implied(edges: set[Edge]) -> set[Edge]:
    """The edges that follow from others by way of a third folder, except those within a cycle of imports."""
    users = {folder: reachable(edges, folder) for edge in edges for folder in edge}
    return {
        (a, b)
        for a, b in edges
        if a not in users[b] and any(b in users[c] and a not in users[c] and c not in users[b] for c in users[a])
    }


def draw(folders: dict[str, str], edges: set[Edge], picture: Path) -> None:
    """Write the picture."""
    stacked, pale = rows(sorted(folders), edges), implied(edges)
    centres = places(stacked, edges, pale)
    left, right = (end(x for x, _ in centres.values()) for end in (min, max))
    across = right - left + WIDTH + 2 * GAP
    figure = Figure(figsize=(across, len(stacked) * RISE))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left - WIDTH / 2 - GAP, right + WIDTH / 2 + GAP), ylim=(-RISE / 2, (len(stacked) - 0.5) * RISE))
    axes.axis("off")
    for package, colour in COLOURS.items():
        levels = [level for level, row in enumerate(stacked) if row[0].split("/")[0] == package]
        axes.axhspan((min(levels) - 0.5) * RISE, (max(levels) + 0.5) * RISE, color=colour, lw=0)
    for edge in sorted(edges):
        _arrow(axes, edge, centres, edge in pale)
    for folder, text in folders.items():
        _box(axes, *centres[folder], folder, text)
    with matplotlib.rc_context({"svg.hashsalt": "architecture", "svg.fonttype": "none"}):
        figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None)


def _arrow(axes: Axes, edge: Edge, centres: dict[str, tuple[float, float]], pale: bool) -> None:
    (x0, y0), (x1, y1) = (centres[folder] for folder in edge)
    up = (y1 > y0) - (y1 < y0)
    lean = WIDTH * max(-0.4, min(0.4, (x1 - x0) / 8)) if up else WIDTH / 2 * (1 if x1 > x0 else -1)
    arrow = FancyArrowPatch(
        (x0 + lean, y0 + up * HEIGHT / 2),
        (x1 - lean, y1 - up * HEIGHT / 2),
        arrowstyle="-|>",
        mutation_scale=8 if pale else 14,
        color=DOWN if up < 0 else PALE if pale else DARK,
        lw=0.6 if pale else 1.4,
        shrinkA=0,
        shrinkB=0,
        zorder=1 if pale else 2,
    )
    arrow.set_gid(PREFIX + ":".join(edge))
    axes.add_patch(arrow)


def _box(axes: Axes, x: float, y: float, folder: str, text: str) -> None:
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, style, fc="white", ec=DARK, lw=1, zorder=3))
    lines = wrap(text, 40)[:4]
    axes.text(x, y + HEIGHT / 2 - 0.17, f"{folder}/", ha="center", va="center", weight="bold", fontsize=10, zorder=4)
    axes.text(x, y - 0.1, "\n".join(lines), ha="center", va="center", fontsize=7.5, zorder=4)


def drawn(picture: Path) -> set[Edge]:
    """The edges of a picture drawn before, from the ids of its arrows."""
    ids = (element.get("id", "") for element in ElementTree.parse(picture).iter())
    return {tuple(name.removeprefix(PREFIX).split(":")) for name in ids if name.startswith(PREFIX)}  # type: ignore[misc]


def differences(found: set[Edge], shown: set[Edge]) -> list[str]:
    """A sentence for every edge that is only in the imports or only in the picture."""
    missing = [f"{upper} imports {lower}, and the picture does not show it." for lower, upper in sorted(found - shown)]
    gone = [
        f"The picture shows that {upper} imports {lower}, and it does not." for lower, upper in sorted(shown - found)
    ]
    return missing + gone


def main() -> None:
    config = tyro.cli(ArchitectureConfig)
    folders, edges = read(ROOT)
    if not config.check:
        draw(folders, edges, config.picture)
    elif wrong := differences(edges, drawn(config.picture)):
        sys.exit("\n".join([*wrong, "Run python scripts/architecture.py and look at the picture."]))


if __name__ == "__main__":
    main()
