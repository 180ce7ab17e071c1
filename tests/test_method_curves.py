"""The curves on the methods' pages are drawn from whatever rows there are."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from test_charts import made

from oversight_gym.analysis.stored import store_rows

CURVES = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "method_curves.py"))["curves"]


def test_no_rows_no_curves(tmp_path: Path) -> None:
    assert CURVES(tmp_path / "missing.csv") == {}
    (tmp_path / "empty.csv").write_text("method,oversight\n")
    assert CURVES(tmp_path / "empty.csv") == {}


@pytest.mark.parametrize(
    ("seeds", "said"),
    [(2, "over 2 seeds at each level, dots are seeds, too few"), (4, "over 4 seeds at each level, dots")],
)
def test_each_method_with_rows_has_a_curve_and_its_seeds_are_counted(tmp_path: Path, seeds: int, said: str) -> None:
    asked: list[dict[str, Any]] = [{"seed": seed} for seed in range(seeds)]
    results = [made(method, level, **a) for method in ("routing", "naive") for level in (0.1, 0.3) for a in asked]
    store_rows(tmp_path / "methods.csv", results)
    found = CURVES(tmp_path / "methods.csv")
    assert found.keys() == {"routing", "naive"}
    assert said in found["routing"].caption
    assert b"<svg" in found["routing"].picture
    assert found["routing"].picture != found["naive"].picture


def test_uneven_seeds_are_said(tmp_path: Path) -> None:
    results = [made("routing", 0.1, seed=seed) for seed in range(5)] + [made("routing", 0.3)]
    store_rows(tmp_path / "methods.csv", results)
    assert "1 to 5 seeds" in CURVES(tmp_path / "methods.csv")["routing"].caption
