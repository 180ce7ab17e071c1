"""Imports point one way, and torch is loaded only when something needs it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {"envs": ("oversight_gym.envs",), "agents": ("oversight_gym.agents", "oversight_gym.envs")}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            own = [name for name in names if name.startswith("oversight_gym")]
            assert all(name.startswith(ALLOWED[folder]) for name in own), f"{path.name} imports {own}"


@pytest.mark.parametrize("module", ["oversight_gym", "oversight_gym.cli.main", "oversight_gym.agents.methods.builtin"])
def test_torch_waits_until_it_is_needed(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
