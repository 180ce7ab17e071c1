"""Every page: its Python runs, its commands are known to the parser, its links lead somewhere."""

import re
import runpy
import shlex
from pathlib import Path

import pytest
from conftest import command

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")])
SMALL = "num_envs=32, n_steps=32, layers=(32, 32), size=(3, 3)"
SHORT = {
    "1_000_000": "100",
    "n_steps=64": "n_steps=16",
    "OversightVecEnv(64, ": "OversightVecEnv(4, ",
    "seed=0)  # preset": f"seed=0, {SMALL})  # preset",
    'run_dir="runs/first")': f'run_dir="runs/first", total_timesteps=4096, {SMALL})',
}
"""What is put in the place of long trainings."""


def blocks(page: Path) -> list[str]:
    """The Python of a page, for the reader to copy; a tutorial's cells are executed when the site is built."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S)


def shortened(code: str) -> str:
    """The same code with trainings that take a second."""
    for long, short in SHORT.items():
        code = code.replace(long, short)
    assert not re.search(r"\d_000_000|run_dir=\"runs/first\"\)", code)
    return code


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_its_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}  # a block goes on where those before it ended
    for number, code in enumerate(blocks(page)):
        (path := tmp_path / f"block_{number}.py").write_text(shortened(code))
        names = runpy.run_path(str(path), names)


def test_the_readme_prints_what_an_agent_does(capsys: pytest.CaptureFixture[str]) -> None:
    *_, code = blocks(ROOT / "README.md")
    assert "1_000_000" in code
    exec(shortened(code), {})
    assert "return_stepwise" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_commands_and_links(page: Path) -> None:
    text = page.read_text()
    for line in re.findall(r"^    (oversight-gym [^#\n]*)", text, flags=re.M):
        words = shlex.split(line.replace("[", " ").replace("]", " ").replace("\\", " "))
        if words[1].startswith("-"):
            continue
        helped = command(words[1], "--help")
        assert helped.returncode == 0, line
        for flag in (word.split("=")[0] for word in words if word.startswith("--")):
            assert flag in helped.stdout, f"{flag} of {line}"
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if not link.startswith("_generated"):
            assert (page.parent / link).exists(), link
