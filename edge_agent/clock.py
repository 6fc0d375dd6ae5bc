"""The box's clocks: wall time with its quality, time since boot, and which boot it is."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

from records import ClockQuality

_STA_UNSYNC = 0x0040  # adjtimex(2)
_TIMEX_BYTES = 256
_TIMEX_STATUS_AT = 40
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Now(NamedTuple):
    """One moment. wall: aware UTC; mono: seconds since boot, never stepping; quality: of `wall`."""

    wall: datetime
    mono: float
    quality: ClockQuality


class Clock(Protocol):
    def now(self) -> Now: ...


class SystemClock:
    """The kernel's clocks. Whether the wall clock is disciplined is asked once a second at most."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._quality = ClockQuality.UNKNOWN
        self._asked = float("-inf")

    def now(self) -> Now:
        mono = self.monotonic()
        if mono - self._asked >= 1:
            self._asked = mono
            self._quality = self._ask()
        return Now(datetime.now(UTC), mono, self._quality)

    def monotonic(self) -> float:
        """Seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.time_ns() // 1000

    def _ask(self) -> ClockQuality:
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)
        if self._libc.adjtimex(timex) < 0:
            return ClockQuality.UNKNOWN
        status = int.from_bytes(timex.raw[_TIMEX_STATUS_AT : _TIMEX_STATUS_AT + 4], "little")
        return ClockQuality.UNKNOWN if status & _STA_UNSYNC else ClockQuality.SYNCED


def boot_id() -> bytes:
    """The kernel's id of this boot, 16 bytes."""
    return UUID(_BOOT_ID.read_text().strip()).bytes
