"""What the buffer may take on disk, what it takes, and a reserve inside the file.

At a full disk even deletes fail, because SQLite writes before it frees. So the file keeps free pages of its own (the
reserve) and its write-ahead log is never truncated: with both, vital records are still taken when nothing more can be
had from the disk. The reserve is written for real, once, and filled up again as records use it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from edge_agent.buffer.connection import Connection
from edge_agent.buffer.schema import PAGE

STEP = 4 * 1024 * 1024
LAST = 1024 * 1024


class Limits(NamedTuple):
    """budget: bytes that the file and its log may take; floor: bytes of the disk left to others; reserve: kept for
    vital records."""

    budget: int
    floor: int
    reserve: int


class Room(NamedTuple):
    """normal: bytes free for anything; vital: bytes free for vital records, the reserve included. Negative: too much
    is used already."""

    normal: int
    vital: int


class Space:
    """Looks at the file through the buffer's connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def on_disk(self) -> int:
        """Bytes of the file and its write-ahead log."""
        path = self._db.path
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if ".damaged-" not in file.name)

    def used(self) -> int:
        """Bytes of the file's pages that hold something."""
        return (int(self._db.one("PRAGMA page_count")) - int(self._db.one("PRAGMA freelist_count"))) * PAGE

    def room(self, limits: Limits) -> Room:
        """What is left within the budget, and on the disk."""
        log = max(0, self.on_disk() - self._file())
        fits = limits.budget - log
        reachable = self._file() + max(0, self._disk_free() - limits.floor)
        left = min(fits, reachable) - self.used() - LAST
        return Room(left - limits.reserve, left)

    def keep_reserve(self, limits: Limits) -> None:
        """Grows the file by a step when its free pages are fewer than the reserve and the disk has room.

        SQLite takes free pages before it grows a file, so what is written is more than all of them.
        """
        free = int(self._db.one("PRAGMA freelist_count")) * PAGE
        if free >= limits.reserve:
            return
        taken = free + 2 * STEP
        if self.on_disk() + taken > limits.budget or self._disk_free() < limits.floor + taken:
            return
        self.occupy(free + STEP)
        self._db.all("PRAGMA wal_checkpoint(PASSIVE)")  # the pages are on the disk before they are freed
        self.vacate()

    def occupy(self, size: int) -> None:
        """Takes so many bytes of the file from everybody else."""
        with self._db.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS filler (content BLOB)")
            db.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))

    def vacate(self) -> None:
        """Gives them back as free pages."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM filler")

    def _file(self) -> int:
        return self._db.path.stat().st_size

    def _disk_free(self) -> int:
        disk = os.statvfs(self._db.path.parent)
        return disk.f_bavail * disk.f_frsize
