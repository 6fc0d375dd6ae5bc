"""Electricity meters: one question at a time, to one meter after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from devices.dlt645.frames import ANY, Frame, FrameParser, question
from devices.dlt645.options import Options
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected, Taken
from devices.framing import Noise
from devices.serial_port import SerialPort
from records.types import Energy

_ANSWER, _REFUSAL = 0x80, 0x40
_READS = {0x11: 4, 0x01: 2}  # control without the bits of answers: bytes of the identifier
_KIND = 0x1F
_COMBINED = 0x00000000  # of 2007, and with a sign
_TOTALS = {_COMBINED, 0x00010000, 0x0001FF00, 0x9010, 0x901F}  # taken in; with FF and 1F its tariffs follow
_TOTAL = 4  # bytes of an energy: six digits and two decimals


class MeterDecoder:
    """The bytes of a line, questions and answers. `answered`: whether an answer came since it was last set to False."""

    def __init__(self, options: Options) -> None:
        self._names = {meter.address: meter.name for meter in options.meters}
        self._parser = FrameParser()
        self.answered = False

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.end() for item in self._of(found, at)]

    def _of(self, found: Frame | Noise, at: datetime) -> list[Item]:
        if isinstance(found, Noise):
            return [Rejected(found.reason, found.raw, at)]
        size = _READS.get(found.control & _KIND)
        if not found.control & _ANSWER or size is None:
            return []  # a question, or something else than reading
        self.answered = True
        meter = self._names.get(found.address) or found.address
        if found.control & _REFUSAL:
            code = found.data[0] if found.data else 0
            return [Rejected(f"meter {meter} refuses to say its energy (code {code:02X})", found.raw, at)]
        identifier = int.from_bytes(found.data[:size], "little")
        if identifier not in _TOTALS:
            return []  # voltages, currents, demands, clocks
        kwh = _energy(found.data[size : size + _TOTAL], signed=size == 4 and identifier == _COMBINED)
        if kwh is None:
            return [Rejected(f"meter {meter} says an energy that is no number", found.raw, at)]
        return [Reading(Energy(kwh, meter), at, raw=found.raw)]


def _energy(data: bytes, *, signed: bool) -> Decimal | None:
    """kWh of BCD digits, the last two first, two of them decimals; None where they are none. signed: by the top bit."""
    negative = signed and len(data) == _TOTAL and data[-1] >= 0x80
    digits = (data[:-1] + bytes((data[-1] & 0x7F,)) if negative else data)[::-1].hex()
    if len(data) < _TOTAL or not digits.isdigit():
        return None
    kwh = Decimal(int(digits)).scaleb(-2)
    return -kwh if negative else kwh


class MeterLine:
    """Every `interval_s` a round of questions. A meter that stops answering is told once; the line is offline when
    none of a round answers."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._decoder = MeterDecoder(options)
        self._line = SerialPort(options, self._decoder, options.answer_s)
        self._silent: set[str] = set()
        self._left: deque[str] = deque()
        self._next = 0.0  # monotonic time of the next round
        self._heard = False  # anything in this one
        self._lost = False

    def open(self) -> None:
        self._left.clear()
        self._next, self._lost = 0.0, False
        self._line.open()

    def read(self, timeout_s: float) -> Taken:
        """The answer to the next question, if one is due."""
        if self._lost:
            raise DeviceOffline(
                f"{self._options.port}: no meter answers; check wiring (A, B), baudrate, parity, standard and addresses"
            )
        if not self._left:
            wait = self._next - time.monotonic()
            if wait > 0:
                return self._line.read(min(timeout_s, wait))
            self._left.extend(meter.address for meter in self._options.meters)
            self._left.extend([] if self._left else [ANY])
            self._next, self._heard = time.monotonic() + self._options.interval_s, False
        items = self._ask(self._left.popleft())
        self._lost = not self._left and not self._heard
        return Taken(items)

    def close(self) -> None:
        self._line.close()

    def _ask(self, address: str) -> list[Item]:
        items = [*self._line.read(0).items, *self._decoder.end(_now())]  # what comes unasked answers nothing here
        self._decoder.answered = False
        self._line.write(question(address, self._options.standard))
        deadline = time.monotonic() + self._options.answer_s
        while not self._decoder.answered and (left := deadline - time.monotonic()) > 0:
            items += self._line.read(left).items
        if self._decoder.answered:
            self._heard = True
            self._silent.discard(address)
            return items
        return [*items, *self._decoder.end(_now()), *self._unanswered(address)]

    def _unanswered(self, address: str) -> list[Item]:
        if address in self._silent:
            return []
        self._silent.add(address)
        return [Rejected(f"meter {address} does not answer; check its address and wiring", b"", _now())]


def _now() -> datetime:
    return datetime.now(UTC)


def decoder(options: Options, context: Context) -> MeterDecoder:  # noqa: ARG001 - energies need no surroundings
    return MeterDecoder(options)


def device(options: Options, context: Context) -> Driver:  # noqa: ARG001 - energies need no surroundings
    return MeterLine(options)
