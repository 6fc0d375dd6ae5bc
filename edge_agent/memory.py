"""The process's own memory: what starting took goes back, and what is in it stays out of files."""

from __future__ import annotations

import ctypes
import gc

_PR_SET_DUMPABLE = 4  # prctl(2)


def leave_no_core() -> None:
    """However the process ends, no core file holds its keys, and no other process of its user reads them meanwhile."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def give_back() -> None:
    """Returns freed memory to the system where the C library can; glibc keeps it otherwise.

    Reading configuration, certificates and drivers' tables takes several times what stays of them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
