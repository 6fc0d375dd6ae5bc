"""The modem lines of a serial port, asked of the kernel.

The kernel counts each edge by itself, so that looking now and then misses none; waiting for one (TIOCMIWAIT) could not
be left when the agent stops.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
import time
from typing import Protocol

from devices.driver import DeviceOffline
from devices.pulse_count.frames import Sample

_TIOCGICOUNT = 0x545D  # asm-generic/ioctls.h
_COUNTS = struct.Struct("20i")  # serial_icounter_struct: cts, dsr, rng, dcd, rx, tx, ...
_INT = struct.Struct("i")
_BITS = (termios.TIOCM_CTS, termios.TIOCM_DSR, termios.TIOCM_RI, termios.TIOCM_CD)
_NO_LINES = "its driver counts no modem lines; use an adapter that does (FTDI, PL2303, CP210x) or a built-in port"
_REASONS = {
    errno.ENOENT: "there is no such port; check the cable, and the name under /dev/serial/by-id",
    errno.EACCES: "the agent may not open it; add its user to the group that owns the port (dialout)",
    errno.EBUSY: "another program has it open; stop that program",
    errno.ENOTTY: _NO_LINES,
    errno.EINVAL: _NO_LINES,
}


class LineReader(Protocol):
    """What tells the state of the lines."""

    def open(self) -> None:
        """Ready to be looked at, or `DeviceOffline`."""
        ...

    def sample(self) -> Sample:
        """How they stand now; `DeviceOffline` when the port is gone."""
        ...

    def close(self) -> None: ...


class ModemLines:
    """The lines of `port`; DTR and RTS are raised, so that contacts can be fed from them."""

    def __init__(self, port: str) -> None:
        self._port = port
        self._file = -1

    def open(self) -> None:
        try:
            self._file = os.open(self._port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            settings = termios.tcgetattr(self._file)
            settings[2] |= termios.CLOCAL  # DCD is a contact here, and ends nothing
            termios.tcsetattr(self._file, termios.TCSANOW, settings)
            fcntl.ioctl(self._file, termios.TIOCMBIS, _INT.pack(termios.TIOCM_DTR | termios.TIOCM_RTS))
        except (OSError, termios.error) as error:
            self.close()
            raise self._offline(error) from error
        try:
            self.sample()
        except DeviceOffline:
            self.close()
            raise

    def sample(self) -> Sample:
        try:
            counts = _COUNTS.unpack(fcntl.ioctl(self._file, _TIOCGICOUNT, bytes(_COUNTS.size)))
            (bits,) = _INT.unpack(fcntl.ioctl(self._file, termios.TIOCMGET, bytes(_INT.size)))
        except (OSError, ValueError) as error:  # a file that is not open is a ValueError
            raise self._offline(error) from error
        levels = sum(1 << number for number, bit in enumerate(_BITS) if bits & bit)
        cts, dsr, ri, dcd = (count & 0xFFFFFFFF for count in counts[:4])
        return Sample(time.monotonic_ns() // 1_000_000, (cts, dsr, ri, dcd), levels)

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _offline(self, error: Exception) -> DeviceOffline:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        return DeviceOffline(f"{self._port}: {_REASONS.get(code, 'it is gone; check the cable')}")
