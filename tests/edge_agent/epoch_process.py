"""A recorder with its threads in a process of its own, for those who look into its memory.

    python -m tests.edge_agent.epoch_process FOLDER

FOLDER: holds `hq.pub`, and gets the buffer. Lines on stdin: `accept TEXT...` submits records with these texts, `work` a
thousand others, `end` lets the epoch end and waits until its key is dropped. Each is answered by the line `done`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.seal.hpke import RecipientKey
from edge_agent.memory import leave_no_core
from edge_agent.recorder.desk import Submission
from edge_agent.recorder.epochs import BoxSeal
from records import Record
from records.types import Audit
from tests.edge_agent.boxes import NOON, some_records
from tests.faults.store_side import SHORT_EPOCHS, Life, begin

DEADLINE_S = 60.0


class Recipient:
    """A box that seals to the key in a file."""

    def __init__(self, hq: Path) -> None:
        self.seal = BoxSeal("0214", "box-1", bytes(16), Ed25519PrivateKey.generate(), [RecipientKey.load(hq)])


def accept(life: Life, texts: list[str]) -> None:
    records = [Record("till-1", NOON, Audit(actor="cashier", action="sold", detail=text)) for text in texts]
    life.desk.submit(Submission("till-1", records, [None] * len(records), {})).result(DEADLINE_S)


def work(life: Life) -> None:
    """A thousand other records."""
    for seed in range(10):
        records = some_records(100, seed=seed)
        life.desk.submit(Submission("till-1", records, [None] * 100, {})).result(DEADLINE_S)


def end(life: Life) -> None:
    """Ends the epoch of now, and returns when its key is gone."""
    ordinal = life.desk.ask(lambda buffer: int(buffer._db.one("SELECT max(ordinal) FROM epoch")))
    deadline = time.monotonic() + DEADLINE_S
    while is_held(life, ordinal):
        assert time.monotonic() < deadline, "the key of an ended epoch is still held"
        life.clock.move(SHORT_EPOCHS.epoch_s)
        time.sleep(0.05)


def is_held(life: Life, ordinal: int) -> bool:
    return life.desk.ask(lambda _: life._recorder._recorder.key(ordinal) is not None)


def main(folder: str) -> None:
    leave_no_core()
    life = begin(Path(folder), Recipient(Path(folder) / "hq.pub"), "till-1")  # type: ignore[arg-type]
    for line in sys.stdin:
        match line.split():
            case ["accept", *texts]:
                accept(life, texts)
            case ["work"]:
                work(life)
            case ["end"]:
                end(life)
        print("done", flush=True)
    life.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
