"""What a series of a comparison is called: the method, and what tells its settings from those beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from oversight_gym.runs.config import NON_RESULT_FIELDS, TrainConfig

_NO_SETTING = {"method", "oversight", "seed", "threads", "device", *NON_RESULT_FIELDS}


@cache
def _preset_values(preset: str, method: str) -> dict[str, Any]:
    return TrainConfig.of(preset=preset, method=method).to_json()


@dataclass(frozen=True)
class Settings:
    """What two runs must share, beside level and seed, to be seeds of the same thing.

    Attributes:
        config: of the run.
        select: which checkpoint counts.
        version: of the results.
    """

    config: TrainConfig
    select: str
    version: int

    @property
    def values(self) -> dict[str, str]:
        """Every setting as text. What only matters to the choice of a checkpoint is left out where the last counts."""
        found = self.config.to_json() | {"select": self.select, "results_version": self.version}
        needless = _NO_SETTING | (set() if self.select == "overseen" else {"select_labels"})
        needless |= {"evaluations"} if self.select == "last" else set()
        return {name: _text(value) for name, value in found.items() if name not in needless}

    @property
    def changed(self) -> dict[str, str]:
        """The preset, and the settings that are not the preset's own for the method."""
        plain = _preset_values(self.config.preset, self.config.method)
        return {
            name: text for name, text in self.values.items() if name == "preset" or text != _text(plain.get(name, 1))
        }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def named_series(settings: Sequence[Settings]) -> list[str]:
    """A name for each: the same where runs are seeds of the same thing, and different where they are not.

    A setting is named where it varies within the method, or was changed from the preset for some runs and not all.
    """
    values, changed = [one.values for one in settings], [one.changed for one in settings]
    methods = [one.config.method for one in settings]
    everywhere = {name: {other.get(name) for other in changed} for name in dict.fromkeys(k for v in values for k in v)}
    within: dict[tuple[str, str], set[str | None]] = {}
    for method, change in zip(methods, changed, strict=True):
        for name in everywhere:
            within.setdefault((method, name), set()).add(change.get(name))

    def named(method: str, value: dict[str, str], change: dict[str, str]) -> str:
        telling = (
            name
            for name in everywhere
            if len(within[method, name]) > 1 or (name in change and len(everywhere[name]) > 1)
        )
        return ", ".join([method, *(f"{name}={value[name]}" for name in telling)])

    return [named(*each) for each in zip(methods, values, changed, strict=True)]
