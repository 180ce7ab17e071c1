"""Lets the C library keep freed memory instead of returning it to the system after every minibatch."""

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's <malloc.h>
MOST = 32 << 20
"""The largest block, in bytes, that glibc takes from the memory that it keeps."""


@cache
def keep_freed_memory() -> bool:
    """Let arrays of up to ``MOST`` bytes reuse freed memory, in the whole process; once is enough.

    An update frees and allocates the same few megabytes again and again. If they are returned to the system in between,
    an update has some 3,000 page faults, which take a twentieth of its time.

    Returns:
        whether the setting exists, which is the case in glibc.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    return setting is not None and bool(setting(_MMAP_THRESHOLD, MOST)) and bool(setting(_TRIM_THRESHOLD, 16 * MOST))
