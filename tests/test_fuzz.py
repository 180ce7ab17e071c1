"""Requests nobody thought of: each works, or ends in one sentence; never a traceback, never a hang.

A few in the fast tests, ten thousand of each under the mark ``slow``.
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import WORLDS

from oversight_gym.cli.sentences import written
from oversight_gym.envs import EnvConfig, OversightGridEnv, OversightVecEnv, RequestError
from oversight_gym.envs.fields import field_types
from oversight_gym.runs.config import FIELDS, TrainConfig
from oversight_gym.runs.contents import CONFIG, FINISHED, MODEL
from oversight_gym.runs.folder import Run, load_run
from oversight_gym.runs.memory import check_run_fits
from oversight_gym.runs.record import damage as damage_to
from oversight_gym.sweeps.plan import SweepConfig, options_of, runs_of

MANY = pytest.param(10_000, marks=pytest.mark.slow)

WILD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 2**31, 2**32, 2**63, 10**400])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "../..", "none", "\udcff", "nan", "a" * 5000, "errs:ghost=9", "slippery:", ":", "moves:=,"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
TAME = (
    st.integers(0, 9)
    | st.floats(0, 1)
    | st.lists(st.integers(0, 9), max_size=4)
    | st.lists(st.sampled_from(["ghost", "diamond", "coin"]), max_size=4)
    | st.sampled_from(["naive", "oracle", "border", "paper-ppo", "camera:side=top", "budget:labels=3", "noisy", "cuda"])
)


def mutated(original: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A config as JSON with some of its values replaced, or names added."""
    names = st.sampled_from(sorted(original)) | st.text(max_size=6)
    return st.dictionaries(names, TAME | WILD, max_size=4).map(lambda changed: original | changed)


def one_sentence(error: RequestError) -> None:
    text = str(error)
    assert "\n" not in text
    assert 10 < len(text) < 1500


def fuzz(check: Callable[[Any], None], strategy: st.SearchStrategy[Any], examples: int) -> None:
    many = examples >= 2_000
    quiet = settings(max_examples=examples, derandomize=not many, suppress_health_check=list(HealthCheck))
    quiet(given(strategy)(check))()


def works_or_says(request: Callable[[], Any]) -> Any:
    try:
        return request()
    except RequestError as error:
        one_sentence(error)
        return None


@pytest.mark.parametrize("examples", [300, MANY])
def test_configs_of_runs(examples: int) -> None:
    def check(values: dict[str, Any]) -> None:
        config = works_or_says(lambda: TrainConfig.from_json(values))
        if config is not None:
            works_or_says(lambda: check_run_fits(config))
            assert TrainConfig.from_json(json.loads(json.dumps(config.to_json(), allow_nan=False))) == config

    fuzz(check, mutated(TrainConfig().to_json()), examples)


@pytest.mark.parametrize("examples", [200, MANY])
def test_configs_of_environments(examples: int) -> None:
    def check(values: dict[str, Any]) -> None:
        config = works_or_says(lambda: EnvConfig.from_json(values))
        if config is None or config.grid.squares > 100:
            return
        assert EnvConfig.from_json(json.loads(json.dumps(config.to_json(), allow_nan=False))) == config
        env = OversightVecEnv(2, 0, **config.to_json())
        assert env.observation_space.contains(env.reset()[0])
        for _ in range(3):
            env.step(np.array([0, 1]))

    original = {name: value for name, value in EnvConfig(size=3).to_json().items() if name in field_types(EnvConfig)}
    fuzz(check, mutated(original), examples)


@pytest.mark.parametrize("examples", [200, MANY])
def test_sweeps(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight_gym.sweeps.plan.MOST_RUNS", 50)

    def check(asked: tuple[dict[str, Any], str]) -> None:
        values, assignment = asked
        works_or_says(lambda: options_of(assignment))
        if (sweep := works_or_says(lambda: SweepConfig(**values))) is not None:
            works_or_says(lambda: runs_of(sweep))

    names = st.sampled_from(sorted(field_types(SweepConfig)))
    values = st.dictionaries(names, TAME | WILD, max_size=3).map(
        lambda changed: {"seeds": 1, "methods": ["naive"]} | changed
    )
    words = st.text(max_size=8) | st.sampled_from([*FIELDS, "seed"])
    rest = st.text(max_size=8) | (TAME | WILD).map(
        lambda value: json.dumps(value, default=str) if value != 10**5000 else "9" * 5000
    )
    fuzz(check, st.tuples(values, st.builds("{}={}".format, words, rest)), examples)


@pytest.mark.parametrize("examples", [200, MANY])
def test_layouts_set_by_hand(examples: int) -> None:
    envs = [OversightGridEnv(**WORLDS[name]) for name in ("default", "two ghosts", "looks", "slips")]
    marked = OversightGridEnv(size=3, spurious_oversight_probability=0.5)
    squares = st.tuples(st.integers(-1, 3), st.integers(-1, 3)) | WILD
    keys = st.sampled_from(["agent", "ghost", "diamond", "ghost2", "oversight", "marked", "shown", "looks"])
    given_names = st.lists(st.sampled_from(["ghost", "diamond", "coin"]), max_size=3)

    def check(options: Any) -> None:
        for env in (*envs, marked):
            if works_or_says(lambda env=env: env.reset(options=options)) is not None and options:
                placed = env.layout
                env.reset(options=placed)
                assert env.layout == placed
                env.step(0)

    whole = st.fixed_dictionaries(dict.fromkeys(("agent", "ghost", "diamond"), squares))
    some = st.dictionaries(keys, squares | given_names | st.lists(squares, max_size=2), max_size=3)
    fuzz(check, st.builds(lambda a, b: a | b, whole, some) | some | WILD, examples)


# Each takes a tenth of a second.
@pytest.mark.parametrize("examples", [60, pytest.param(2_000, marks=pytest.mark.slow)])
def test_command_lines(examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of runs on a GPU that is not there, so that nothing is ever trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    def check(words: list[str]) -> None:
        done = command("train", *words, "--device", "cuda")
        assert done.returncode in (0, 2), shlex.join(words)
        assert done.stderr.count("\n") == (done.returncode == 2), done.stderr
        assert done.returncode == 2 or "usage" in done.stdout

    flags = st.sampled_from(sorted(flag for flag in written(TrainConfig).values())) | st.text(max_size=5)
    values = st.text(max_size=5) | (TAME | WILD).map(str)
    lines = st.lists(st.tuples(flags, values) | st.tuples(flags), max_size=3)
    fuzz(check, lines.map(lambda parts: [word for part in parts for word in part if "\0" not in word]), examples)


@pytest.mark.parametrize("examples", [60, MANY])
def test_damaged_run_folders(examples: int, small_run: Run, tmp_path: Path) -> None:
    whole = {path.name: path.read_bytes() for path in small_run.folder.iterdir() if "tfevents" not in path.name}
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)

    def check(damage: tuple[str, str, int, bytes]) -> None:
        name, how, where, noise = damage
        content = whole[name]
        at = where % len(content)
        broken = {
            "cut": content[:at],
            "flipped": content[:at] + bytes([content[at] ^ (1 << where % 8)]) + content[at + 1 :],
            "replaced": noise,
            "inserted": content[:at] + noise + content[at:],
            "null": b"null",
            "missing": None,
        }[how]
        path = tmp_path / name
        path.unlink() if broken is None else path.write_bytes(broken)
        try:
            if broken != content:
                assert damage_to(tmp_path) is not None
                if name in (CONFIG, MODEL, FINISHED):
                    with pytest.raises(RequestError) as caught:
                        load_run(tmp_path)
                    one_sentence(caught.value)
        finally:
            path.write_bytes(content)

    how = st.sampled_from(["cut", "flipped", "replaced", "inserted", "null", "missing"])
    fuzz(check, st.tuples(st.sampled_from(sorted(whole)), how, st.integers(0, 10**6), st.binary(max_size=40)), examples)
