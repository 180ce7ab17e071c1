"""The command ``demonstrate``: every demonstration in small, what it leaves, and how claims are answered."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import command
from matplotlib.figure import Figure

from oversight_gym.demonstrations import NAMES, demonstration, digits, images, latents
from oversight_gym.demonstrations.erasing import make_forget
from oversight_gym.demonstrations.folder import demonstrate, figures_table, read_figures
from oversight_gym.demonstrations.forgetting import QUICK, Setting, Size, World, train
from oversight_gym.demonstrations.relearning import measure
from oversight_gym.demonstrations.stories import generated
from oversight_gym.demonstrations.study import Claim, Demonstration, Figures, Request
from oversight_gym.demonstrations.transformer import Transformer, losses
from oversight_gym.envs import RequestError


@pytest.mark.parametrize("name", NAMES)
def test_a_quick_demonstration_leaves_figures_curves_a_chart_and_a_verdict(name: str, tmp_path: Path) -> None:
    done = command("demonstrate", name, "--quick", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    chosen = demonstration(name)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(dict.fromkeys(row["setting"] for row in rows)) == list(chosen.settings)
    assert all(float(row["value"]) == float(row["value"]) for row in rows)  # none is NaN
    assert json.loads((tmp_path / "config.json").read_text())["quick"] is True
    assert (tmp_path / "chart.png").stat().st_size > 10_000
    assert list((tmp_path / "tensorboard").rglob("events*"))
    report = (tmp_path / "report.md").read_text()
    for claim in chosen.claims:
        assert f"{claim.text}: open" in report  # one seed settles nothing


def test_a_list_names_every_demonstration_and_what_data_it_reads() -> None:
    said = command("demonstrate").stdout
    for name in NAMES:
        assert f"{name}: " in said
    for data in ("IDX", "CIFAR-100", "TinyStories"):
        assert data in said


def test_what_cannot_be_asked_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for words, said in (
        (("digit",), "digits"),
        (("digits", "--out", tmp_path), "something else already"),
        (("digits", "--seeds", 0), "seeds is 0"),
        (("digits", "--out", tmp_path / "new", "--data", tmp_path), "train-images-idx3-ubyte is missing"),
        (("classes", "--out", tmp_path / "newer", "--data", tmp_path), "CIFAR-100's binary format"),
        (("unlearn", "--out", tmp_path / "newest", "--data", tmp_path), "TinyStories-train.txt is missing"),
    ):
        done = command("demonstrate", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_interrupted_demonstration_goes_on_with_the_seeds_that_are_missing(tmp_path: Path) -> None:
    chosen, run_with = demonstration("classes"), []

    def run(request: Request) -> Iterator[tuple[str, Figures]]:
        run_with.append(request.seed)
        if len(run_with) == 3:
            raise KeyboardInterrupt
        yield from ((setting, {"x": request.seed + 0.1}) for setting in chosen.settings)

    small = replace(chosen, run=run, claims=(), chart=lambda results: Figure())
    with pytest.raises(KeyboardInterrupt):
        demonstrate(small, tmp_path, seeds=4, quick=False, data=None)
    demonstrate(small, tmp_path, seeds=4, quick=False, data=None)
    assert run_with == [0, 1, 2, 2, 3]
    found = read_figures(tmp_path)
    assert [found[seed]["routing"]["x"] for seed in range(4)] == [0.1, 1.1, 2.1, 3.1]
    with pytest.raises(RequestError, match="something else"):
        demonstrate(small, tmp_path, seeds=4, quick=True, data=None)


def answered(values: list[float], control: list[float], compares: bool = False) -> tuple[str, str]:
    """How a claim is answered whose measure has these values, by seed, and these in its control."""
    claim = Claim("It works", lambda results, setting: results[setting]["x"], "treated", "control", compares=compares)
    empty = Demonstration("", "", (), lambda request: iter(()), (claim,), lambda results: None, "")  # type: ignore[arg-type,return-value]
    pairs = zip(values, control, strict=True)
    (answer,) = empty.answers([{"treated": {"x": one}, "control": {"x": other}} for one, other in pairs])
    return answer.word, answer.beyond_control


def test_an_answer_is_what_the_whole_interval_says_beside_its_control() -> None:
    assert answered([1.0, 1.1, 0.9], [0.0, 0.1, 0.0]) == ("holds", "holds")
    assert answered([1.0, 1.1, 0.9], [1.1, 1.0, 0.95]) == ("holds", "open")
    assert answered([-1.0, -1.1, -0.9], [0.0, 0.1, 0.0]) == ("does not hold", "does not hold")
    assert answered([1.0, -1.0, 0.1], [0.0, 0.0, 0.0]) == ("open", "open")
    assert answered([1.0, 1.1, 0.9], [1.1, 1.0, 0.95], compares=True) == ("open", "open")
    assert answered([1.0, 1.0], [0.0, 0.0]) == ("open", "open")  # two seeds give no interval


def test_ablation_takes_the_added_units_away_and_changes_nothing_else() -> None:
    torch.manual_seed(0)
    model, tokens = Transformer(9, 8, 3, 2, 6, extra=4, expanded=2), torch.tensor([[3, 4, 5, 6, 1]])
    with torch.no_grad():
        for block in model.blocks[:2]:
            block.out.weight[:, 6:] = 0  # type: ignore[union-attr,index]
    silent = model(tokens)
    model.ablate()
    assert torch.allclose(model(tokens), silent, atol=1e-6)
    assert {tuple(block.into.weight.shape) for block in model.blocks} == {(6, 8)}  # type: ignore[union-attr]


def test_a_model_sees_no_later_token_and_padding_is_no_prediction() -> None:
    torch.manual_seed(0)
    model = Transformer(9, 8, 2, 2, 6)
    tokens = torch.tensor([[3, 4, 5, 0, 0]])
    changed = torch.tensor([[3, 4, 5, 7, 8]])
    assert torch.allclose(model(tokens)[:, :3], model(changed)[:, :3], atol=1e-6)
    assert (losses(model(tokens), tokens)[0] > 0).tolist() == [True, True, False, False, False]


def test_labels_are_as_many_and_as_wrong_as_asked() -> None:
    world = World.of(Request(0), generated(0, 2000, 40), QUICK)
    assert torch.equal(world.labels(Setting("era")), world.forget)
    half, wrong = world.labels(Setting("era", labelled=0.5)), world.labels(Setting("era", wrong=0.2))
    assert not (half & ~world.forget).any()
    assert 0.4 < half.sum() / world.forget.sum() < 0.6
    assert 0.15 < (wrong != world.forget).float().mean() < 0.25
    assert not world.labels(Setting("era", labelled=0.0)).any()


def test_a_filtered_model_never_trains_on_labelled_stories() -> None:
    world = World.of(Request(0), generated(0, 400, 80), QUICK)
    kept = world.data.train.clone()
    first = train(world, "", Setting("filter"))
    world.data.train[world.forget] = 1
    again = train(world, "", Setting("filter"))
    make_forget(world, first, Setting("filter"))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    world.data.train.copy_(kept)


def test_routing_keeps_digits_apart_in_an_autoencoder_and_its_control_does_not() -> None:
    data, apart = images.digits(torch.Generator().manual_seed(0)), {}
    for name in ("routing", digits.CONTROL):
        found = latents.train(Request(0), name, digits.SETTINGS[name], data, epochs=30)
        first, second = (found[f"second half, {group} group, MAE"] for group in ("first", "second"))
        assert second < 0.13  # a digit's mean pixel is about 0.3
        apart[name] = first / second
    assert apart["routing"] > 1.3
    assert apart["routing"] > apart[digits.CONTROL] + 0.3


def test_routed_stories_are_forgotten_by_ablation_and_those_of_a_model_that_was_not_routed_are_not() -> None:
    size = Size(width=32, layers=2, units=64, extra=32, expanded=2, steps=80, stories=600, test=100, relearning=5)
    world, rises = World.of(Request(0), generated(0, 600, 100), size), {}
    for labelled in (0.0, 1.0):
        found = measure(world, "", Setting("era", labelled))
        rises[labelled] = found["forget"] - found["forget before"]
        assert found["lowest relearnt"] <= found["relearnt 0"] == found["forget"]
    assert rises[1.0] > rises[0.0] + 0.1


def test_a_table_of_figures_is_as_long_as_it_can_be_and_no_wider() -> None:
    words = {f"word {k}": k / 100 for k in range(30)}
    wide = {"a": {"x": 1.0, "y": 2.0}, "b": {"x": 3.0, "y": 4.0}}
    lines = figures_table([{**wide, "cosines": words}]).splitlines()
    assert lines[0] == "| setting | x | y |"  # as many figures as settings: a row for each setting
    assert "| figure | cosines |" in lines  # more figures than settings: a row for each figure
    assert "| word 29 | +0.290 |" in lines
