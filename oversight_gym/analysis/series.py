"""The names of a comparison's series: the method, and the settings that distinguish it from the others."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from oversight_gym.runs.config import NON_RESULT_FIELDS, TrainConfig

_NO_SETTING = {"method", "oversight", "seed", "threads", "device", *NON_RESULT_FIELDS}

_OF_ALL = ("preset", "world", "results_version")
"""The settings that are also named if they differ between methods."""


@cache
def _preset_values(preset: str, method: str, world: str | None) -> dict[str, Any]:
    return TrainConfig.of(preset=preset, method=method, world=world).to_json()


@dataclass(frozen=True)
class Settings:
    """The settings that two runs must share, beside level and seed, to belong to the same series.

    Attributes:
        config: the run's config.
        select: the checkpoint that counts.
        version: the results version.
    """

    config: TrainConfig
    select: str
    version: int

    @property
    def values(self) -> dict[str, str]:
        """Every setting as text. Settings that only affect the choice of a checkpoint are left out if the last one
        counts."""
        found = self.config.to_json() | {"select": self.select, "results_version": self.version}
        needless = _NO_SETTING | (set() if self.select == "overseen" else {"select_labels"})
        needless |= {"evaluations"} if self.select == "last" else set()
        return {name: _text(value) for name, value in found.items() if name not in needless}

    @property
    def changed(self) -> dict[str, str]:
        """The preset, the world if any, the results version, and the settings that differ from the preset's for the
        method."""
        plain = _preset_values(self.config.preset, self.config.method, self.config.world)
        return {
            name: text
            for name, text in self.values.items()
            if name in ("preset", "results_version")
            or (name == "world" and text != "null")
            or text != _text(plain[name])
        }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def named_series(settings: Sequence[Settings]) -> list[str]:
    """The name of each run's series; runs have the same name if and only if they belong to the same series.

    Settings are named where they are not the preset's own and tell the runs of a method apart. Preset, world and
    results version are also named where they tell methods apart.
    """
    changed = [one.changed for one in settings]
    names = list(dict.fromkeys(name for change in changed for name in change))
    values: dict[tuple[str, str], set[str | None]] = {}
    for one, change in zip(settings, changed, strict=True):
        for name in names:
            values.setdefault((one.config.method, name), set()).add(change.get(name))
            values.setdefault(("", name), set()).add(change.get(name))

    def tells(method: str, name: str) -> bool:
        return len(values["" if name in _OF_ALL else method, name]) > 1

    return [
        ", ".join([one.config.method, *(f"{name}={change[name]}" for name in change if tells(one.config.method, name))])
        for one, change in zip(settings, changed, strict=True)
    ]
