"""The picture of docs/architecture.md agrees with the imports."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"


def check(picture: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, ROOT / "scripts" / "architecture.py", "--check", "--picture", picture]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_the_picture_shows_the_imports_as_they_are() -> None:
    found = check(PICTURE)
    assert found.returncode == 0, found.stderr


def test_a_picture_with_another_arrow_is_found_out(tmp_path: Path) -> None:
    drawn = PICTURE.read_text()
    assert drawn.count("flow:envs/world:oversight_gym/evaluation") == 1
    changed = tmp_path / "changed.svg"
    changed.write_text(drawn.replace("flow:envs/world:oversight_gym/evaluation", "flow:envs/world:envs/oversight"))
    found = check(changed)
    assert found.returncode == 1
    assert "oversight_gym/evaluation imports envs/world, and the picture does not show it" in found.stderr
    assert "The picture shows that envs/oversight imports envs/world, and it does not" in found.stderr
