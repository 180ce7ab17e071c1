"""The formulas on the methods' pages say what the rows of data say."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.agents.methods.variants import InverselyWeighted

LOSS = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "formulas.py"))["loss"]
BUILTIN = [name for name, method in METHODS.items() if type(method).__module__.startswith("oversight_gym.")]


def words(text: str) -> str:
    """The text of a page without its tags."""
    return re.sub(r"<[^>]+>", "", text)


@pytest.mark.parametrize("name", BUILTIN)
def test_each_part_of_a_method_is_in_its_formulas_and_no_other(name: str) -> None:
    method, text = METHODS[name], LOSS(METHODS[name])
    formulas = re.findall(r"<math.*?</math>", text, flags=re.DOTALL)
    assert all(ElementTree.fromstring(formula).tag.endswith("math") for formula in formulas)
    assert "\\" not in words(text)  # nothing that the converter does not know
    assert ("<mtext>gate</mtext>" in text) == ("`gate_coef`" in text) == method.gate_loss
    assert ("stops the gradient" in words(text)) == method.routed
    assert ("under oversight" in text) == isinstance(method, InverselyWeighted)
    assert ("the oversight plane" in text) == (method.shown_oversight != "true")
    assert ("a ghost" in words(text)) == method.uses_hidden


@pytest.mark.parametrize(
    ("name", "paid"),
    [
        ("routing", "+1 for any terminal."),
        ("naive", "+1 for an observed diamond, -1 for an observed ghost, +1 for a terminal that nobody saw."),
        ("filtering", "+1 for an observed diamond, -1 for an observed ghost."),
        ("oracle", "+1 for a diamond, -1 for a ghost."),
    ],
)
def test_what_is_paid(name: str, paid: str) -> None:
    assert f"is paid at the end of an episode: {paid}\n" in LOSS(METHODS[name])
