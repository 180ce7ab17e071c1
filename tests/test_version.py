"""The commit that is stored with a run: marked where the code was changed, and not where only its results were."""

import runpy
import shutil
import subprocess
from pathlib import Path

from oversight_gym.runs import version


def git(folder: Path, *words: str) -> str:
    own = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    return subprocess.run(own, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def stored(folder: Path) -> str:
    """What the copy of the module in ``folder`` says, asked for the first time."""
    found: str = runpy.run_path(str(folder / "code" / "version.py"))["commit"]()
    return found


def test_a_commit_is_marked_where_code_has_changed_and_not_where_documents_have(tmp_path: Path) -> None:
    for name in ("code", "docs"):
        (tmp_path / name).mkdir()
    shutil.copy(version.__file__, tmp_path / "code" / "version.py")
    (tmp_path / "docs" / "rows.csv").write_text("seed\n0\n")
    assert stored(tmp_path) == ""  # no checkout yet
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")[:12]
    assert stored(tmp_path) == head
    (tmp_path / "docs" / "rows.csv").write_text("seed\n0\n1\n")
    (tmp_path / "notes.txt").write_text("not tracked")
    assert stored(tmp_path) == head
    with (tmp_path / "code" / "version.py").open("a") as file:
        file.write("# changed\n")
    assert stored(tmp_path) == f"{head}+"
