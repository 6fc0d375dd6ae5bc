"""`edge-hq completeness`: what boxes accepted beside what HQ stored, in words or as JSON (`hq.complete`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg

from cloud_sync.spans import Span
from hq.complete import BoxReport, LaneReport, lane_missing, report
from hq.data import Data, pretty
from hq.exits import Exit
from hq.reading import connect
from hq.warehouse.facts import standings

Connection = psycopg.Connection[Any]
_SHOWN = 5  # ranges printed for people


def main(data: Path, store: str | None, as_json: bool) -> int:
    """Prints every store and box, a line each, or with `as_json` a list of boxes. Raises DataError, Failure."""
    with connect(Data(data)) as connection:
        found = reports(connection, store)
    if as_json:
        print(pretty([_object(box) for box in found]).decode(), end="")
    else:
        sys.stdout.writelines(line + "\n" for line in text(found))
    return Exit.DONE


def reports(connection: Connection, store: str | None) -> list[BoxReport]:
    """Every box that is registered or of which something is stored, by name."""
    return [report(one) for one in standings(connection, store)]


def text(found: Iterable[BoxReport]) -> Iterator[str]:
    """Every box; before the boxes of a store with several a line for the store."""
    for store, group in groupby(found, key=lambda box: box.store):
        boxes = list(group)
        if len(boxes) > 1:
            stored = sum(lane.stored for box in boxes for lane in box.lanes)
            yield f"{store}: {sum(box.missing for box in boxes)} missing, {stored} stored, {len(boxes)} boxes"
        for box in boxes:
            yield from _text(box)


def _text(box: BoxReport) -> Iterator[str]:
    counts = {
        "{} missing": box.missing,
        "{} stored": sum(lane.stored for lane in box.lanes),
        "{} of them waiting at the store": sum(lane.waiting for lane in box.lanes),
        "{} dropped by policy": sum(lane.dropped for lane in box.lanes),
        "{} lost: the box holds them no more": box.lost,
        "{} refused as dead letters": sum(lane.refused for lane in box.lanes),
        "{} refused for want of space": box.refused,
    }
    parts = [words.format(count) for place, (words, count) in enumerate(counts.items()) if count or place < 2]
    yield f"{box.store} {box.box}: {_complete(box)}{', '.join(parts)}"
    for stream in box.forked:
        yield f"  {stream.hex()[:8]} forked: an image of its disk went two ways; both are stored, counted by epoch"
    for lane in box.lanes:
        if lane.missing:
            yield f"  {_name(lane)}: missing {_ranges(lane.missing)}"
        if lane.lost_ranges:
            yield f"  {_name(lane)}: lost {_ranges(lane.lost_ranges)}"


def _name(lane: LaneReport) -> str:
    return f"{lane.stream.hex()[:8]} {lane.lane.name.lower()}"


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
        "lost": box.lost,
        "refused": box.refused,
        "forked": [stream.hex() for stream in box.forked],
        "lanes": [
            {
                "stream": lane.stream.hex(),
                "lane": lane.lane.name.lower(),
                "accepted": lane.accepted,
                "stored": lane.stored,
                "dropped": lane.dropped,
                "lost": lane.lost,
                "refused": lane.refused,
                "waiting": lane.waiting,
                "missing_records": lane_missing(lane),
                "missing": lane.missing,
                "lost_ranges": lane.lost_ranges,
                "complete_to": lane.complete_to,
            }
            for lane in box.lanes
        ],
    }
