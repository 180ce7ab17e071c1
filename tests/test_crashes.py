"""Whatever breaks in the middle of a run - the process, the disk, the folder - loses nothing and is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def crash_everywhere(scratch: Path, stride: int) -> dict[str, object]:
    words = [sys.executable, "crashing.py", str(scratch), str(stride)]
    done = subprocess.run(
        words, cwd=TESTS, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_killed_at_a_file_operation_ends_as_one_that_was_not(tmp_path: Path) -> None:
    found = crash_everywhere(tmp_path, stride=8)
    assert found["wrong"] == {}
    assert int(str(found["tried"])) >= 8


@pytest.mark.slow
def test_a_run_killed_at_any_file_operation_ends_as_one_that_was_not(tmp_path: Path) -> None:
    found = crash_everywhere(tmp_path, stride=1)
    assert found["wrong"] == {}
    assert found["tried"] == found["operations"]
