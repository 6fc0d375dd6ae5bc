"""Noise in a row told as one: a wrong baud rate or another protocol fills no buffer with quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from devices.driver import Decoder, Item, Rejected

ALONE = 8  # rejects in a row that are told one by one
MOST = 4096  # bytes that are told together
_MORE = "; and for other reasons"


class Gathered:
    """Another decoder's items; rejects without end are joined, whatever the pieces they came in."""

    def __init__(self, inner: Decoder) -> None:
        self._inner = inner
        self._row = 0
        self._held: Rejected | None = None

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [told for item in self._inner.feed(data, at) for told in self._of(item)]

    def end(self, at: datetime) -> Sequence[Item]:
        items = [told for item in self._inner.end(at) for told in self._of(item)]
        return items + self._release()

    def _of(self, item: Item) -> list[Item]:
        if not isinstance(item, Rejected) or item.state:
            self._row = 0
            return [*self._release(), item]
        self._row += 1
        if self._row <= ALONE:
            return [item]
        held = self._held
        if held and len(held.raw) + len(item.raw) <= MOST:
            reason = held.reason if item.reason in held.reason else held.reason.removesuffix(_MORE) + _MORE
            self._held = replace(held, raw=held.raw + item.raw, reason=reason)
            return []
        told = self._release()
        self._held = item
        return told

    def _release(self) -> list[Item]:
        held, self._held = self._held, None
        return [held] if held else []
