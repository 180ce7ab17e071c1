"""``doctor``: what is installed here, what is missing, and for what."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from packaging.requirements import Requirement

from oversight_gym.cli.common import console
from oversight_gym.envs.fields import Checked
from oversight_gym.envs.memory import memory_limit

DISTRIBUTION = "oversight-gym"
PURPOSES = {
    "demonstrations": "the digits that demonstrate digits, classes and edges use unless --data names others",
    "mlflow": "curves in MLflow: --track mlflow",
    "ray": "sweeps on a cluster: sweep --executor ray",
    "slurm": "sweeps on a SLURM cluster: sweep --executor slurm",
    "video": "recordings as MP4: watch --record FILE.mp4",
    "tune": "search for hyperparameters: scripts/tune.py",
    "wandb": "curves in Weights & Biases: --track wandb",
}
"""The purpose of each optional extra."""


@dataclass(frozen=True)
class DoctorOptions(Checked):
    """Report what is installed on this machine, and what is missing for which purpose."""


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        name: the thing that was checked.
        found: the result.
        trouble: what is wrong; empty if nothing is.
        needed: whether the program needs it.
    """

    name: str
    found: str
    trouble: str = ""
    needed: bool = False


def doctor(options: DoctorOptions) -> None:
    """Print the report; exits with status 1 if something is missing that the program needs."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    findings = [*_machine(), *_packages()]
    for finding in findings:
        table.add_row(finding.name, finding.found, finding.trouble)
    console().print(table)
    if any(finding.needed and finding.trouble for finding in findings):
        sys.exit(1)


def _machine() -> Iterator[Finding]:
    import torch

    yield Finding("python", platform.python_version())
    yield Finding("platform", platform.platform())
    yield Finding("processors", f"{os.cpu_count()}, torch threads {torch.get_num_threads()} (a run uses 1, --threads)")
    yield Finding("memory", f"{memory_limit() / 1e9:,.0f} GB")
    yield Finding("free disk", f"{shutil.disk_usage('.').free / 1e9:,.0f} GB in this folder")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    yield Finding("GPU", gpu, "" if gpu != "none" else "runs use the processor; --device cuda needs one")
    shown = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or "none"
    if sys.platform == "darwin" or os.name == "nt":
        shown = "the desktop's"
    trouble = "" if shown != "none" else "watch and play open no window; watch --record and --sheet work"
    yield Finding("display", shown, trouble)


def _packages() -> Iterator[Finding]:
    """Every package that the distribution asks for, those of an extra with what the extra is for."""
    try:
        yield Finding(DISTRIBUTION, version(DISTRIBUTION))
        asked = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield Finding(DISTRIBUTION, "not installed", "install it: pip install oversight-gym", needed=True)
        return
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement, f"install it: pip install '{requirement.name}{requirement.specifier}'", True)
        for extra, purpose in PURPOSES.items():
            if requirement.marker is not None and requirement.marker.evaluate({"extra": extra}):
                yield _package(requirement, f"for {purpose}; pip install '{DISTRIBUTION}[{extra}]'", False)


def _package(requirement: Requirement, mend: str, needed: bool) -> Finding:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "missing", mend, needed)
    fits = requirement.specifier.contains(found, prereleases=True)
    return Finding(requirement.name, found, "" if fits else f"not {requirement.specifier}: {mend}", needed)
