"""What is asked for at the door: a table of command lines, each of which ends in one sentence and status 2."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import command

from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train
from oversight_gym.sweeps.plan import SweepConfig, runs_of

REFUSED = {
    # ---- commands, options and types
    "trian": "'trian' is not a command; the nearest is 'train'",
    "train --learning-rat 0.1": "--learning-rat is no option here; the nearest is --learning-rate",
    "train extra": "'extra' is one word too many",
    "evaluate": "evaluate lacks its argument PATH",
    "train --form runs/demo": "--form is no option here; the nearest is --from",
    "train --oversight high": "--oversight is 'high'; give a number from 0 to 1",
    "train --gate-layers 1.5": "--gate-layers is '1.5'; give a list, each an integer from 1 to 65,536",
    "train --size 5": "--size has too few values; give it 2",
    "train --preset": "--preset has no value",
    "train --no-anneal=3": "'3' is one word too many",
    "sweep --executor moon": "--executor is 'moon'; choose one of 'local', 'ray'",
    # ---- values
    "train --oversight 1.2": "oversight is 1.2; give a number from 0 to 1",
    "train --oversight nan": "oversight is nan; give a number from 0 to 1",
    "train --seed -1": "seed is -1; give an integer from 0 to 4,294,967,295",
    "train --seed 4294967296": "seed is 4294967296; give an integer from 0 to 4,294,967,295",
    "train --batch-size 1": "batch_size is 1; give an integer from 2",
    "train --num-envs 1 --n-steps 1": "a rollout needs at least 2 steps",
    "train --learning-rate inf": "learning_rate is inf; give a finite number above 0",
    "train --learning-rate nan": "learning_rate is nan",
    "train --ent-coef inf": "ent_coef is inf; give a finite number of at least 0",
    "train --adam-eps 0": "adam_eps is 0.0; give a finite number above 0",
    "train --ghost-penalty nan": "ghost_penalty is nan",
    "train --gamma 0": "gamma is 0.0; give a number above 0 and at most 1",
    "train --layers": "layers is (); give a list of 1 or more",
    "train --layers 0": "layers is (0,)",
    "train --layers 99999999999": "layers is (99999999999,); give a list of 1 or more, each an integer from",
    "train --gate-channels 4 --gate-layers": "gate_layers is empty; give a layer width, or gate_channels 0",
    "train --threads 100000": "threads is 100000; give an integer from 1 to 256",
    "train --device gpu": "device is 'gpu'; choose cpu, cuda or cuda:N",
    "train --device cuda:x": "device is 'cuda:x'",
    "train --select-labels 0": "select_labels is 0",
    "train --method magic": "method is 'magic'; choose one of",
    "train --preset slow": "preset is 'slow'; choose one of",
    # ---- worlds
    "train --size 1 1": "1 free squares",
    "train --size 200 200": "a grid has at most 4,096 squares",
    "train --size 1 40000": "size is (1, 40000)",
    "train --walls moon": "walls is 'moon'",
    "train --max-episode-steps 1000000": "max_episode_steps is 1000000; give an integer from 1 to 10,000",
    "train --kinds": "kinds is ()",
    "train --dynamics moves:speed=2": "the parameters of 'moves' are: none",
    # ---- memory
    "train --n-steps 100000000": "num_envs is 512 and n_steps is 100000000, which needs about",
    "train --num-envs 1000000000 --n-steps 1": "num_envs is 1000000000",
    "train --layers 65536 65536 65536 65536": "layers is (65536, 65536, 65536, 65536), which needs about",
    # ---- sweeps
    "sweep --methods": "methods is ()",
    "sweep --methods routing routing": "methods lists 'routing' twice",
    "sweep --seeds 0": "seeds is 0",
    "sweep --seed 3 3": "seed lists 3 twice",
    "sweep --seeds 1000000000": "a sweep of 24,000,000,000 runs; at most 10,000 can be planned",
    "sweep --workers 0": "workers is 0",
    "sweep --gpus nan": "gpus is nan",
    "sweep --set device=5": "device is 5; give text",
    "sweep --set learning_rate=[]": "set is 'learning_rate=[]', which lists no value",
    "sweep --set learning_rate=": "learning_rate is ''",
    "sweep --set learning_rate=0.1,0.1": "learning_rate lists 0.1 twice",
    "sweep --set learning_rate=0.1 learning_rate=0.2": "set names learning_rate twice",
    "sweep --set learning_rate=0.1 --set gamma=0.9": "--set is given twice; give all its values at once",
    "sweep --set layers=[[[64]]]": "layers is",
    "sweep --set n_steps=100000000": "n_steps is 100000000, which needs about",
    "sweep --executor ray --address nonsense": "no Ray cluster was found at address 'nonsense'",
    # ---- files and folders
    "train --run-dir \udcff": "run_dir is '\\udcff'; give a path in UTF-8",
    "evaluate \udcff": "run is '\\udcff'; give a path in UTF-8",
    "evaluate nowhere": "nowhere is not a folder",
    "sweep --config PIPE": "PIPE is no file",
    "sweep --config FLAT": "oversight is 0.1; give a list",
    "sweep --config TYPO": "'sead' is not a setting of a sweep",
    "train --plugin PIPE.py": "there is no file PIPE.py",
    # ---- other commands
    "evaluate RUN --paper-metric --seed -1": "seed is -1",
    "evaluate RUN --oversight 2": "oversight is 2",
    "evaluate RUN --threads 0": "threads is 0",
    "steer RUN --points 100000000": "points is 100000000; give an integer from 2 to 1,001",
    "steer RUN --points 1": "points is 1",
    "watch RUN --speed nan": "speed is nan",
    "watch RUN --episodes 0 --record x.gif": "episodes is 0",
    "map RUN --ghost 9 9": "ghost is (9, 9), outside the grid",
    "play --size 0 5": "size is (0, 5)",
    "tensorboard RUN --port 70000": "port is 70000; give an integer from 0 to 65,535",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused(line: str, small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PIPE", "PIPE.py"):
        os.mkfifo(name)
    Path("FLAT").write_text("oversight = 0.1\n")
    Path("TYPO").write_text("sead = 3\n")
    words = [str(small_run.folder) if word == "RUN" else word for word in shlex.split(line)]
    done = command(*words)
    assert REFUSED[line] in done.stderr
    assert re.fullmatch(r"oversight-gym: .+\n", done.stderr)  # one line
    assert (done.returncode, done.stdout) == (2, "")
    assert sorted(os.listdir()) == ["FLAT", "PIPE", "PIPE.py", "TYPO"]  # nothing was made


def test_values_that_differ_little_are_runs_of_their_own() -> None:
    rates = ("learning_rate=0.0010000001,0.0010000002",)
    assert list(runs_of(SweepConfig(methods=("routing",), oversight=(0.1,), seed=(7,), set=rates))) == [
        "oversight=0.10/routing/learning_rate=0.0010000001/seed=7",
        "oversight=0.10/routing/learning_rate=0.0010000002/seed=7",
    ]


def test_a_value_network_without_hidden_layers_is_linear(tmp_path: Path) -> None:
    small = {"total_timesteps": 256, "num_envs": 16, "n_steps": 16, "batch_size": 64, "evaluations": 1}
    run = train(TrainConfig.of(**small, value_layers=(), gate_layers=(), run_dir=tmp_path / "run"))
    assert run.policy.value_net.weight.shape == (1, 100)


@pytest.mark.parametrize("values", [{"seed": 1.5}, {"layers": "128"}, {"anneal": 1}, {"plugin": "a"}])
def test_types_are_checked_in_python_too(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(values))}"):
        TrainConfig.of(**values)
