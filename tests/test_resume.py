"""A run that was killed and resumed ends as one that was left alone."""

import csv
from pathlib import Path

import numpy as np
import pytest
import worlds  # noqa: F401 - moves that slip
from conftest import command, small_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import RequestError
from oversight_gym.runs.contents import CHECKPOINT
from oversight_gym.runs.presets import FAST
from oversight_gym.runs.train import train

TIMES = {"time/fps", "time/time_elapsed"}


class KilledError(Exception):
    pass


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    tags = set(events.Tags()["scalars"]) - TIMES
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in tags}


def train_until(updates: int, folder: Path, **values: object) -> None:
    """Train, and die before the update of that number."""
    update, done = RoutedPPO.train, 0

    def dying(self: RoutedPPO) -> None:
        nonlocal done
        if done == updates:
            raise KilledError
        done += 1
        update(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RoutedPPO, "train", dying)
        with pytest.raises(KilledError):
            train(small_config(folder, **values))


CASES = [
    {"method": "routing"},
    {"method": "filtering", "oversight": 0.1},
    {"method": "random_routing"},
    {"method": "routing_then_filter", "finetune_share": 0.5},
    {"method": "reward_model_trajectory"},
    {"method": "shuffled_oversight", "preset": "paper-reinforce", "paper_compat": ("all",)},
    {"method": "naive", "spurious_oversight": 0.25, "size": (7, 7), "walls": "border", "evaluations": 3},
    {"method": "demix", "dynamics": "test_slips:chance=0.3"},
    {"method": "no_routing", "anneal": False, "n_epochs": 2, "normalize_advantage": False},
]


@pytest.mark.parametrize("values", CASES, ids=lambda values: values["method"])
def test_a_resumed_run_equals_an_undisturbed_one(
    values: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oversight_gym.agents.methods.classifier.UPDATES", 8)
    values = {"evaluations": 2, "total_timesteps": 4096, "num_envs": 16, "size": (3, 3), **values}
    whole = train(small_config(tmp_path / "whole", **values)).folder
    folder = tmp_path / "resumed"
    train_until(2, folder, **values)
    train_until(6, folder, resume=True, **values)  # from the checkpoint of the start, beyond that of the middle
    before = (folder / CHECKPOINT).read_bytes()
    train_until(1, folder, resume=True, **values)
    assert (folder / CHECKPOINT).read_bytes() == before  # nothing new to keep
    train(small_config(folder, resume=True, **values))
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    for name in ("evaluations.csv", "progress.csv"):
        assert table(folder / name) == table(whole / name)
    assert curves(folder) == curves(whole)
    assert not (folder / CHECKPOINT).exists()


def test_a_run_killed_before_its_record_still_has_its_best_checkpoint(tmp_path: Path) -> None:
    values = {"method": "naive", "select": "oracle", "learning_rate": 0.5, "evaluations": 4, "total_timesteps": 8192}
    whole = train(small_config(tmp_path / "whole", **values))
    assert whole.record["selected_step"] < 8192

    def killed(*_: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oversight_gym.runs.train.write_finished", killed)
        with pytest.raises(KilledError):
            train(small_config(tmp_path / "run", **values))
    again = train(small_config(tmp_path / "run", resume=True, **values))
    assert (again.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    assert again.record["selected_step"] == whole.record["selected_step"]


def test_an_interrupted_run_is_begun_again_only_when_asked_to(tmp_path: Path) -> None:
    train_until(3, tmp_path / "run")
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    for method in ("routing", "naive"):
        with pytest.raises(RequestError, match=r"unfinished run; set `resume` to go on with it, or `overwrite`"):
            train(small_config(tmp_path / "run", method=method))
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
    with pytest.raises(RequestError, match="set one of them"):
        train(small_config(tmp_path / "run", resume=True, overwrite=True))
    train_until(0, tmp_path / "run", overwrite=True)
    assert table(tmp_path / "run" / "evaluations.csv")[-1]["step"] == "0"


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    train_until(3, tmp_path / "run")
    with pytest.raises(RequestError, match=rf"trained with learning_rate {FAST.learning_rate}, not 0\.01"):
        train(small_config(tmp_path / "run", resume=True, learning_rate=0.01))


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    train_until(3, tmp_path / "run")
    (tmp_path / "run" / CHECKPOINT).write_bytes(b"rubbish")
    with pytest.raises(RequestError, match=r"checkpoint\.safetensors is broken"):
        train(small_config(tmp_path / "run", resume=True))


def test_the_command_of_a_run_repeats_it(tmp_path: Path) -> None:
    config = small_config(tmp_path / "run", method="naive", anneal=False, gate_layers=(16, 8), oversight=0.003)
    words = config.command()
    assert words[:2] == ["oversight-gym", "train"]
    done = command(*words[1:], "--run-dir", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    first = train(config)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (first.folder / "model.safetensors").read_bytes()
    assert np.isfinite([float(value) for value in table(first.folder / "evaluations.csv")[-1].values()]).all()
