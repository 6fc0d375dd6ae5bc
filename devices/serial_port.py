"""A serial port as a way in: what arrives goes through a decoder."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime
from pathlib import Path

import serial

from devices.driver import Decoder, DeviceOffline, Item, Taken
from devices.options import SerialOptions

_CHUNK = 4096
_TERMINAL_SERVER = "rfc2217://"
_TICK_S = 0.1  # for which a read of a terminal server waits
_REASONS = {
    errno.ENOENT: "there is no such port; check the cable, and the name under /dev/serial/by-id",
    errno.EACCES: "the agent may not open it; add its user to the group that owns the port (dialout)",
    errno.EPERM: "the agent may not open it; add its user to the group that owns the port (dialout)",
    errno.EBUSY: "another program has it open; stop that program",
    errno.EAGAIN: "another program has it open; stop that program",
}
_GONE = "it is gone; check the cable, the device's power, and that no other program reads the port"


class SerialPort:
    """Bytes of a port, through `decoder`, as readings.

    gap_s: silence after which what has come is all there is; the decoder is told so by `end`, as it is when the port
    is lost, so that half a frame from before a loss never joins what comes after it.
    """

    def __init__(self, options: SerialOptions, decoder: Decoder, gap_s: float) -> None:
        self._options = options
        self._decoder = decoder
        self._gap_s = gap_s
        self._port: serial.Serial | None = None
        self._lost: DeviceOffline | None = None
        self._last = 0.0  # monotonic time of the last byte
        self._open_end = False  # bytes came since the decoder was last told of an end

    def open(self) -> None:
        """Opens the port for this program alone, or `DeviceOffline` with what to check."""
        chosen = self._options
        wired = not _is_simulated(chosen.port)
        try:
            self._port = serial.serial_for_url(
                chosen.port,
                baudrate=chosen.baudrate,
                bytesize=chosen.bytesize if wired else serial.EIGHTBITS,
                parity=chosen.parity if wired else serial.PARITY_NONE,
                stopbits=chosen.stopbits,
                exclusive=True,
                timeout=_TICK_S,
            )
        except (OSError, ValueError) as error:  # pyserial's own exceptions are OSErrors; a bad URL is a ValueError
            raise self._offline(error) from error
        self._lost = None

    def read(self, timeout_s: float) -> Taken:
        """What came within the time; `DeviceOffline` once the port is lost and what it had begun is handed over."""
        if self._lost:
            raise self._lost
        try:
            data = self._bytes(timeout_s)
        except OSError as error:
            return self._loss(self._offline(error))
        if data:
            self._last, self._open_end = time.monotonic(), True
            return Taken(self._decoder.feed(data, _now()))
        if self._open_end and time.monotonic() - self._last >= self._gap_s:
            return Taken(self._end())
        return Taken()

    def write(self, data: bytes) -> None:
        """Asks the device; `DeviceOffline` when the port is lost."""
        try:
            if self._port is None:
                raise OSError("the port is not open")
            self._port.write(data)
        except OSError as error:
            raise self._offline(error) from error

    def close(self) -> None:
        """Lets go of the port."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            port.close()
        except OSError:
            return  # it is gone already

    def _bytes(self, timeout_s: float) -> bytes:
        if self._port is None:
            raise OSError("the port is not open")
        if self._open_end:
            timeout_s = min(timeout_s, max(0.0, self._last + self._gap_s - time.monotonic()))
        first = self._first(self._port, timeout_s)
        waiting = self._port.in_waiting if first else 0
        return first + bytes(self._port.read(min(waiting, _CHUNK))) if waiting else first

    def _first(self, port: serial.Serial, timeout_s: float) -> bytes:
        """The next byte. A terminal server is told to set its line up anew whenever the timeout changes."""
        if not self._options.port.startswith(_TERMINAL_SERVER):
            port.timeout = timeout_s
            return bytes(port.read(1))
        deadline = time.monotonic() + timeout_s
        while not (first := bytes(port.read(1))) and time.monotonic() < deadline:
            pass
        return first

    def _loss(self, lost: DeviceOffline) -> Taken:
        items = self._end()
        if not items:
            raise lost
        self._lost = lost
        return Taken(items)

    def _end(self) -> list[Item]:
        self._open_end = False
        return list(self._decoder.end(_now()))

    def _offline(self, error: Exception) -> DeviceOffline:
        known = _REASONS.get(getattr(error, "errno", None) or 0)
        hint = known or (str(error) if isinstance(error, ValueError) else _GONE)
        return DeviceOffline(f"{self._options.port}: {hint}")


def _is_simulated(port: str) -> bool:
    """A pseudo-terminal has whole bytes and no parity, and refuses to be told otherwise (tcsetattr, EINVAL)."""
    return str(Path(port).resolve()).startswith("/dev/pts/")


def _now() -> datetime:
    return datetime.now(UTC)
