"""The README's example and flags are true."""

import re
from pathlib import Path

import pytest
from conftest import command

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(capsys) -> None:  # type: ignore[no-untyped-def]
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert "1_000_000" in code
    exec(code.replace("1_000_000", "40_000"), {})
    assert "return_stepwise" in capsys.readouterr().out


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_command_it_names_exists(page: Path) -> None:
    text = page.read_text()
    for line in re.findall(r"^    (oversight-gym [^#\n]*)", text, flags=re.M):
        helped = command(line.split()[1], "--help")
        assert helped.returncode == 0, line
        for flag in re.findall(r"--[a-z-]+", line):
            assert flag in helped.stdout, f"{flag} of {line}"
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link
