"""Memory that starting took and running does not need."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Returns freed memory to the system where the C library can; glibc keeps it otherwise.

    Reading configuration, certificates and drivers' tables takes several times what stays of them.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
