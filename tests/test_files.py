"""Files are written whole: never seen half-written, on the disk when they are there, nothing left where it fails."""

import errno
import os
from pathlib import Path

import pytest

from oversight_gym.files import write_csv, write_whole


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_we_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, replace = [], Path.replace
    paths = {}

    def opened(path: object, *rest: object) -> int:
        number = open_(path, *rest)
        paths[number] = Path(str(path)).name
        return number

    open_ = os.open
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", lambda number: done.append(("flushed", paths.get(number, "the file aside"))))
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append(("renamed", to.name)), replace(self, to))[1])
    write_whole(tmp_path / "weights", b"1234")
    assert done == [("flushed", "the file aside"), ("renamed", "weights"), ("flushed", tmp_path.name)]
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    done.clear()
    write_csv(tmp_path / "table", [{"a": 1}], flushed=False)
    assert done == [("renamed", "table")]


def test_a_disk_that_is_full_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    write_whole(path, b"before")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_under_the_name_of_a_file_aside_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f".weights.{os.getpid()}.part").symlink_to(precious)
    (tmp_path / "weights").symlink_to(precious)
    write_whole(tmp_path / "weights", b"1234")
    assert precious.read_text() == "mine"
    assert not (tmp_path / "weights").is_symlink()
