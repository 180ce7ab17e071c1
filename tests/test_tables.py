"""Scripts that make tables from stored rows: they run without training, and the pages show what they make."""

import re
import shutil
from pathlib import Path

import pytest
from forked import run_forked

ROOT = Path(__file__).parents[1]


def made(script: str, *words: str | Path) -> None:
    """Run a script on the rows that are stored."""
    done = run_forked([str(ROOT / "scripts" / script), "--no-train", *map(str, words)], cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_every_method(tmp_path: Path) -> None:
    made("methods_table.py", "--out", tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "methods_table.md").read_text()


def test_steering(tmp_path: Path) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    made("steering_table.py", "--out", tmp_path / "page.md", "--readme", tmp_path / "README.md")
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "steering_table.md").read_text()
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()


def test_the_papers_sweep(tmp_path: Path) -> None:
    page = Path(shutil.copy(ROOT / "docs" / "paper_sweep.md", tmp_path))
    page.write_text(re.sub("(<!-- levels -->).*?(<!-- end)", r"\1\n\2", page.read_text(), flags=re.DOTALL))
    made("reproduce_paper.py", "--out", tmp_path / "out", "--page", page)
    assert page.read_text() == (ROOT / "docs" / "paper_sweep.md").read_text()
    assert (tmp_path / "return_by_oversight.png").stat().st_size > 10_000


def test_every_world(tmp_path: Path) -> None:
    made("worlds_table.py", "--worlds", "Button", "--out", tmp_path / "page.md")
    own = [line for line in (tmp_path / "page.md").read_text().splitlines() if line.startswith("| Button |")]
    shown = (ROOT / "docs" / "worlds_table.md").read_text().splitlines()
    assert len(own) == 5  # returns, ends, the camera, labels, differences
    assert [line for line in shown if line.startswith("| Button |")] == own


def test_other_settings(tmp_path: Path) -> None:
    page = Path(shutil.copy(ROOT / "docs" / "tuning.md", tmp_path))
    page.write_text(re.sub("(<!-- other -->).*?(<!-- end of other -->)", r"\1\n\2", page.read_text(), flags=re.DOTALL))
    made("other_settings.py", "--out", page)
    assert page.read_text() == (ROOT / "docs" / "tuning.md").read_text()


@pytest.mark.parametrize("part", ["by_length", "by_selection"])
def test_training_length_finds_its_places_on_the_page(tmp_path: Path, part: str) -> None:
    page = shutil.copy(ROOT / "docs" / "training_length.md", tmp_path)
    made("training_length.py", "--results", tmp_path / "none.csv", "--out", page)
    after = Path(page).read_text().partition(f"<!-- {part} -->")[2].partition(f"<!-- end of {part} -->")[0]
    assert after.count("\n| ") == 2  # headings alone, because there are no rows
