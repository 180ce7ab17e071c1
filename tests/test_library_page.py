"""The code of docs/routing_library.md routes what the page says; that it runs is tested with all pages."""

import re
from pathlib import Path

import torch

PAGE = (Path(__file__).parents[1] / "docs" / "routing_library.md").read_text()


def test_hooks_let_a_word_to_come_reach_the_blocks_in_one_dimension_alone() -> None:
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S):
        exec(block, names)
    model, routing = names["model"], names["routing"]
    assert isinstance(model, torch.nn.Module)
    assert isinstance(routing, dict)
    tokens = torch.tensor([[3, 7]])
    plain = model(tokens)
    routing["mask"] = torch.arange(16) == 0
    routed = model(tokens)
    assert torch.equal(plain, routed)
    model.zero_grad()
    torch.nn.functional.cross_entropy(routed[:, 0], tokens[:, 1]).backward()
    last = model.h[2].mlp[2].weight.grad  # type: ignore[union-attr,index]
    assert last[0].any()
    assert not last[1:].any()


def test_a_network_of_ones_own_takes_fifteen_lines() -> None:
    first = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 15
