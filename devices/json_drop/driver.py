"""json-drop: exports of a till as JSON, dropped into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from devices.driver import Context, Decoder, Driver, Item, Rejected
from devices.drop_folder import DropFolder
from devices.json_drop.options import Options
from devices.mapping.decoder import MappedDecoder


class JsonDecoder:
    """A file's bytes in, its records out as they come. An array without entries is a day without sales; a file
    without anything is one that went wrong.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._mapped = MappedDecoder(options.record_mapping, options.encoding, context)
        self._blank = True

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        self._blank = self._blank and not data.strip()
        return self._mapped.feed(data, at)

    def end(self, at: datetime) -> Sequence[Item]:
        items = self._mapped.end(at)
        blank, self._blank = self._blank, True
        return [Rejected("file set aside: it is empty", b"", at)] if blank else items


def decoder(options: Options, context: Context) -> Decoder:
    return JsonDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return DropFolder(options, lambda _name: JsonDecoder(options, context), context)
