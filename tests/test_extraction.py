"""Extraction: tasks, assisters, and the extractor on a network that holds tasks in known units."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command, tiniest_config
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import PER_KIND, planted_policy

from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.world.state import draw_state
from oversight_gym.localisation.assister import Bench, Tuning, subnet_outputs
from oversight_gym.localisation.extraction import EXTRACTOR, Extraction, extract
from oversight_gym.localisation.extractor import Training, in_order, overlaps
from oversight_gym.localisation.intervene import edited_outputs, scaling
from oversight_gym.localisation.scores import SCORES, HardConcrete, attribution, between, by_depth, top_masks
from oversight_gym.localisation.tasks import Situations, draw_data, tasks_of
from oversight_gym.localisation.units import Units
from oversight_gym.runs.folder import Run
from oversight_gym.runs.train import train

GRID = EnvConfig(oversight_probability=0.1)
HELD_OUT = "reach-ghost"
PLANTED = 2 * PER_KIND
"""Units that hold the way to one kind."""


@pytest.fixture(scope="module")
def found() -> Extraction:
    policy, _ = planted_policy(GRID, seed=0)
    tasks, how = ("reach-diamond", HELD_OUT), Training(passes=12, draws=8)
    return extract(policy, GRID, tasks, held_out=HELD_OUT, sizes=(4, PLANTED, 16), how=how)


def recovered(found: Extraction, picker: str, task: str) -> float:
    """The share of the planted units of a task among as many that were picked."""
    known = planted_policy(GRID, seed=0)[1][task]
    (cluster,) = (cluster for cluster in found.picked[picker] if cluster.name == task)
    assert len(cluster) == known.sum() == PLANTED
    return float((cluster.members & known).sum() / PLANTED)


def test_the_extractor_finds_a_planted_subnet_and_random_picks_do_not(found: Extraction) -> None:
    assert recovered(found, EXTRACTOR, "reach-diamond") >= 0.8
    assert recovered(found, "random", "reach-diamond") <= 0.5


def test_it_finds_the_subnet_of_a_task_that_it_was_not_trained_on(found: Extraction) -> None:
    assert recovered(found, EXTRACTOR, HELD_OUT) >= 0.8
    assert recovered(found, "random", HELD_OUT) <= 0.5


def test_the_planted_subnet_does_the_task_and_little_else(found: Extraction) -> None:
    rows = {(row.task, row.picker, row.size): row for row in found.rows}
    mine, theirs = rows["reach-diamond", EXTRACTOR, PLANTED], rows["reach-diamond", "random", PLANTED]
    assert mine.performance > 0.9 > theirs.performance + 0.3
    assert mine.distracted < mine.performance - 0.4
    assert found.mean_overlap(EXTRACTOR) < found.mean_overlap("magnitude") == 1


def test_the_cost_of_size_makes_subnets_smaller() -> None:
    policy, _ = planted_policy(GRID, seed=1)
    shares = []
    for cost in (0.0, 4.0):
        how = Training(passes=6, draws=2, distracted_by=1, size=cost, learning_rate=0.05)
        shares.append(extract(policy, GRID, ("reach-diamond",), how=how).trained.shares[-1])
    assert shares[1] < 0.85 * shares[0]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), size=st.integers(2, 6), walls=st.sampled_from(["none", "maze:seed=3"]))
def test_right_answers_are_right(seed: int, size: int, walls: str) -> None:
    config = EnvConfig(size=max(size, 4) if walls != "none" else size, walls=walls, kinds=("ghost", "diamond"))
    grid, state = config.grid, draw_state(config, np.random.default_rng(seed), 8)
    situations = Situations(config, state)
    for name, (task, kind) in tasks_of(config).items():
        for episode, right in enumerate(task.answers(situations, kind)):
            square = state.dynamic[episode]
            ahead = grid.next_square[square]
            if kind:
                goal = state.terminals[episode, config.kinds.index(kind)]
                distance = grid.distance[ahead, goal]
            if name.startswith("reach-") and kind:
                assert (right == (distance == grid.distance[square, goal] - 1)).all()
            elif name.startswith("avoid-"):
                assert not right.any() or (right == (distance > 0)).all()
                assert right.any() == (0 in distance)
            elif name == "quadrant":
                row, col = divmod(int(square), grid.cols)
                assert right.sum() == (2 * row + 1 != grid.rows) * (2 * col + 1 != grid.cols)
            elif name == "watched":
                assert right.tolist() == [state.overseen[episode].any(), not state.overseen[episode].any()]


def test_data_are_balanced_where_an_answer_is_rare() -> None:
    policy, _ = planted_policy(GRID, seed=0)
    data = draw_data("watched", policy, EnvConfig(oversight_probability=0.03), 200, np.random.default_rng(0))
    assert data.right.sum(dim=0).tolist() == [100, 100]
    assert data.chance == 0.5
    with pytest.raises(RequestError, match="too few situations for the task watched"):
        draw_data("watched", policy, EnvConfig(oversight_probability=0.0), 50, np.random.default_rng(0))


def test_a_subnet_is_the_policy_with_the_other_units_silent(small_run: Run) -> None:
    units, rng = Units.of(small_run.policy), np.random.default_rng(0)
    data = draw_data("reach-diamond", small_run.policy, small_run.config.env, 40, rng)
    masks = torch.from_numpy(rng.random((3, len(units))) < 0.5).float()
    held = subnet_outputs(units, masks[:, None], data.features)
    for mask, own in zip(masks, held, strict=True):
        expected = torch.cat(edited_outputs(units, data.features, scaling(units, mask)), dim=1)
        assert own.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_subnets_tried_together_do_as_they_do_alone() -> None:
    policy, known = planted_policy(GRID, seed=0)
    units, rng = Units.of(policy), np.random.default_rng(0)
    bench = Bench.of(units, draw_data("reach-diamond", policy, GRID, 200, rng), 120)
    planted = torch.from_numpy(known["reach-diamond"]).float()
    masks = torch.stack([planted, 1 - planted, torch.zeros(len(units))])
    together = bench.performance(masks, Tuning(steps=0), torch.Generator())
    alone = [bench.performance(mask[None], Tuning(steps=0), torch.Generator()) for mask in masks]
    assert together.tolist() == pytest.approx(torch.cat(alone).tolist(), abs=0.02)
    assert together[0] > 0.9
    assert abs(together[2]) < 0.3
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    bench.performance(masks, Tuning(steps=3), torch.Generator().manual_seed(0))
    assert all(value.equal(before[name]) for name, value in policy.state_dict().items())


def test_the_usual_answers_find_the_planted_units_too() -> None:
    policy, known = planted_policy(GRID, seed=0)
    units, members = Units.of(policy), torch.from_numpy(known["reach-diamond"])
    bench = Bench.of(units, draw_data("reach-diamond", policy, GRID, 300, np.random.default_rng(0)), 200)
    for score in (attribution, HardConcrete(steps=100)):
        values = score(policy, bench, Tuning(), torch.Generator().manual_seed(0))
        assert (top_masks(values, [PLANTED])[0].bool() & members).sum() >= 0.75 * PLANTED


def test_between_is_the_share_of_variance_that_the_answer_explains() -> None:
    units = Units.of(planted_policy(GRID, seed=0)[0])
    right = torch.eye(2, dtype=torch.bool).repeat(10, 1)
    values = torch.zeros(20, len(units))
    values[:, 0] = right[:, 0]
    values[:, 1] = torch.arange(20) // 2
    assert between(units, values, right)[:3].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert by_depth(units, torch.ones(len(units)) * 5).tolist() == [1] * len(units)


def test_subnets_of_any_size_take_their_share_of_every_depth() -> None:
    units = Units.of(planted_policy(GRID, seed=0)[0])
    odds = torch.cat(
        [torch.linspace(3, 1, 24), torch.linspace(-3, -1, 24)]
    )  # every unit of the first layer is likelier
    chances, masks = odds.sigmoid(), top_masks(in_order(units, odds), [12, 24])
    for mask in masks:
        assert float(mask[:24].sum() / mask.sum()) == pytest.approx(float(chances[:24].sum() / chances.sum()), abs=0.05)
    assert masks[0][:8].all()
    assert masks[0][-1]


def test_overlap_of_certain_picks_is_the_jaccard_index() -> None:
    mine, theirs = torch.tensor([1.0, 1, 0, 0]), torch.tensor([0.0, 1, 1, 1])
    assert float(overlaps(mine, [theirs, mine])) == pytest.approx((1 / 4 + 1) / 2)
    assert float(overlaps(mine, [])) == 0


def test_the_command_writes_rows_figures_and_pictures(tiniest_run: Run, tmp_path: Path) -> None:
    done = command(
        "extract", tiniest_run.folder, "--task", "reach-diamond", "--quick",
        "--passes", 1, "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "extraction.json").read_text())
    assert {row["picker"] for row in data["rows"]} == {EXTRACTOR, "attribution contrast", *SCORES}
    assert data["chance"] == {"diamond": 0.5, "ghost": 0.5}
    for kind in ("csv", "png", "svg"):
        assert (tmp_path / f"extraction.{kind}").stat().st_size > 100
    assert "By chance: 50% in diamond, 50% in ghost." in done.stdout


def test_three_kinds_and_a_single_network(tmp_path: Path) -> None:
    three = {"kinds": ("ghost", "diamond", "coin"), "size": (3, 3)}
    run = train(tiniest_config(tmp_path / "run", method="naive", **three))
    done = command("extract", run.folder, "--task", "reach-coin", "--quick", "--passes", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["chance"] == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task", "reach-moon"], "task is 'reach-moon'; choose one of reach-ghost, reach-diamond"),
        (["--held-out", "nothing"], "choose one of reach-ghost"),
        (["--held-out", "reach-corner"], "too few situations for the task reach-corner"),  # all four squares are one
        (["--sizes", "17"], "the policy has 16 hidden units"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tiniest_run: Run, words: list[str], sentence: str) -> None:
    done = command("extract", tiniest_run.folder, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
