"""Refuses requests that do not fit into memory, before anything is allocated."""

import os
from pathlib import Path

from oversight_gym.envs.errors import RequestError

CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int:
    """The number of bytes that a process can have on this machine or in this container."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(installed, int(CGROUP.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit, which reads "max"
        return installed


def check_memory(request: str, needed: float, mend: str) -> None:
    """Refuse a request that needs more memory than there is.

    Args:
        request: what was asked for, for example ``"num_envs is 1000000000"``.
        needed: the approximate number of bytes.
        mend: a request that would work, for the message.

    Raises:
        RequestError: if it cannot fit.
    """
    limit = memory_limit()
    if needed > limit:
        raise RequestError(
            f"{request}, which needs about {needed / 1e9:,.0f} GB of memory where there are {limit / 1e9:,.0f}; {mend}."
        )
