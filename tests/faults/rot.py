"""A closed buffer file with rows and batches, copies of it that rot, and what a recorder has of such a copy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.topics import Up
from edge_agent.buffer import BufferDamaged
from edge_agent.buffer.pages import Pages
from edge_agent.buffer.schema import PAGE
from edge_agent.buffer.transaction import JournalRow, lane_seq
from edge_agent.recorder import messages
from edge_agent.recorder.opening import FILE, NOTHING, Opened, open_buffer, replace_damaged
from records import Lane, Record
from tests.edge_agent.boxes import NOON, TestBox, some_records
from tests.edge_agent.test_buffer_damage import cut_all
from tests.edge_agent.test_recorder import Bench, accept

JOURNAL = "SELECT id, epoch, type, dictionary, sealed, crc FROM journal"
OUTBOX = "SELECT digest, payload FROM outbox"
CUT, UNCUT = 1000, 500
Number = tuple[Lane, int]


class Found(NamedTuple):
    """numbers: what is whole; wrong: what is whole by its own checksum or digest, and is not what was stored; header:
    the epoch's; salvaged: whether the file was set aside; named: what is then told to be gone. In a file that stays in
    use the recorder names what it finds as it cuts and sends."""

    numbers: set[Number]
    wrong: set[Number]
    named: set[Number]
    header: bytes
    salvaged: bool


class Stored:
    """One epoch, some of it cut into batches, and the file's bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._box = folder, TestBox()
        folder.mkdir()
        bench = Bench(folder, self._box)
        for seed in range(CUT // 100):
            self._take(bench, seed)
            cut_all(bench)
        for seed in range(CUT // 100, (CUT + UNCUT) // 100):
            self._take(bench, seed)
        self.epoch = bench.core.epoch
        bench.buffer.close()
        self.path = folder / FILE
        self.bytes = self.path.read_bytes()
        with closing(sqlite3.connect(self.path)) as db:
            self.rows = {row[0]: tuple(row) for row in db.execute(JOURNAL)}
            self.batches: dict[bytes, bytes] = dict(db.execute(OUTBOX))
            ((self.header,),) = db.execute("SELECT raw FROM header_a")
        self.records = self._opened([*self._as_batches(), *self.batches.values()])
        self.numbers = set(self.records)
        self.pages = len(self.bytes) // PAGE
        self._places = self._find()

    @staticmethod
    def _take(bench: Bench, seed: int) -> None:
        bench.step(accept(some_records(100, seed=seed)))
        bench.step(messages.Flush())

    def _as_batches(self) -> list[bytes]:
        rows = [(*lane_seq(row[0]), wire_batch.Row(*row[2:5])) for row in self.rows.values()]
        return [wire_batch.pack_rows(lane, self.epoch, seq, [row]) for lane, seq, row in rows]

    def _opened(self, payloads: list[bytes]) -> dict[Number, Record]:
        """What HQ reads in batches of this stream, with this header."""
        stream = wire_epoch.parse(self.header).identity.stream
        parcels = [Parcel(b"", Up.EPOCH, self.header), *(Parcel(b"", Up.BATCH, payload) for payload in payloads)]
        read = self._box.read_streams(parcels)
        return {(lane, seq): record for (own, lane, seq), record in read.items() if own == stream}

    def bits_of(self, table: str) -> list[int]:
        """One bit of each byte that is not zero on the first page of a table and of its indexes, and all of what begins
        the page.
        """
        with closing(sqlite3.connect(self.path)) as db:
            roots = [root for (root,) in db.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", [table])]
        starts = [(root - 1) * PAGE for root in roots]
        used = [start + at for start in starts for at in range(PAGE) if self.bytes[start + at]]
        return [8 * at + at % 8 for at in used] + [bit for at in starts for bit in range(8 * at, 8 * at + 96)]

    # --- damage ------------------------------------------------------------------------------------------------------

    def flip(self, bit: int) -> None:
        """The file as it was, but for one bit."""
        content = bytearray(self.bytes)
        content[bit // 8] ^= 1 << bit % 8
        self._write(bytes(content))

    def trash(self, page: int, content: bytes) -> None:
        """The file as it was, but for one page, counted from 1."""
        at = (page - 1) * PAGE
        self._write(self.bytes[:at] + content + self.bytes[at + PAGE :])

    def _write(self, content: bytes) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.path.write_bytes(content)

    # --- what is left ------------------------------------------------------------------------------------------------

    def look(self) -> Found:
        """Opens the file and reads all of it; as the recorder does, replaces it by a salvaged one where that fails."""
        opened = open_buffer(self.folder, "0214", "box-1", self._box.seal, NOON)
        try:
            return self._found(opened)
        except BufferDamaged:
            opened.buffer.close()
            opened = replace_damaged(self.path, "0214", "box-1", self._box.seal, NOON, NOTHING)
            return self._found(opened)
        finally:
            opened.buffer.close()

    def _found(self, opened: Opened) -> Found:
        numbers, wrong = self._same(opened) if opened.reason is None else self._saved(opened)
        headers = opened.buffer.outbox.headers([self.epoch])
        named = {(gap.lane, seq) for gap in opened.gaps for seq in range(gap.first, gap.last + 1)}
        return Found(numbers, wrong, named, headers[0].payload if headers else b"", opened.reason is not None)

    def _same(self, opened: Opened) -> tuple[set[Number], set[Number]]:
        """What the file itself still has, compared by its bytes."""
        numbers: set[Number] = set()
        wrong: set[Number] = set()
        for row in opened.buffer.rows_of(JOURNAL, ()):
            if row[0] >> 56 in list(Lane) and JournalRow(*lane_seq(row[0]), *row[1:]).whole:
                (numbers if self.rows.get(row[0]) == tuple(row) else wrong).add(lane_seq(row[0]))
        for digest, payload in opened.buffer.rows_of(OUTBOX, ()):
            if isinstance(payload, bytes) and wire_batch.digest(payload) == digest:
                (numbers if self.batches.get(digest) == payload else wrong).update(_span(payload))
        return numbers, wrong

    def _saved(self, opened: Opened) -> tuple[set[Number], set[Number]]:
        """What a salvaged file has, compared record by record as HQ reads them."""
        found = self._opened([payload for _, payload in opened.buffer.rows_of(OUTBOX, ())])
        wrong = {number for number, record in found.items() if self.records.get(number) != record}
        return set(found) - wrong, wrong

    def standing_on(self, page: int) -> set[Number]:
        """Numbers of the rows on a page, or of the one batch of which a part stands there."""
        return self._places.get(page, set())

    def _find(self) -> dict[int, set[Number]]:
        """By page, what stands there. What a leaf has no room for goes on in pages that each begin with the next one's
        number."""
        parts = [({lane_seq(row[0])}, row[4]) for row in self.rows.values()]
        parts += [(_span(payload), payload) for payload in self.batches.values()]
        places: dict[int, set[Number]] = {}
        for row in Pages(self.path, PAGE).rows():
            for numbers, content in parts:
                if content in row.values:
                    places.setdefault(row.page, set()).update(numbers)
        for page in range(1, self.pages + 1):
            begins = self.bytes[(page - 1) * PAGE : page * PAGE]
            for numbers, content in parts:
                if begins[4:20] in content:
                    places.setdefault(page, set()).update(numbers)
                    places.setdefault(int.from_bytes(begins[:4], "big"), set()).update(numbers)
        return places


def _span(payload: bytes) -> set[Number]:
    """The numbers that a batch holds."""
    header, _ = wire_batch.parse(payload)
    return {(header.lane, seq) for seq in range(header.first, header.last + 1)}
