"""What can be saved of a set-aside buffer file: sealed rows and batches, the headers of their epochs, and the state.

The file is read page by page (`pages`), so that a damaged page costs what stood on it. Rows are packed at once into
batches of sealed rows, since their numbers are those of the old stream. A batch is whole when its digest is right, a
row when its checksum is, a header when the box's signature is. Numbers between those found that no row or batch has are
named, so that HQ can tell what it misses from what it already has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.reader import WireError
from edge_agent.buffer.pages import Pages, Row
from edge_agent.buffer.schema import PAGE
from edge_agent.buffer.transaction import Batch, JournalRow, NewEpoch, lane_seq
from records import Lane

_HEADER_COLUMNS = 2


class Gap(NamedTuple):
    """Numbers of the old stream that were not found: lost, or gone before with their receipt."""

    lane: Lane
    epoch: bytes
    first: int
    last: int


class Salvaged(NamedTuple):
    """All that was found.

    epochs: by the ordinal of the old file; settled: digests of batches with a receipt; next: the next number of each
    lane, where that is known
    """

    stream: bytes | None
    epochs: dict[int, NewEpoch]
    rows: list[JournalRow]
    batches: list[Batch]
    settled: set[bytes]
    state: dict[tuple[str, str], bytes | None]
    seen: list[tuple[str, bytes, int]]
    next: dict[Lane, int]


def salvage(path: Path, box: Ed25519PublicKey) -> Salvaged:
    """Reads a file that no process has open. Whatever its bytes are, this ends and gives what makes sense."""
    rows = list(Pages(path, PAGE).rows())
    epochs = {new.ordinal: new for new in _epochs(rows, box)}
    journal, batches, settled = _journal(rows, epochs), {}, set()
    for batch, is_settled in _batches(rows, epochs):
        batches[batch.digest] = batch
        if is_settled:
            settled.add(batch.digest)
    covered = {(batch.lane, seq) for batch in batches.values() for seq in range(batch.first, batch.last + 1)}
    journal = [row for row in journal if (row.lane, row.seq) not in covered]
    stream = next((wire_epoch.parse(new.header).identity.stream for new in epochs.values()), None)
    state, seen = _state(path)
    return Salvaged(stream, epochs, journal, list(batches.values()), settled, state, seen, _next_numbers(rows))


def _epochs(rows: list[Row], box: Ed25519PublicKey) -> Iterator[NewEpoch]:
    for row in rows:
        raw = row.values[-1] if len(row.values) == _HEADER_COLUMNS else None
        if not isinstance(raw, bytes) or not raw.startswith(wire_epoch.MAGIC):
            continue
        try:
            header = wire_epoch.parse(raw)
            header.verify(box)
        except WireError:
            continue
        yield NewEpoch(row.rowid, header.identity.epoch, raw, wire_batch.digest(raw))


def _journal(rows: list[Row], epochs: dict[int, NewEpoch]) -> list[JournalRow]:
    found: dict[tuple[Lane, int], JournalRow] = {}
    for _, rowid, values in rows:
        match values:
            case (None, int() as epoch, int() as kind, int() as words, bytes() as sealed, int() as crc):
                if rowid >> 56 not in list(Lane) or epoch not in epochs:
                    continue
                lane, seq = lane_seq(rowid)
                row = JournalRow(lane, seq, epoch, kind, words, sealed, crc)
                if 0 <= kind < 2**16 and 0 <= words < 2**16 and row.whole:
                    found[lane, seq] = row
            case _:
                pass
    return [found[key] for key in sorted(found)]


def _batches(rows: list[Row], epochs: dict[int, NewEpoch]) -> Iterator[tuple[Batch, bool]]:
    for _, _, values in rows:
        match values:
            case (None, bytes() as digest, int() as lane, int() as epoch, int() as first, int() as last, *more):
                oldest, _, settled, payload = more if len(more) == 4 else (0, 0, 0, b"")
                if isinstance(payload, bytes) and wire_batch.digest(payload) == digest and epoch in epochs:
                    batch = Batch(digest, Lane(lane), epoch, first, last, oldest or 0, payload)  # type: ignore[arg-type]
                    yield batch, settled is not None
            case _:
                pass


def _next_numbers(rows: list[Row]) -> dict[Lane, int]:
    """The next number of each lane, where the table that says so can be read."""
    found = {}
    for _, rowid, values in rows:
        match values:
            case (None, int() as following, int() as cut) if rowid in list(Lane) and 0 < cut <= following:
                found[Lane(rowid)] = following
            case _:
                pass
    return found


def gaps(found: Salvaged) -> list[Gap]:
    """What of the held epochs' numbers was not found.

    An epoch's header is held as long as anything of it is, so what came before the oldest is at HQ. Within, a number
    that was not found is lost, or went with its receipt: HQ knows which.
    """
    spans: dict[Lane, list[tuple[int, int]]] = {lane: [] for lane in Lane}
    for row in found.rows:
        spans[row.lane].append((row.seq, row.seq))
    for batch in found.batches:
        spans[batch.lane].append((batch.first, batch.last))
    epochs = found.epochs.values()
    identities = sorted((wire_epoch.parse(new.header).identity for new in epochs), key=lambda each: each.first)
    holes = []
    for lane, known in spans.items():
        begin = min((identity.first[lane] for identity in identities), default=1)
        end = max(found.next.get(lane, 0), *(last + 1 for _, last in known), begin)
        for first, last in _holes(sorted(known), begin, end):
            holes += _by_epoch(lane, first, last, identities)
    return holes


def _holes(spans: list[tuple[int, int]], begin: int, end: int) -> Iterator[tuple[int, int]]:
    expected = begin
    for first, last in [*spans, (end, end)]:
        if first > expected:
            yield expected, first - 1
        expected = max(expected, last + 1)


def _by_epoch(lane: Lane, first: int, last: int, identities: list[wire_epoch.EpochIdentity]) -> list[Gap]:
    starts = [(identity.first[lane], identity.epoch) for identity in identities]
    ends = [*(start - 1 for start, _ in starts[1:]), last][: len(starts)]
    cut = [(max(first, start), min(last, end), epoch) for (start, epoch), end in zip(starts, ends, strict=True)]
    return [Gap(lane, epoch, low, high) for low, high, epoch in cut if low <= high]


def _state(path: Path) -> tuple[dict[tuple[str, str], bytes | None], list[tuple[str, bytes, int]]]:
    """What drivers kept, as far as SQLite can still read it; without it they read their sources anew."""
    state: dict[tuple[str, str], bytes | None] = {}
    seen: list[tuple[str, bytes, int]] = []
    try:
        with closing(sqlite3.connect(path)) as db:  # a file with a write-ahead log cannot be opened for reading alone
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            state.update(
                {(device, key): value for device, key, value in db.execute("SELECT device, key, value FROM state")}
            )
            seen += db.execute("SELECT device, identity, day FROM seen")
    except sqlite3.Error:
        pass
    return state, seen
