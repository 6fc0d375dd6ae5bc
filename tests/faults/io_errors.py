"""Makes the n-th sync or write of a recorder's files fail, for every n, and looks what became of it.

    python -m tests.faults.io_errors FOLDER SEED WHAT MOST

WHAT: `syncs` or `writes`; MOST: the last n. Each run is a recorder in a fork of this process, on a new file or on one
with a long write-ahead log, whose n-th call fails (EIO, ENOSPC), once or some times on end; a recorder that gives up
is started again on a disk that works. Looked at are the file as it is then, and what a power cut after each
confirmation would have left of it, where what a failed sync did not write is lost for good. Prints a JSON object:
what was done, and what was found. Runs on top of the shim in `disk.c`.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from random import Random
from struct import Struct
from typing import NamedTuple

from edge_agent.buffer import BufferError
from tests.faults.audit import Audit, Promise
from tests.faults.crash import Past, Stage
from tests.faults.disk import Disk, operations
from tests.faults.store_side import Life, TestBox, begin
from tests.faults.supply import DEVICE, Supply

LONG = {"syncs": 110, "writes": 30}  # submissions in the file that has a long log; with 110 it is soon checkpointed
MORE = 130  # submissions of a run at most
AFTER = 5  # submissions after the fault
AT_ONCE = 6
STUCK_S = 60.0
LASTS = (3, 1, 2, 1, 1, 2, 1, 4, 1, 1)  # how many calls fail, by the last digit of n
GAVE_UP = 3
_NOTE = Struct("<cQ")


class Fault(NamedTuple):
    """The nth call of a kind and those after it fail `times` times."""

    what: str
    error: int
    nth: int
    times: int
    on_new_file: bool


def plan(what: str, most: int) -> list[Fault]:
    """Every n, on both files, with some faults that pass at once and some that last; with the syncs, truncations."""
    kinds = [("S", errno.EIO)] if what == "syncs" else [("W", errno.EIO), ("W", errno.ENOSPC)]
    faults = [Fault(*kind, nth, LASTS[nth % 10], False) for kind in kinds for nth in range(1, most + 1)]
    faults += [Fault(*kind, nth, LASTS[nth % 10], True) for kind in kinds for nth in range(1, most // 4 + 1)]
    truncations = [Fault("T", errno.EIO, 1, times, False) for times in (1, 3)] if what == "syncs" else []
    return faults + truncations


def live(folder: Path, log: Path | None, box: TestBox, supply: Supply, upto: int, fault: Fault | None) -> int:
    """One life in a fork: submissions one after another, each confirmation noted; its process."""
    if child := os.fork():
        return child
    disk = Disk()
    disk.watch(folder, log)
    if fault:
        disk.fail(fault.what, fault.nth, fault.times, fault.error)
    status = GAVE_UP
    with suppress(BufferError, GaveUp):
        _submit(begin(folder, box, DEVICE), disk, supply, upto, fault)
        status = 0
    disk.note(_NOTE.pack(b"F", disk.failed()))
    os._exit(status)


def gave_up(child: int) -> bool:
    """Whether that life, now at its end, was cut short by the recorder."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, GAVE_UP):
        raise SystemExit(f"a recorder ended with status {status}")
    return status == GAVE_UP


class GaveUp(Exception):
    """The recorder has ended."""


def _submit(life: Life, disk: Disk, supply: Supply, upto: int, fault: Fault | None) -> None:
    after = 0
    for number in range(int(life.cursor or 0) + 1, upto + 1):
        life.clock.move(0.2)
        done = life.desk.submit(supply.submission(number))
        until = time.monotonic() + STUCK_S
        while not wait([done], 0.05).done:
            if not life.goes_on():
                raise GaveUp
            if time.monotonic() > until:
                raise SystemExit(f"submission {number} is neither confirmed nor given up after {fault}")
        disk.note(_NOTE.pack(b"C", number))
        after += fault is not None and disk.failed() > 0
        if after > AFTER:
            return


class Trial:
    """One fault, and the folders of its own: the buffer and the log of what reached it."""

    def __init__(self, work: Path, fault: Fault) -> None:
        shutil.rmtree(work, ignore_errors=True)
        self.fault = fault
        self.before = work.with_name("new" if fault.on_new_file else "long")
        self.buffer, self.log, self.images, self.stage = (work / each for each in ("buffer", "log", "images", "stage"))
        shutil.copytree(self.before, self.buffer)
        self.images.mkdir()
        self.stage.mkdir()


class Sweep:
    """Runs the plan. came: faults that came to pass; restarts: recorders that gave up."""

    def __init__(self, work: Path, seed: int, what: str, most: int) -> None:
        self._work = work
        self._box = TestBox()
        self._supply = Supply(seed, LONG[what] + MORE + 2 * AFTER, 3)
        self._random = Random(seed)
        self._audits = {new: Audit(self._box, self._supply) for new in (False, True)}
        self.plan = plan(what, most)
        self._long = LONG[what]
        self.came: Counter[str] = Counter()
        self.restarts = self.confirmed = self.states = 0
        (work / "new").mkdir()
        (work / "long").mkdir()
        if gave_up(live(work / "long", None, self._box, self._supply, self._long, None)):
            raise SystemExit("the recorder gave up on a disk that works")

    def run(self) -> None:
        for first in range(0, len(self.plan), AT_ONCE):
            self._several(self.plan[first : first + AT_ONCE])

    def _several(self, faults: Sequence[Fault]) -> None:
        """Lives side by side, since most of the time they wait for the disk to work again."""
        trials = [Trial(self._work / f"{number}", fault) for number, fault in enumerate(faults)]
        lives = [(trial, self._live(trial, MORE, trial.fault)) for trial in trials]
        again = [trial for trial, child in lives if gave_up(child)]
        self.restarts += len(again)
        for trial, child in [(trial, self._live(trial, AFTER, None)) for trial in again]:
            if gave_up(child):
                raise SystemExit(f"a recorder that was started anew after {trial.fault} gave up as well")
        for trial in trials:
            self._look(trial)

    def _live(self, trial: Trial, submissions: int, fault: Fault | None) -> int:
        return live(trial.buffer, trial.log, self._box, self._supply, self._start(trial) + submissions, fault)

    def _start(self, trial: Trial) -> int:
        """Submissions that were in the file before."""
        return 0 if trial.fault.on_new_file else self._long

    def _look(self, trial: Trial) -> None:
        """At what a power cut leaves after each confirmation since the fault, and at what is there."""
        fault, start, audit = trial.fault, self._start(trial), self._audits[trial.fault.on_new_file]
        past, laid, confirmed, failed = Past(trial.images), Stage(trial.stage), start, False
        past.find(trial.before)
        for operation in operations(trial.log):
            failed = failed or operation.failed
            if operation.kind != "N":
                past.step(operation)
                continue
            what, number = _NOTE.unpack(operation.data)
            if what == b"F":
                self.came[f"{fault.what} {errno.errorcode[fault.error]}"] += number > 0
                continue
            confirmed = number
            self.confirmed += 1
            for state in past.states(self._random, 1) if failed else ():
                self.states += 1
                with laid.laid(state) as folder:
                    audit.look(folder, Promise(confirmed, confirmed, frozenset()), f"{fault}, {number}, {state.how}")
        audit.look(trial.buffer, Promise(confirmed, confirmed + 1, frozenset()), f"{fault}, as it is")
        past.close()

    def report(self) -> dict[str, object]:
        return {
            "runs": len(self.plan),
            "came": self.came,
            "restarts": self.restarts,
            "confirmed": self.confirmed,
            "states": self.states,
            "faults": sum((audit.faults for audit in self._audits.values()), Counter()),
            "examples": [example for audit in self._audits.values() for example in audit.examples],
        }


def main(work: str, seed: str, what: str, most: str) -> None:
    began = time.monotonic()
    logging.disable()
    sweep = Sweep(Path(work), int(seed), what, int(most))
    sweep.run()
    print(json.dumps(sweep.report() | {"seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
