"""What a run's numbers depend on beside its config: the results version, and the commit of the code."""

import subprocess
from functools import cache
from pathlib import Path

RESULTS_VERSION = 2
"""Raised by every change after which the same config and seed give other numbers for another reason than rounding.

Runs that name no version have the first: their updates dropped the steps of unfinished episodes.
"""


@cache
def commit() -> str:
    """The commit of the checkout that this code lies in, ``+`` added where files differ; empty outside a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # not the repository of somebody else's project
        return git("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+")
    except (OSError, subprocess.CalledProcessError):
        return ""
