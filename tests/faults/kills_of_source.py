"""Kills the thread's worth of agent that empties a till's drop folder: between commit and confirming, and at random.

    python -m tests.faults.kills_of_source FOLDER SEED KILLS

A real driver under `supervise`, with intake and recorder, in a fork of this process; a life ends as it is about to tell
its source that its records are on disk, right after it has, or at random. Afterwards every ticket of every file is
looked for in the buffer. Prints a JSON object: what was done, and what was found.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from devices.csv_drop.driver import CsvDecoder, device
from devices.csv_drop.options import Options
from devices.csv_drop.simulator import messages
from devices.driver import Context, Driver, Reading, Taken
from edge_agent.cleaning import Policy
from edge_agent.intake import Intake
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from records.types import PosReturn, PosSale
from tests.faults.store_side import NOON, TestBox, begin, states_of, taken_out

TILL = "till-1"
KINDS = ("before", "after", "random")
LONGEST_S = 0.03
STUCK_S = 60.0
Hook = Callable[[], None]


class Watched:
    """A driver whose confirmations are heard: `before` and `after` are called around each."""

    def __init__(self, driver: Driver, before: Hook, after: Hook) -> None:
        self._driver = driver
        self._before = before
        self._after = after
        self.open, self.close = driver.open, driver.close

    def read(self, timeout_s: float) -> Taken:
        taken = self._driver.read(timeout_s)
        return taken._replace(confirm=partial(self._confirm, taken.confirm) if taken.confirm else None)

    def _confirm(self, confirm: Hook) -> None:
        self._before()
        confirm()
        self._after()


def live(work: Path, box: TestBox, kind: str, pipe: int) -> None:
    """One life; it ends where its kind says, by being killed. Never returns."""

    def say(moment: str) -> None:
        os.write(pipe, b"c")
        if kind == moment:
            signal.pause()

    life = begin(work / "buffer", box, TILL)
    driver = Watched(
        device(_options(work), Context(states_of(life, TILL))), partial(say, "before"), partial(say, "after")
    )
    intake = Intake(life.desk, Policy(bytes(32)), life.clock)
    supervise(driver, Station(TILL, "csv-drop", life.clock), intake, threading.Event())


def _options(work: Path) -> Options:
    return Options.model_validate({"id": TILL, "driver": "csv-drop", "path": work / "drop", "settle_s": 0})


def fill(work: Path, seed: int, files: int) -> Counter[str]:
    """Drops files; the tickets in them."""
    (work / "drop").mkdir()
    tickets: Counter[str] = Counter()
    for message in islice(messages(Random(seed), NOON, timedelta(seconds=1)), files):
        (work / "drop" / message.name).write_bytes(message.body)
        decoder = CsvDecoder(_options(work), Context())
        decoder.feed(message.body, NOON)
        tickets.update(item.data.source_id for item in decoder.end(NOON) if isinstance(item, Reading))
    return tickets


def kill(work: Path, box: TestBox, kind: str, random: Random) -> None:
    """One life and its end."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        live(work, box, kind, writing)
    os.close(writing)
    if not select.select([reading], [], [], STUCK_S)[0] or not os.read(reading, 1):
        os.kill(child, signal.SIGKILL)  # it holds the output open, for whose end somebody waits
        raise SystemExit("nothing was confirmed: the folder is empty, or the recorder hangs or has ended")
    if kind == "random":
        time.sleep(random.uniform(0, LONGEST_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)


def last_life(work: Path, box: TestBox) -> None:
    """Takes what is left in the folder, and dies."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    life = begin(work / "buffer", box, TILL)
    stop = threading.Event()
    intake = Intake(life.desk, Policy(bytes(32)), life.clock)
    driver = device(_options(work), Context(states_of(life, TILL)))
    thread = threading.Thread(
        target=supervise, args=(driver, Station(TILL, "csv-drop", life.clock), intake, stop), daemon=True
    )
    thread.start()
    until = time.monotonic() + STUCK_S
    while list((work / "drop").iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    thread.join()
    os._exit(0)


def main(folder: str, seed: str, kills: str) -> None:
    work, random, box = Path(folder), Random(int(seed)), TestBox()
    (work / "buffer").mkdir()
    wanted = fill(work, int(seed), int(kills) * 4)
    order = [KINDS[number % len(KINDS)] for number in range(int(kills))]
    random.shuffle(order)
    began = time.monotonic()
    for kind in order:
        kill(work, box, kind, random)
    left = len(list((work / "drop").iterdir()))
    last_life(work, box)
    found = Counter(
        record.data.source_id
        for record in taken_out(work / "buffer", box)
        if isinstance(record.data, PosSale | PosReturn)
    )
    print(
        json.dumps(
            {
                "kills": Counter(order),
                "files": int(kills) * 4,
                "files_before_the_last_life": left,
                "files_left": len(list((work / "drop").iterdir())),
                "tickets": wanted.total(),
                "lost": (wanted - found).total(),
                "doubled": (found - wanted).total(),
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
