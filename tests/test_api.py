"""The verbs of the command line, in Python."""

from pathlib import Path

import pytest
from conftest import command

import oversight_gym as og
from oversight_gym.envs import RequestError
from oversight_gym.runs.folder import Run

SMALL = {"total_timesteps": 4096, "num_envs": 32, "n_steps": 32, "batch_size": 256, "evaluations": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return og.train("routing", 0.3, seed=3, run_dir=tmp_path_factory.mktemp("api") / "run", **SMALL)


def test_a_run_says_what_it_is(trained: Run) -> None:
    assert repr(trained) == f"routing, oversight 0.3, seed 3: 4,096 steps, {trained.folder}"
    assert og.load(trained.folder).config == trained.config


def test_the_verbs_give_the_figures_of_the_command_line(trained: Run) -> None:
    printed = command("evaluate", trained.folder).stdout
    found = og.evaluate(trained)
    for gate in found.names:
        for key in ("return_stepwise", "p_diamond", "p_ghost"):
            value = f"{found.figures(gate)[key]:.3f}".replace("-0.000", "0.000")
            assert value in printed
            assert value in repr(found)
    assert og.evaluate(str(trained.folder), ["diamond+0.5"]).names == ("diamond+0.5",)
    assert og.steer(trained, points=3).values[:3] == (0.0, 0.5, 1.0)


def test_results_show_themselves_as_tables(trained: Run) -> None:
    for result, word in (
        (og.evaluate(trained), "gate diamond"),
        (og.steer(trained, points=2), "P(diamond) as a bar"),
        (og.compare(trained, trained.folder), "routing"),
    ):
        assert word in repr(result)
        html = result._repr_html_()
        assert word in html
        assert "array(" not in html


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: og.train("routing", 1.2), "oversight is 1.2"),
        (lambda: og.train("rooting"), "method is 'rooting'"),
        (lambda: og.train(seeds=1), "seeds"),
        (lambda: og.load(Path("nowhere")), "nowhere is not a folder"),
        (lambda: og.compare("nowhere"), "nowhere"),
    ],
)
def test_bad_requests_are_sentences(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestError, match=words):
        call()


def test_a_notebook_shows_a_result_once(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *parts: shown.append(parts))
    og.evaluate(trained)._repr_html_()
    assert shown == []
