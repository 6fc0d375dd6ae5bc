"""Scans: a scanner's line to what was scanned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.payment_code import without_begun_codes, without_payment_codes
from devices.scanner_serial.codes import MASKED, Rules, interpret
from devices.scanner_serial.elements import Misread
from devices.scanner_serial.frames import Code, LineParser, Noise
from devices.scanner_serial.options import Options, ScannerOptions
from devices.serial_port import SerialPort
from records.types import PaymentCode

_DIGITS = re.compile(rb"[0-9]{8,}")
_CUT_OFF = "cut off: the scanner's suffix did not come"


class ScanDecoder:
    """A payment code is dropped as soon as it is known for one: it is in no reading, reason, state or raw bytes."""

    def __init__(self, options: ScannerOptions) -> None:
        self._rules = Rules(options.role, options.payment_codes, options.scale_prefixes, options.layouts)
        self._window = timedelta(seconds=options.window_s)
        self._lines = LineParser(options.suffix, options.min_length)
        self._last: tuple[int, datetime] | None = None  # hash of the last code, and when it was last seen

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._lines.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._items(self._lines.end(), at)

    def _items(self, found: list[Code | Noise], at: datetime) -> list[Item]:
        return [item for one in found if (item := self._item(one, at)) is not None]

    def _item(self, found: Code | Noise, at: datetime) -> Item | None:
        if isinstance(found, Noise):
            return Rejected(found.reason, _DIGITS.sub(lambda run: b"*" * len(run[0]), found.raw), at)
        if not found.ended:
            return Rejected(_CUT_OFF, without_begun_codes(found.raw), at)
        if self._repeated(found.text, at):
            return None
        try:
            data = interpret(found.text, self._rules)
        except Misread as error:
            return Rejected(str(error), without_payment_codes(found.raw), at)
        secret = isinstance(data, PaymentCode) or MASKED in data.flags
        return Reading(data, at, raw=b"" if secret else found.raw)

    def _repeated(self, text: str, at: datetime) -> bool:
        if not self._window:
            return False
        code = hash(text)  # salted by the interpreter: not the code, and of no use outside this process
        repeated = self._last is not None and self._last[0] == code and at - self._last[1] <= self._window
        self._last = (code, at)
        return repeated


def decoder(options: Options, context: Context) -> ScanDecoder:  # noqa: ARG001 - scans need nothing of it
    return ScanDecoder(options)


def device(options: Options, context: Context) -> Driver:
    return SerialPort(options, decoder(options, context), options.gap_s)
