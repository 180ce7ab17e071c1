"""Memory that the C library keeps instead of giving it back to the system after every minibatch."""

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's <malloc.h>
MOST = 32 << 20
"""Bytes: as large a block as glibc ever takes from the memory that it keeps."""


@cache
def keep_freed_memory() -> bool:
    """Let arrays of up to ``MOST`` bytes reuse freed memory, in the whole process; once is enough.

    An update frees and takes the same few megabytes again and again. Given back in between, they cost some 3,000 page
    faults an update, a twentieth of its time.

    Returns:
        whether there is such a setting: in glibc.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    return setting is not None and bool(setting(_MMAP_THRESHOLD, MOST)) and bool(setting(_TRIM_THRESHOLD, 16 * MOST))
