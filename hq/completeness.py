"""`edge-hq completeness`: what boxes accepted beside what HQ stored, by stream and lane.

Numbers of a lane run on without a gap through the epochs of a stream, so what lies between the first and the highest
number that was ever named (by a heartbeat, an epoch's header, a tombstone or a stored record) and is neither stored nor
named by a tombstone is missing. Stored outranks a tombstone. What a box still holds without receipt is missing too and
said to be waiting. A box is complete to the time of its last heartbeat, corrected by its measured skew and never later
than its receipt, when nothing that it had accepted by then is missing; by an unknown clock only numbers are told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from cloud_sync.wire.heartbeat import Heartbeat
from hq.data import Data
from hq.exits import Exit
from hq.reading import connect
from hq.warehouse.ledger import moment
from hq.warehouse.spans import Span, gaps, size
from records import ClockQuality, Lane

Connection = psycopg.Connection[Any]
_SHOWN = 5  # ranges printed for people


@dataclass(frozen=True)
class LaneReport:
    """One lane of one stream. All are numbers of records but `missing`, which are ranges with both ends.

    accepted: the highest number that is known; dropped: named by tombstones and not stored
    waiting: of the missing, those that the box says it still holds; complete_to: the last number before the first gap
    """

    stream: bytes
    lane: Lane
    accepted: int
    stored: int
    dropped: int
    waiting: int
    missing: tuple[Span, ...]
    complete_to: int


@dataclass(frozen=True)
class BoxReport:
    """A box with every lane of its streams. refused: records that it could not take in and counted."""

    store: str
    box: str
    lanes: tuple[LaneReport, ...]
    refused: int
    heard: datetime | None

    @property
    def missing(self) -> int:
        return sum(size(lane.missing) for lane in self.lanes)

    @property
    def complete_to(self) -> datetime | None:
        """The time to which nothing is missing; None when something is, or no clock tells."""
        return None if self.missing else self.heard


def main(data: Path, store: str | None, as_json: bool) -> int:
    """Prints every box, a line each, or with `as_json` a list of objects. Raises DataError, Failure."""
    with connect(Data(data)) as connection:
        found = reports(connection, store)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode([_object(box) for box in found]), indent=2).decode())
    else:
        sys.stdout.writelines(line + "\n" for box in found for line in _text(box))
    return Exit.DONE


def reports(connection: Connection, store: str | None) -> list[BoxReport]:
    """Every box that is registered or of which something is stored, by name."""
    names = connection.execute(
        """SELECT store, box FROM box WHERE %(store)s::text IS NULL OR store = %(store)s
           UNION SELECT store, box FROM epoch WHERE %(store)s::text IS NULL OR store = %(store)s ORDER BY 1, 2""",
        {"store": store},
    ).fetchall()
    return [_report(connection, name, box) for name, box in names]


def _report(connection: Connection, store: str, box: str) -> BoxReport:
    row = connection.execute(
        "SELECT body, received_at FROM heartbeat WHERE store = %s AND box = %s", [store, box]
    ).fetchone()
    beat = msgspec.convert(row[0], Heartbeat) if row else None
    claimed, dropped = _claimed(connection, store, box), _dropped(connection, store)
    lanes = [
        _lane(stream, lane, first, claimed.get((stream, lane), []), dropped.get((stream, lane), []), beat)
        for (stream, lane), first in sorted(_firsts(connection, store, box, beat).items())
    ]
    refused = connection.execute(
        "SELECT coalesce(sum(count), 0) FROM loss WHERE reason = 'refused' AND store = %s AND box = %s", [store, box]
    ).fetchone()
    return BoxReport(
        store, box, tuple(lanes), int(refused[0]) if refused else 0, _heard(beat, row[1]) if beat and row else None
    )


Firsts = dict[tuple[bytes, Lane], tuple[int, int]]
Spans = dict[tuple[bytes, Lane], list[Span]]


def _firsts(connection: Connection, store: str, box: str, beat: Heartbeat | None) -> Firsts:
    """By stream and lane: where its numbers begin, and the highest that headers name."""
    rows = connection.execute(
        """SELECT stream, bool_or(previous IS NULL), min(first_vital), min(first_normal), min(first_bulk),
               max(first_vital), max(first_normal), max(first_bulk)
           FROM epoch WHERE store = %s AND box = %s GROUP BY stream""",
        [store, box],
    )
    found: Firsts = {}
    for stream, whole, *firsts in rows:
        for lane in Lane:
            found[bytes(stream), lane] = (firsts[lane] if whole else 1, firsts[3 + lane] - 1)
    if beat:
        for lane in Lane:
            found.setdefault((beat.stream, lane), (1, 0))
    return found


def _claimed(connection: Connection, store: str, box: str) -> Spans:
    rows = connection.execute(
        """SELECT stream, lane, range_agg(seqs) FROM claim
           WHERE stream IN (SELECT stream FROM epoch WHERE store = %s AND box = %s) GROUP BY stream, lane""",
        [store, box],
    )
    return {(bytes(stream), Lane(lane)): [(r.lower, r.upper - 1) for r in ranges] for stream, lane, ranges in rows}


def _dropped(connection: Connection, store: str) -> Spans:
    """Ranges that tombstones name; a successor may have sent them."""
    rows = connection.execute(
        """SELECT data_stream, data_lane, first, last FROM loss
           WHERE store = %s AND data_stream IS NOT NULL AND data_lane BETWEEN 0 AND 2 AND first <= last""",
        [store],
    )
    found: Spans = {}
    for stream, lane, first, last in rows:
        if len(stream) == 32 and all(digit in "0123456789abcdef" for digit in stream):
            found.setdefault((bytes.fromhex(stream), Lane(lane)), []).append((first, last))
    return found


def _lane(
    stream: bytes, lane: Lane, known: tuple[int, int], claimed: list[Span], dropped: list[Span], beat: Heartbeat | None
) -> LaneReport:
    said = beat.lanes[lane] if beat and beat.stream == stream and lane < len(beat.lanes) else None
    first, named = known
    accepted = max(named, said.accepted if said else 0, *(last for _, last in [*claimed, *dropped]), 0)
    whole = (first, accepted)
    missing = gaps(whole, [*claimed, *dropped]) if accepted >= first else []
    unstored = gaps(whole, claimed) if accepted >= first else []
    return LaneReport(
        stream,
        lane,
        accepted,
        stored=size(claimed),
        dropped=size(unstored) - size(missing),
        waiting=min(said.rows, size(missing)) if said else 0,
        missing=tuple(missing),
        complete_to=missing[0][0] - 1 if missing else accepted,
    )


def _heard(beat: Heartbeat, received: datetime) -> datetime | None:
    """HQ's time of what the heartbeat says; None where the box's clock is unknown."""
    if beat.clock == ClockQuality.UNKNOWN:
        return None
    at = moment(beat.at_us, received) - timedelta(milliseconds=beat.skew_ms or 0)
    return min(at, received).astimezone(UTC)


def _text(box: BoxReport) -> Iterator[str]:
    waiting = sum(lane.waiting for lane in box.lanes)
    dropped = sum(lane.dropped for lane in box.lanes)
    parts = [f"{box.missing} missing", f"{sum(lane.stored for lane in box.lanes)} stored"]
    parts += [f"{waiting} of them waiting at the store"] if waiting else []
    parts += [f"{dropped} dropped by policy"] if dropped else []
    parts += [f"{box.refused} refused for want of space"] if box.refused else []
    yield f"{box.store} {box.box}: {_complete(box)}{', '.join(parts)}"
    for lane in box.lanes:
        if lane.missing:
            yield f"  {lane.stream.hex()[:8]} {lane.lane.name.lower()}: missing {_ranges(lane.missing)}"


def _complete(box: BoxReport) -> str:
    if not box.lanes:
        return "never heard of; "
    if box.complete_to is not None:
        return f"complete to {box.complete_to:%Y-%m-%dT%H:%M:%SZ}, "
    numbers = ", ".join(f"{lane.lane.name.lower()} {lane.complete_to}" for lane in box.lanes if lane.accepted)
    return f"complete to number ({numbers}), " if numbers else ""


def _ranges(spans: Iterable[Span]) -> str:
    printed = [f"{first}" if first == last else f"{first}-{last}" for first, last in spans]
    more = len(printed) - _SHOWN
    return ", ".join(printed[:_SHOWN]) + (f" and {more} more ranges" if more > 0 else "")


def _object(box: BoxReport) -> dict[str, Any]:
    return {
        "store": box.store,
        "box": box.box,
        "complete_to": box.complete_to,
        "missing": box.missing,
        "refused": box.refused,
        "lanes": [
            {
                "stream": lane.stream.hex(),
                "lane": lane.lane.name.lower(),
                "accepted": lane.accepted,
                "stored": lane.stored,
                "dropped": lane.dropped,
                "waiting": lane.waiting,
                "missing": lane.missing,
                "complete_to": lane.complete_to,
            }
            for lane in box.lanes
        ],
    }
