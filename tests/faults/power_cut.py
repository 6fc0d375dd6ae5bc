"""Records what a recorder at work writes to the disk, and looks at every state in which a power cut may leave it.

    python -m tests.faults.power_cut FOLDER SEED SUBMISSIONS TORN EVERY SYNCHRONOUS RESERVE

FOLDER: an empty one, best in memory; TORN: mixtures at every moment; EVERY: looks at one moment in so many;
SYNCHRONOUS: FULL, or what else to weaken the buffer to; RESERVE: bytes that the buffer keeps free in its file. Prints
a JSON object: what was done, and what was found. Runs on top of the shim in `disk.c`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from random import Random
from struct import Struct

from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire.topics import Up
from edge_agent.buffer.transaction import row_id
from records import Lane
from tests.faults.audit import Audit, Promise
from tests.faults.crash import Past, Stage
from tests.faults.disk import Disk, Operation, operations
from tests.faults.store_side import AMPLE, SHORT_LOG, TIGHT, BufferFull, Life, TestBox, begin, set_pragma
from tests.faults.supply import DEVICE, Supply

LIVES = (0.25, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # how much of the supply is in when one ends
LITTLE_ROOM = (3, 4)  # the lives that have little, once the write-ahead log has its full size
CLEAN = (5, 7, 9, 11)  # the lives that stop cleanly; the others are killed
_NOTE = Struct("<cBQQ")


class Shift:
    """One life of the recorder: records in, receipts for what goes out, every promise noted in the disk's log."""

    def __init__(self, life: Life, disk: Disk, random: Random) -> None:
        self._life = life
        self._disk = disk
        self._random = random
        self._sent: set[bytes] = set()

    def work(self, supply: Supply, upto: int) -> None:
        """Submits from the cursor on, sometimes waiting for the confirmation, sometimes not."""
        patience = 1
        for number in range(int(self._life.cursor or 0) + 1, upto + 1):
            self._life.clock.move(0.2)
            done = self._submit(supply, number)
            patience -= 1
            if not patience:
                done.result()
                patience = self._random.choice((1, 1, 2, 4))
            if number % 9 == 0:
                self._receive()

    def work_in_little_room(self, supply: Supply, upto: int) -> None:
        """Submits one after another; what finds no room waits for receipts."""
        for number in range(int(self._life.cursor or 0) + 1, upto + 1):
            self._life.clock.move(0.2)
            while isinstance(self._submit(supply, number).exception(), BufferFull):
                self._receive()

    def _submit(self, supply: Supply, number: int) -> Future[None]:
        self._note(b"O", number)
        done = self._life.desk.submit(supply.submission(number))
        done.add_done_callback(lambda done: done.exception() or self._note(b"C", number))
        return done

    def _receive(self) -> None:
        """HQ has got some of what is to be sent."""
        for parcel in self._life.desk.parcels(frozenset(), 8):
            if self._random.random() < 0.4:
                self._note_receipt(parcel)
                self._life.desk.receipted((parcel.digest[:16],))

    def _note_receipt(self, parcel: Parcel) -> None:
        if parcel.what is Up.BATCH:
            header, _ = wire_batch.parse(parcel.payload)
            self._disk.note(_NOTE.pack(b"R", header.lane, header.first, header.last))

    def _note(self, what: bytes, number: int) -> None:
        self._disk.note(_NOTE.pack(what, 0, number, 0))


def record(work: Path, box: TestBox, supply: Supply, random: Random, synchronous: str, reserve: int) -> Path:
    """The disk's log of some lives on one folder: some are killed, some stop cleanly."""
    folder, log = work / "buffer", work / "log"
    folder.mkdir()
    for life, upto in enumerate(LIVES, 1):
        child = os.fork()
        if not child:
            set_pragma("synchronous", synchronous)
            set_pragma("wal_autocheckpoint", SHORT_LOG)
            disk = Disk()
            disk.watch(folder, log)
            little_room = life in LITTLE_ROOM and not reserve
            now = begin(folder, box, DEVICE, TIGHT if little_room else AMPLE._replace(reserve=reserve))
            shift = Shift(now, disk, random)
            (shift.work_in_little_room if little_room else shift.work)(supply, int(len(supply) * upto))
            if life in CLEAN:
                now.end()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"life {life} of the recorder ended with status {status}")
        random.seed(random.random())
    return log


class Told:
    """What the notes in the log promised so far."""

    def __init__(self) -> None:
        self.promise = Promise(0, 0, frozenset())

    def hear(self, note: bytes) -> None:
        what, lane, number, last = _NOTE.unpack(note)
        confirmed, offered, gone = self.promise
        match what:
            case b"O":
                self.promise = Promise(confirmed, number, gone)
            case b"C":
                self.promise = Promise(number, offered, gone)
            case _:
                first = row_id(Lane(lane), number)
                self.promise = Promise(confirmed, offered, gone.union(range(first, first + last - number + 1)))


def replay(log: list[Operation], work: Path, audit: Audit, random: Random, torn: int, every: int) -> dict[str, int]:
    """Looks at the states of a cut after every operation, each once; how many of which kind."""
    images, stage = work / "images", work / "stage"
    images.mkdir()
    stage.mkdir()
    past, told, laid = Past(images), Told(), Stage(stage)
    seen: set[int] = set()
    looked = dict.fromkeys(("none", "all", "prefix", "torn", "bad"), 0)
    for moment, operation in enumerate(log):
        if operation.kind == "N":
            told.hear(operation.data)
        else:
            past.step(operation)
        if operation.kind in "NSD":
            seen.clear()
        if random.randrange(every):
            continue
        for state in past.states(random, torn):
            same = hash((*state.names.items(), *((id_, *changes) for id_, changes in state.changes.items() if changes)))
            if same in seen:
                continue
            seen.add(same)
            with laid.laid(state) as folder:
                looked["bad"] += not audit.look(folder, told.promise, f"operation {moment}, {state.how}")
            looked[state.how] += 1
    found = {path.name: path.read_bytes() for path in (work / "buffer").iterdir()}
    if past.cached() != found:
        raise SystemExit("the log does not tell all that was done to the folder")
    return looked


def main(work: str, seed: str, submissions: str, torn: str, every: str, synchronous: str, reserve: str) -> None:
    random = Random(int(seed))
    box, supply = TestBox(), Supply(int(seed), int(submissions), 12)
    log = list(operations(record(Path(work), box, supply, random, synchronous, int(reserve))))
    audit = Audit(box, supply)
    began = time.monotonic()
    looked = replay(log, Path(work), audit, random, int(torn), int(every))
    print(
        json.dumps(
            {
                "operations": sum(operation.kind != "N" for operation in log),
                "syncs": sum(operation.kind in "SD" for operation in log),
                "records": supply.size(1, len(supply)),
                "confirmed": sum(operation.kind == "N" and operation.data[:1] == b"C" for operation in log),
                "states": sum(count for how, count in looked.items() if how != "bad"),
                "looked": looked,
                "tombstones": audit.tombstones,
                "evicted": audit.evicted,
                "faults": dict(audit.faults),
                "worst_loss": audit.worst_loss,
                "opened": audit.opened,
                "seconds": round(time.monotonic() - began, 1),
                "examples": audit.examples,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
