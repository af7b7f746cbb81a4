"""Giving memory back to the system that the C library would keep for later."""

import ctypes
import sys
from collections.abc import Callable

_LEAVE_NOTHING = 0


def _trim() -> Callable[[int], int] | None:
    """GNU's `malloc_trim`, where the C library is GNU's."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


_malloc_trim = _trim()


def give_back() -> None:
    """Give back what is free. It takes some milliseconds, in which other threads run."""
    if _malloc_trim is not None:
        _malloc_trim(_LEAVE_NOTHING)
