"""Import contracts and types, by import-linter and mypy with their settings in pyproject.toml.

    python scripts/lint.py

Both tools look for a package in its parent's folder, but the folders agents/ and envs/ are installed inside
oversight_gym (``package-dir`` in pyproject.toml). Therefore import-linter treats them as roots, and mypy gets pairs of
files and modules.
"""

import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from grimp.adaptors.packagefinder import ImportLibPackageFinder
from grimp.application.config import settings
from importlinter.cli import lint_imports
from mypy.fscache import FileSystemCache
from mypy.main import process_options, run_build
from mypy.modulefinder import BuildSource

ROOT = Path(__file__).parents[1]


class NestedPackageFinder(ImportLibPackageFinder):
    """A package finder that accepts a package inside another as a root."""

    def _has_a_non_namespace_parent(self, spec: object) -> bool:
        return False


def imports_are_allowed() -> bool:
    """Check the contracts of pyproject.toml and print their violations."""
    settings.configure(PACKAGE_FINDER=NestedPackageFinder())
    status: int = lint_imports(no_logo=True, cache_dir=str(ROOT / ".import_linter_cache"))
    return status == 0


def modules() -> Iterator[BuildSource]:
    """Every module of the distribution, and its file."""
    folders: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, folder in {"oversight_gym": "oversight_gym", **folders}.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = path.relative_to(ROOT / folder).with_suffix("").parts
            yield BuildSource(str(path), ".".join([package, *names]).removesuffix(".__init__"))


def types_are_right() -> bool:
    """Check the types of every module and print what is wrong."""
    files, sources = FileSystemCache(), list(modules())
    options = process_options(["--fast-module-lookup", "-c", ""], fscache=files)[1]
    _, messages, _ = run_build(sources, options, files, time.time(), sys.stdout, sys.stderr)
    print(f"mypy: {len(messages)} lines of errors in {len(sources)} modules")
    return not messages


if __name__ == "__main__":
    found = [imports_are_allowed(), types_are_right()]
    sys.exit(not all(found))
