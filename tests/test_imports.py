"""What is imported when, and what a newcomer can import from each folder."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_folder_with_code_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {"oversight_gym": "oversight_gym", **settings["package-dir"]}
    found = {
        ".".join([package, *init.parent.relative_to(ROOT / folder).parts])
        for package, folder in folders.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert set(settings["packages"]) == found


@pytest.mark.parametrize("module", ["oversight_gym", "oversight_gym.cli.main", "oversight_gym.agents.methods.builtin"])
def test_torch_waits_until_it_is_needed(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_open_grid_needs_no_search_for_ways() -> None:
    """The library for that would take 25 MB of every default environment."""
    code = "import sys, oversight_gym.envs as envs; envs.OversightGridEnv(); sys.exit('scipy.sparse' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
