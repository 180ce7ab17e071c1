"""The versions on which a run's numbers depend beside its config: results version, commit of the code, libraries."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS_VERSION = 2
"""It is raised by every change after which the same config and seed give other numbers for a reason other than
rounding.

Runs that name no version have the first: their updates dropped the steps of unfinished episodes.
"""


@cache
def commit() -> str:
    """The commit of the checkout that this code lies in, ``+`` added where its files differ; empty outside a checkout.

    Files in ``docs/`` do not count: the rows of a table that is being made lie there, and no number depends on them.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not the repository of somebody else's project
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)docs")
        return git("rev-parse", "--short=12", "HEAD") + "+" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return ""


_PACKAGES = ("oversight-gym", "gymnasium", "numpy", "safetensors", "stable-baselines3", "torch")


def versions() -> dict[str, str]:
    """The versions of everything that affects a run's numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "commit": commit()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def changes(before: dict[str, str], now: dict[str, str]) -> str:
    """The differences between two sets of versions, in words; empty if there are none."""
    names = (name for name in {**before, **now} if before.get(name) != now.get(name))
    return ", ".join(f"{name} {before.get(name) or 'unknown'} (now {now.get(name) or 'unknown'})" for name in names)
