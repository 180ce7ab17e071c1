"""Pages that the code writes when the site is built: environments, methods, commands, and the reference.

A Sphinx extension. Everything goes to ``docs/_generated``, which git ignores.
"""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from formulas import loss
from method_curves import curves
from sphinx.application import Sphinx

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.browser.export import export_page
from oversight_gym.cli.main import COMMANDS
from oversight_gym.envs import DYNAMICS, ENV_ID, MONITORS, PROCESSES, SUPERVISORS, VIEWS, EnvConfig
from oversight_gym.envs.single import OversightGridEnv
from oversight_gym.envs.worlds import WORLDS, world_id
from oversight_gym.runs.folder import PACKAGED, load_run

HERE = Path(__file__).parent
ROOT, OUT = HERE.parent, HERE / "_generated"
FOLDERS = {
    "oversight_gym": "oversight_gym",
    "oversight_gym.envs": "envs",
    "oversight_gym.agents": "agents",
}
PRIVATE = {"oversight_gym.__main__"}


def write(name: str, text: str) -> None:
    """Write a page, unless it is there already with the same words."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def contents(pages: list[str], depth: int = 1) -> str:
    """A table of contents."""
    return "\n".join(["", "```{toctree}", f":maxdepth: {depth}", "", *pages, "```", ""])


def environments() -> None:
    """A page for each named world (its section of docs/worlds.md, a GIF, how to make it, its spaces and parts), and one
    for the environment under all of them, with its docstring."""
    sections = re.split(r"^(?:##+ |<!-- )", (HERE / "worlds.md").read_text(), flags=re.M)[1:]
    found = {section.splitlines()[0].strip(): section.partition("\n")[2] for section in sections}
    for name in WORLDS:
        section = found[world_id(name)].replace("](worlds/", "](../../worlds/")
        write(f"environments/{name}.md", f"# {world_id(name)}\n{section.rstrip()}\n\n{_in_use(name)}\n")
    described = inspect.getdoc(OversightGridEnv) or ""
    write(f"environments/{ENV_ID}.md", f"# {ENV_ID}\n\n{described.replace('``', '`')}\n")
    pages = contents([ENV_ID, *WORLDS])
    write("environments/index.md", f"# Environments\n\n{_ENVIRONMENTS}\n{pages}")


_ENVIRONMENTS = """Every named world is an environment of Gymnasium, a world to train in (`oversight-gym train --world
NAME`), and exactly evaluated. [Worlds and monitors](../../worlds.md) compares them and says what each part of a world
does."""


def _in_use(name: str) -> str:
    import gymnasium

    env = gymnasium.make(world_id(name))
    spaces = f"| observation space | `{env.observation_space}` |\n| action space | `{env.action_space}` |"
    env.close()
    return f"""## One episode that is watched, and one that is not

![{name}: an agent that exploits its supervisor](../../worlds/{name}.gif)

The agent follows the exact policy that gets the most of what `naive` training pays. In the limit, naive training tends
towards this policy.

## In use

```python
import gymnasium
import oversight_gym

env = gymnasium.make("{world_id(name)}")
```

    oversight-gym train --world {name} --method routing --oversight 0.1
    oversight-gym play --world {name}

| | |
|---|---|
{spaces}
{_parts(name)}"""


def _parts(name: str) -> str:
    """The docstring of every part that a world has in place of the default."""
    config, found = WORLDS[name].config(), []
    for setting, registry in PARTS.items():
        chosen = getattr(config, setting)
        if chosen != EnvConfig.__dataclass_fields__[setting].default:
            part = chosen.partition(":")[0] if isinstance(chosen, str) else ""
            said = re.split(r"\n(?:Attributes|Args|Raises):", inspect.getdoc(registry[part]) or "")[0]
            found += [f"\n### `{setting}={chosen}`\n", said.replace("``", "`")]
    return "\n".join(["\n## Its parts", *found]) if found else ""


PARTS: dict[str, Any] = {
    "oversight_process": PROCESSES,
    "supervisor": SUPERVISORS,
    "monitor": MONITORS,
    "dynamics": DYNAMICS,
    "view": VIEWS,
}


def methods() -> None:
    """A page for each built-in method: its loss, and its curve if there are stored runs of it."""
    drawn = curves()
    names = [name for name, method in METHODS.items() if type(method).__module__.startswith("oversight_gym.")]
    for name in names:
        method = METHODS[name]
        facts = "\n".join(f"- {fact.strip()[0].upper()}{fact.strip()[1:]}." for fact in method.facts.split(";"))
        text = f"# {name}\n\n{method.description[0].upper()}{method.description[1:].rstrip('.')}.\n\n{facts}\n"
        text += f"\n```sh\noversight-gym train --method {name} --oversight 0.1\n```\n\n## Its loss\n\n{loss(method)}"
        if name in drawn:
            (OUT / "methods").mkdir(parents=True, exist_ok=True)
            (OUT / "methods" / f"{name}.svg").write_bytes(drawn[name].picture)
            text += f"\n## Over oversight levels\n\n![{name} at each level]({name}.svg)\n\n{drawn[name].caption}\n"
        write(f"methods/{name}.md", text)
    write("methods/index.md", f"# Methods, one by one\n\n[Methods](../../methods.md) compares them.\n{contents(names)}")


def commands() -> None:
    """A page with the help of each command, as the parser prints it."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, text in zip(COMMANDS, pool.map(_help, COMMANDS), strict=True):
            write(f"commands/{name}.md", f"# oversight-gym {name}\n\n```text\n{text.rstrip()}\n```\n")
    write(
        "commands/index.md",
        f"# Every command and option\n\n[The command line](../../command_line.md).\n{contents(list(COMMANDS))}",
    )


def _help(name: str) -> str:
    words = [sys.executable, "-m", "oversight_gym", name, "--help"]
    environment = {"COLUMNS": "100", "NO_COLOR": "1", "PATH": "", "HOME": str(HERE)}
    return subprocess.run(words, capture_output=True, text=True, check=True, env=environment, cwd=ROOT).stdout


def modules(package: str, folder: Path) -> Iterator[str]:
    """Dotted names of a folder's modules, those without a public name left out."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(part for part in parts if part != "__init__")))
        if name not in PRIVATE and not any(part.startswith("_") and part != "__init__" for part in parts):
            yield name


def reference() -> None:
    """A page for each folder with code, with everything public of its modules."""
    pages: dict[str, list[str]] = {}
    for package, folder in FOLDERS.items():
        for name in modules(package, ROOT / folder):
            inner = name.removeprefix(package).strip(".").replace(".", "/")
            home = name if (ROOT / folder / inner).is_dir() else name.rpartition(".")[0]
            pages.setdefault(home, []).append(name)
    for home, names in pages.items():
        title = FOLDERS.get(home, home.removeprefix("oversight_gym.").replace(".", "/"))
        parts = [f"# {title}\n"]
        for name in names:
            heading = "" if name == home else f"## {name.removeprefix('oversight_gym.')}\n\n"
            members = "" if name == home else "   :members:\n   :show-inheritance:\n"  # packages pass names on
            parts.append(f"{heading}```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n")
        write(f"reference/{home}.md", "\n".join(parts))
    head = "# Reference\n\nEvery public name, by folder ([architecture](../../architecture.md))."
    write("reference/index.md", f"{head}\n{contents(sorted(pages))}")


def as_rst(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Turn the headings and tables of Markdown, which Gymnasium's docstrings have, into reStructuredText, in place."""
    found: list[str] = []
    table: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if table:
            found += [".. list-table::", "   :header-rows: 1", ""]
            for row in (row for row in table if set("".join(row)) != {"-"}):
                found += [f"   {'  -' if column else '* -'} {cell}" for column, cell in enumerate(row)]
            found.append("")
            table = []
        heading = line.startswith("## ")
        found += ["", f"**{line[3:]}**", ""] if heading else [line]
    lines[:] = found


PROJECT = ("SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")
"""Pages that lie at the top of the repository."""


def project() -> None:
    """Copies of these pages; their links into this folder lose its name."""
    for name in PROJECT:
        write(f"project/{name}", (ROOT / name).read_text().replace("](docs/", "](../../"))


def links_of_the_repository(_app: Sphinx, name: str, source: list[str]) -> None:
    """Let links to the top of the repository lead to the copies on the site."""
    up = "../" * name.count("/")
    source[0] = re.sub(r"\]\((?:\.\./)+([A-Z]+\.md)", rf"]({up}_generated/project/\1", source[0])


def agent() -> None:
    """The packaged agent as a page of its own, which stands on the start page."""
    export_page(load_run(PACKAGED), OUT / "extra" / "agent.html")


def titles_only(app: Sphinx, _name: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Let the navigation, which shows the titles of pages, copy nothing else of them.

    Otherwise Sphinx copies every heading and every name of the reference, for every page, and drops them again.
    """
    draw, metadata = context["toctree"], app.env.metadata
    leaves = app.env.found_docs - set(app.env.toctree_includes)

    def drawn(**options: Any) -> str:
        for page in leaves:
            metadata[page]["tocdepth"] = 1
        found: str = draw(**options)
        for page in leaves:
            del metadata[page]["tocdepth"]  # the contents of the page itself are whole
        return found

    context["toctree"] = drawn


def generate(_: Sphinx) -> None:
    """Write every generated page."""
    for part in (environments, methods, commands, reference, project, agent):
        part()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("source-read", links_of_the_repository)
    app.connect("html-page-context", titles_only, priority=400)  # before the theme, which asks for it
    app.connect("autodoc-process-docstring", as_rst)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
