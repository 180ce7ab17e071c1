"""The results of finished runs, wherever they are read from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from oversight_gym.analysis.series import Settings
from oversight_gym.envs import RequestError
from oversight_gym.evaluation.selection import Row, chosen, labels_spent
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.rows import at_gate


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        config: the run's config.
        rows: its evaluations as in ``evaluations.csv``; for a stored run, only the one that counts.
        labels: the number of labels consumed, by use.
        select: the evaluation that counts, a key of ``SELECTIONS``.
        version: the results version, see ``RESULTS_VERSION``.
        commit: the commit of the code that trained it; empty if it was not recorded.
        source: the place that it was read from, for messages.
        series: the name of its series: the method, and the settings that distinguish it from other runs in the
            comparison.

    Raises:
        RequestError: if figures or labels are missing.
    """

    config: TrainConfig
    rows: tuple[Row, ...]
    labels: dict[str, int]
    select: str = "last"
    version: int = 1
    commit: str = ""
    source: str = ""
    series: str = ""

    def __post_init__(self) -> None:
        needed = {f"{pattern}{figure}" for pattern in ("", "none/") for figure in ("return_stepwise", self.p_unwanted)}
        if not self.rows or not all(needed <= at_gate(row, self.config.gate).keys() for row in self.rows):
            raise RequestError("its evaluations lack figures")
        if self.select != "last" and not all(f"select/{self.select}" in row for row in self.rows):
            raise RequestError(f"its evaluations lack select/{self.select}; train it with `select` {self.select}")
        if not self.labels.keys() - {"model_selection"}:
            raise RequestError("its labels are not counted")

    @property
    def p_unwanted(self) -> str:
        """The figure that is the probability of the least valuable kind."""
        return f"p_{self.config.unwanted}"

    @property
    def uses_ground_truth(self) -> bool:
        """Whether training or selection used something that no supervisor sees."""
        return self.config.method_row.uses_hidden or self.select == "oracle"

    @property
    def diverged(self) -> bool:
        """Whether some figure is not finite."""
        return not all(math.isfinite(value) for row in self.rows for value in at_gate(row, self.config.gate).values())

    @property
    def settings(self) -> Settings:
        """The settings that distinguish the series of a method."""
        return Settings(self.config, self.select, self.version)

    @property
    def counted(self) -> Row:
        """The evaluation of the checkpoint that counts."""
        return self.rows[chosen(self.rows, self.select)]

    def curve(self, figure: str) -> tuple[list[float], list[float]]:
        """Training steps, and a figure (``return_stepwise``, ``none/p_ghost``, ...) of the policy as used.

        If there are several evaluations at the same step, the last one is given.
        """
        found = {row["step"]: at_gate(row, self.config.gate)[figure] for row in self.rows}
        return list(found), list(found.values())

    def figure(self, figure: str) -> float:
        """A figure at the checkpoint that counts."""
        return at_gate(self.counted, self.config.gate)[figure]

    def range_of(self, figure: str) -> tuple[float, float]:
        """The least and the greatest value that a figure (a return or a probability) can have."""
        if figure.rpartition("/")[2].startswith("p_"):
            return 0.0, 1.0
        values = [float(value) for value in self.config.env.values]
        return min(0.0, *values), max(0.0, *values)

    @property
    def training_labels(self) -> int:
        """Labels that training consumed, where the same label may serve several uses."""
        return max(count for use, count in self.labels.items() if use != "model_selection")

    @property
    def labels_used(self) -> int:
        """Labels that the run consumed, in training and for selection."""
        return self.training_labels + labels_spent(self.rows, self.select)


@dataclass
class Reading:
    """Everything that was read from some folders and files.

    Attributes:
        results: the results, by series, level and seed.
        diverged: the runs with figures that are not finite; they are in no mean.
        notes: a sentence for everything that was left out or should be known.
        damaged: a sentence for everything that should be readable and is not.
    """

    results: list[Result] = field(default_factory=list)
    diverged: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def provenance(results: Iterable[Result]) -> str:
    """A sentence that names the results versions of these runs and the commits that trained them."""
    found = list(results)
    versions = " and ".join(map(str, sorted({result.version for result in found})))
    commits = ", ".join(sorted({f"`{result.commit}`" for result in found if result.commit}))
    return f"Results version {versions}" + (f", trained at commit {commits}." if commits else ".")
