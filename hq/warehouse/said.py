"""What headers and heartbeats say of streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cloud_sync.ingest.work import Beat, Header
from cloud_sync.wire.epoch import NO_EPOCH
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.standing import accepted
from records import Lane


class Said(NamedTuple):
    """What headers and heartbeats together say of a stream: who it is of, whether they begin it, by lane the lowest
    number that a header names, and the highest that either does."""

    store: str
    box: str
    begun: bool
    first: tuple[int | None, ...]
    named: tuple[int, ...]

    def plus(self, other: Said) -> Said:
        firsts = zip(self.first, other.first, strict=True)
        first = tuple(min((one for one in pair if one is not None), default=None) for pair in firsts)
        named = tuple(map(max, self.named, other.named))
        return Said(self.store, self.box, self.begun or other.begun, first, named)


def said(headers: Iterable[Header], beats: Iterable[Beat]) -> dict[bytes, Said]:
    """By stream, in its order: rows are locked in one order in every transaction."""
    found: dict[bytes, Said] = {}
    for stream, one in [*map(_said_by_header, headers), *filter(None, map(_said_by_beat, beats))]:
        found[stream] = found[stream].plus(one) if stream in found else one
    return dict(sorted(found.items()))


def _said_by_header(header: Header) -> tuple[bytes, Said]:
    who = header.header.identity
    named = tuple(first - 1 for first in who.first)
    return who.stream, Said(*header.sender[:2], who.previous == NO_EPOCH, who.first, named)


def _said_by_beat(beat: Beat) -> tuple[bytes, Said] | None:
    if not isinstance(beat.body, Heartbeat):
        return None
    return beat.body.stream, Said(*beat.sender[:2], False, (None,) * len(Lane), accepted(beat.body))
