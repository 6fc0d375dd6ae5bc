"""Kills a recorder at random moments, again and again over one buffer that grows, and looks what is in it.

    python -m tests.faults.kills FOLDER SEED KILLS WHEN

The recorder runs in a fork of this process, takes submissions from where the buffer's state says it was, and tells of
each confirmation through a pipe, which outlives it. WHEN: `committed`, or `submitted` for a source that lies. Prints
a JSON object: what was done, and what was found.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from random import Random
from struct import Struct

from tests.faults.audit import Audit, Promise
from tests.faults.store_side import TestBox, begin
from tests.faults.supply import DEVICE, Supply

AT_LEAST = 10
LOOK_EVERY = 250
LONGEST_S = 0.008
EARLY = 0.1
STUCK_S = 60.0
_TOLD = Struct("<cQ")


def work(folder: Path, box: TestBox, supply: Supply, pipe: int, lying: bool) -> None:
    """One life: from the cursor on, the last submission again where its records have identities. Never returns."""
    life = begin(folder, box, DEVICE)
    cursor = int(life.cursor or 0)
    os.write(pipe, _TOLD.pack(b"S", cursor))
    if cursor % 3 == 0 and cursor:
        life.desk.submit(supply.submission(cursor)).result()
        os.write(pipe, _TOLD.pack(b"A", cursor))
    for number in range(cursor + 1, len(supply) + 1):
        life.clock.move(0.1)
        done = life.desk.submit(supply.submission(number))
        if lying:
            os.write(pipe, _TOLD.pack(b"C", number))
        else:
            done.add_done_callback(lambda _, number=number: os.write(pipe, _TOLD.pack(b"C", number)))
        if number % 4 == 0:
            done.result()
    signal.pause()


class Killer:
    """confirmed: the last submission that was; fewest: records confirmed in the life that had the fewest."""

    def __init__(self, work: Path, seed: int, kills: int, lying: bool) -> None:
        self._random = Random(seed)
        self._work = work
        self._folder = work / "buffer"
        self._folder.mkdir()
        self._box = TestBox()
        self._supply = Supply(seed, kills * 25, 4)
        self._audit = Audit(self._box, self._supply)
        self._kills = kills
        self._lying = lying
        self.confirmed = 0
        self.fewest = 2**63
        self.again = self.early = self.lost_at_start = self.looked = 0

    def run(self) -> None:
        done = 0
        while done < self._kills:
            early = self._random.random() < EARLY
            self._live_and_die(early)
            self.early += early
            done += not early
            if done % LOOK_EVERY == 0 and not early:
                self._look()
        self._look()

    def _live_and_die(self, early: bool) -> None:
        """A life that ends while it opens the file, or some time after its tenth record was confirmed."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            work(self._folder, self._box, self._supply, writing, self._lying)
        os.close(writing)
        before = self.confirmed
        if not early:
            self._listen(reading, before)
        time.sleep(self._random.uniform(0, LONGEST_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while said := os.read(reading, _TOLD.size * 4096):
            self._hear(said)
        os.close(reading)
        if not early:
            self.fewest = min(self.fewest, self._supply.size(before + 1, self.confirmed))

    def _listen(self, pipe: int, before: int) -> None:
        until = time.monotonic() + STUCK_S
        while self._supply.size(before + 1, self.confirmed) < AT_LEAST:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            said = os.read(pipe, _TOLD.size * 64) if ready else b""
            if not said:
                raise SystemExit(f"a recorder confirmed nothing after submission {self.confirmed}, or ended")
            self._hear(said)

    def _hear(self, said: bytes) -> None:
        for what, number in _TOLD.iter_unpack(said):
            match what:
                case b"S":
                    self.lost_at_start += number < self.confirmed
                case b"A":
                    self.again += 1
                case _:
                    self.confirmed = number

    def _look(self) -> None:
        """At a copy: what the next life opens stays as the kill left it."""
        copy = self._work / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._folder, copy)
        self.looked += 1
        self._audit.look(copy, Promise(self.confirmed, len(self._supply), frozenset()), f"look {self.looked}")

    def report(self) -> dict[str, object]:
        return {
            "kills": self._kills,
            "early_kills": self.early,
            "fewest_records_in_a_life": self.fewest,
            "records": self._supply.size(1, self.confirmed),
            "submitted_again": self.again,
            "looked": self.looked,
            "behind_at_start": self.lost_at_start,
            "faults": dict(self._audit.faults),
            "examples": self._audit.examples,
            "file_bytes": (self._folder / "buffer.db").stat().st_size,
        }


def main(work: str, seed: str, kills: str, when: str) -> None:
    began = time.monotonic()
    killer = Killer(Path(work), int(seed), int(kills), when == "submitted")
    killer.run()
    print(json.dumps(killer.report() | {"seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
