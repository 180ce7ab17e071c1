"""Nothing that comes in a run folder is run: no pickle is loaded, whatever file holds it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import tiniest_config
from test_run_life import before_update, send

from oversight_gym.runs.stopping import Interrupted
from oversight_gym.runs.train import train

TESTS = Path(__file__).parent


def test_no_command_unpickles_what_lies_in_a_run_folder(tmp_path: Path) -> None:
    train(tiniest_config(tmp_path / "run", keep_weights=True))
    with before_update(2, send(15)), pytest.raises(Interrupted):
        train(tiniest_config(tmp_path / "unfinished"))
    words = [sys.executable, "hostile.py", str(tmp_path)]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "SDL_VIDEODRIVER": "dummy"}
    done = subprocess.run(words, cwd=TESTS, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["beside"].values()) == {0}
    assert len(found["replaced"]) == 2 * 6
    for name, ends in found["replaced"].items():
        for command, (status, sentence) in ends.items():
            assert (status, sentence.count("\n")) == (2, 1), (name, command, sentence)
    assert not found["trace"]
