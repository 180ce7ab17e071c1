"""What people expect at the top of a repository: workflows, citation, changelog."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from oversight_gym import __version__

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "words",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"],
        ["zizmor", "--offline", "--quiet", ".github"],
    ],
    ids=lambda words: words[0],
)
def test_the_workflow_is_one(words: list[str]) -> None:
    linter = Path(sys.executable).with_name(words[0])
    if not linter.exists():
        pytest.skip(f"{words[0]} is not installed beside Python")
    done = subprocess.run([linter, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"\n## [{__version__}] - {citation['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_what_is_to_be_expected_is_where_the_page_says() -> None:
    page = (ROOT / "docs" / "expectations.md").read_text()
    paths = set(re.findall(r"`([\w.-]+/[\w./-]+|[A-Za-z_]+\.(?:md|toml|txt|cff)|LICENSE)`", page))
    assert len(paths) > 40
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_what_the_workflow_runs_is_there() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", workflow):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
    for path in re.findall(r"(?:tests|\.ci)/\S+", workflow):
        assert (ROOT / path).exists(), path
    for hook in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]:
        assert hook["entry"].split()[0].startswith(".venv/bin/")
