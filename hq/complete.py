"""What boxes accepted beside what HQ stored, by stream and lane. No I/O: from what a warehouse knows.

Numbers of a lane run on without a gap through the epochs of a stream, so what lies between the first and the highest
number that was ever named (by a heartbeat, an epoch's header, a tombstone or a stored record) and is neither stored nor
explained is missing. Stored outranks every explanation: a tombstone, the box's word that it holds the record no more, a
refusal. In a stream that forked a number stands for a record of each epoch, so there every epoch is counted by itself.
What a box still holds without receipt is missing too and said to be waiting.

A box is complete to the time of the newest of its heartbeats (on HQ's clock, never later than its receipt) whose
numbers the contiguous stored or explained prefix of every lane reaches; without a clock only numbers are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cloud_sync.ingest.asking import Wanted
from cloud_sync.spans import Span, gaps, merged, size
from cloud_sync.wire.downlink import ANY_EPOCH
from cloud_sync.wire.heartbeat import Heartbeat
from hq.warehouse.explained import Kind
from hq.warehouse.standing import Epoch, Mark, Standing, Stream
from records import Lane

Ranges = Mapping[tuple[bytes, int, Kind], list[Span]]
_EXPLANATIONS = (Kind.DROPPED, Kind.NOT_HELD, Kind.REFUSED)


@dataclass(frozen=True)
class LaneReport:
    """One lane of one stream. All are numbers of records but `missing` and `lost_ranges`, ranges with both ends.

    accepted: the highest number that is known; of those not stored: dropped, named by tombstones; lost, not held any
    more by the box; refused, dead letters
    waiting: of the missing, those that the box says it still holds; complete_to: the last number before the first gap
    wanted: what is missing as a re-send asks for it
    """

    stream: bytes
    lane: Lane
    accepted: int
    stored: int
    dropped: int
    lost: int
    refused: int
    waiting: int
    missing: tuple[Span, ...]
    lost_ranges: tuple[Span, ...]
    complete_to: int
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class BoxReport:
    """A box with every lane of its streams.

    refused: records that it could not take in and counted; heard: when its last heartbeat came
    complete_to: the time to which nothing is missing, None when no heartbeat tells; forked: streams with two ways on
    """

    store: str
    box: str
    lanes: tuple[LaneReport, ...]
    refused: int
    heard: datetime | None
    complete_to: datetime | None
    forked: tuple[bytes, ...]
    stream: bytes | None

    @property
    def missing(self) -> int:
        return sum(lane_missing(lane) for lane in self.lanes)

    @property
    def lost(self) -> int:
        return sum(lane.lost for lane in self.lanes)


def report(of: Standing) -> BoxReport:
    """What is known of one box, judged."""
    lanes = [_lane(stream, lane, of) for stream in of.streams for lane in Lane if _known(stream, lane, of)]
    forked = tuple(stream.stream for stream in of.streams if stream.forked)
    present = of.beat.stream if of.beat else None
    complete = _complete_to(of, lanes)
    return BoxReport(of.store, of.box, tuple(lanes), of.refused, of.heard, complete, forked, present)


def lane_missing(lane: LaneReport) -> int:
    """How many records are missing; in a forked stream a number may be missing more than once."""
    return sum(last - first + 1 for *_, first, last in lane.wanted)


def wanted(reports: Iterable[BoxReport]) -> dict[tuple[str, str], list[Wanted]]:
    """By box what to ask it for: what is missing and not simply waiting for its turn there."""
    found = {
        (box.store, box.box): [one for lane in box.lanes if lane_missing(lane) > lane.waiting for one in lane.wanted]
        for box in reports
    }
    return {name: ranges for name, ranges in found.items() if ranges}


def _known(stream: Stream, lane: Lane, of: Standing) -> bool:
    """Every lane of a stream of which a header came or that the last heartbeat names."""
    heard = of.beat is not None and of.beat.stream == stream.stream
    return heard or stream.begun or any(stream.named) or any(key[:2] == (stream.stream, lane) for key in of.ranges)


class _Counted(NamedTuple):
    """A range of numbers by what became of them."""

    stored: int
    explained: tuple[list[Span], ...]
    missing: list[Span]


def _count(whole: Span, stored: Sequence[Span], explanations: Sequence[Sequence[Span]]) -> _Counted:
    """Each number of `whole` once: stored, by the first explanation that names it, or missing."""
    open_ = gaps(whole, stored) if whole[0] <= whole[1] else []
    explained = []
    for told in explanations:
        rest = [gap for span in open_ for gap in gaps(span, told)]
        explained.append([taken for span in open_ for taken in gaps(span, rest)])
        open_ = rest
    return _Counted(size(stored), tuple(explained), open_)


def _lane(stream: Stream, lane: Lane, of: Standing) -> LaneReport:
    explanations = [of.ranges.get((stream.stream, lane, kind), []) for kind in _EXPLANATIONS]
    stored = of.ranges.get((stream.stream, lane, Kind.STORED), [])
    ends = [last for _, last in [*stored, *explanations[0]]]
    accepted = max(stream.named[lane], *ends, 0)
    if stream.forked:
        parts = list(_forked(stream, lane, accepted, explanations))
    else:
        first = stream.first[lane] if stream.begun else 1
        parts = [(ANY_EPOCH, _count((first, accepted), stored, explanations))]
    return _lane_report(stream, lane, accepted, parts, of.beat)


def _forked(
    stream: Stream, lane: Lane, accepted: int, explanations: Sequence[Sequence[Span]]
) -> Iterator[tuple[bytes, _Counted]]:
    """Every epoch's own numbers, and those that lie in no known epoch."""
    spans = []
    for epoch in sorted(stream.epochs, key=lambda one: (one.first[lane], one.epoch)):
        stored = epoch.stored.get(lane, [])
        spans.append((epoch.first[lane], _end(epoch, lane, stream.epochs)))
        yield epoch.epoch, _count(spans[-1], stored, explanations)
    yield ANY_EPOCH, _count((1, accepted), [], [spans, *explanations])._replace(stored=0)


def _end(epoch: Epoch, lane: Lane, epochs: Sequence[Epoch]) -> int:
    """The highest number that an epoch is known to have given."""
    after = [one.first[lane] - 1 for one in epochs if one.previous == epoch.epoch]
    stored = [last for _, last in epoch.stored.get(lane, [])]
    return max([*after, *stored, epoch.heard[lane], epoch.first[lane] - 1])


def _lane_report(
    stream: Stream, lane: Lane, accepted: int, parts: Sequence[tuple[bytes, _Counted]], beat: Heartbeat | None
) -> LaneReport:
    said = beat.lanes[lane] if beat and beat.stream == stream.stream and lane < len(beat.lanes) else None
    missing = merged(span for _, part in parts for span in part.missing)
    dropped, lost, refused = ([span for _, part in parts for span in part.explained[place]] for place in (-3, -2, -1))
    wanted = [(stream.stream, epoch, int(lane), *span) for epoch, part in parts for span in part.missing]
    return LaneReport(
        stream.stream,
        lane,
        accepted,
        stored=sum(part.stored for _, part in parts),
        dropped=size(dropped),
        lost=size(lost),
        refused=size(refused),
        waiting=min(said.rows, sum(size(part.missing) for _, part in parts)) if said else 0,
        missing=tuple(missing),
        lost_ranges=tuple(merged(lost)),
        complete_to=missing[0][0] - 1 if missing else accepted,
        wanted=tuple(wanted),
    )


def _complete_to(of: Standing, lanes: Sequence[LaneReport]) -> datetime | None:
    order = [stream.stream for stream in of.streams]
    return next((mark.at for mark in reversed(of.marks) if _reached(mark, lanes, order)), None)


def _reached(mark: Mark, lanes: Sequence[LaneReport], order: Sequence[bytes]) -> bool:
    """Whether every lane of the mark's stream goes as far, and nothing is missing of the streams before it."""
    if mark.stream not in order:
        return not any(mark.accepted)
    before = set(order[: order.index(mark.stream)])
    return all(
        lane.complete_to >= mark.accepted[lane.lane] if lane.stream == mark.stream else not lane.missing
        for lane in lanes
        if lane.stream == mark.stream or lane.stream in before
    )
