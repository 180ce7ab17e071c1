"""The README's example and flags are true."""

import re
from pathlib import Path

from conftest import command

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_example_runs(capsys) -> None:  # type: ignore[no-untyped-def]
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert "1_000_000" in code
    exec(code.replace("1_000_000", "40_000"), {})
    assert "return_stepwise" in capsys.readouterr().out


def test_every_flag_it_names_exists() -> None:
    for name in ("train", "evaluate", "steer"):
        helped = command(name, "--help").stdout
        for line in re.findall(rf"^    oversight-gym {name} .*$", README, flags=re.M):
            for flag in re.findall(r"--[a-z-]+", line):
                assert flag in helped, f"{flag} of {line}"
