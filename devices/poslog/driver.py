"""poslog: transaction logs of tills as ARTS POSLog XML, dropped into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from devices.driver import Context, Decoder, Driver, Item, Reading, Rejected
from devices.drop_folder import DropFolder
from devices.poslog.frames import Cutter, Frame
from devices.poslog.options import Options
from devices.poslog.privacy import redacted
from devices.poslog.transactions import read_transaction
from devices.poslog.tree import Malformed, parse
from records import ClockQuality


class PoslogDecoder:
    """A file's bytes in, a reading for each of its transactions out as soon as it ends."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cutter = Cutter()
        self._count = 0

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [self._item(frame, at) for frame in self._cutter.feed(data)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [self._item(frame, at) for frame in self._cutter.end()]

    def _item(self, frame: Frame, at: datetime) -> Item:
        self._count += 1
        raw = redacted(frame.raw)
        try:
            if frame.fault:
                raise Malformed(frame.fault)
            header, data = read_transaction(parse(frame.document), self._context)
        except Malformed as fault:
            place = "" if str(fault).startswith("the file") else f"transaction {self._count}: "
            return Rejected(f"{place}{fault}", raw, at)
        return Reading(data, header.at, ClockQuality.SOURCE, raw=raw)


def decoder(_options: Options, context: Context) -> Decoder:
    return PoslogDecoder(context)


def device(options: Options, context: Context) -> Driver:
    return DropFolder(options, lambda _name: PoslogDecoder(context), context)
