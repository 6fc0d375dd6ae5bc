"""A machine's disk: real SQLite files that survive what a crash leaves of them, fill up, and go back to an old image.

A crash leaves the file and its log as they were at the last sync, that is, at the last commit. Where it strikes inside
a commit, the log ends somewhere within what that commit wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from random import Random
from typing import Self

from edge_agent.buffer import Buffer, BufferError, Transaction
from edge_agent.buffer.schema import PAGE
from edge_agent.buffer.space import Limits, Room, Space
from edge_agent.recorder.opening import FILE

WAL = FILE + "-wal"
RESERVE = 40_000  # bytes kept for vital records
Image = dict[str, bytes]


class Crash(Exception):
    """The process is gone, here and now."""


class Strike(Enum):
    """What befalls a commit."""

    ERROR_BEFORE = "error before commit"
    ERROR_AFTER = "error after commit"
    CRASH_BEFORE = "crash before commit"
    CRASH_AFTER = "crash after commit"
    TORN = "torn commit"
    FULL = "commit on a full disk"


class Disk:
    """capacity: bytes that the buffer's pages may use; full: nothing can grow.

    strike: befalls the next commit; on_durable: told of what is on disk; on_strike: of what befell it
    """

    def __init__(self, folder: Path, capacity: int, random: Random) -> None:
        self.folder = folder
        self.capacity = capacity
        self.full = False
        self.strike: Strike | None = None
        self.on_durable: Callable[[Transaction], None]
        self.on_strike: Callable[[Strike], None]
        self._random = random
        folder.mkdir()

    def image(self) -> Image:
        """The files as a power cut now would leave them."""
        return {name: (self.folder / name).read_bytes() for name in (FILE, WAL) if (self.folder / name).exists()}

    def put(self, image: Image) -> None:
        """These files and no others."""
        for old in self.folder.iterdir():
            old.unlink()
        for name, content in image.items():
            (self.folder / name).write_bytes(content)

    def struck(self, change: Transaction, commit: Callable[[], None]) -> None:
        """Commits, with whatever befalls it."""
        strike, self.strike = self.strike, None
        if strike:
            self.on_strike(strike)
        if strike is Strike.ERROR_BEFORE:
            raise BufferError("the disk did not take it")
        if strike is Strike.CRASH_BEFORE:
            raise Crash
        before = self.image() if strike is Strike.TORN else {}
        try:
            commit()
        except BufferError:
            self.on_strike(Strike.FULL)
            raise
        if strike is Strike.TORN and self._tear(before):
            raise Crash
        self.on_durable(change)
        if strike is Strike.ERROR_AFTER:
            raise BufferError("the disk did not say that it took it")
        if strike in (Strike.CRASH_AFTER, Strike.TORN):
            raise Crash

    def _tear(self, before: Image) -> bool:
        """Cuts the log within what the last commit wrote; not where that went on from the log's beginning."""
        now = self.image()
        size, written = len(before.get(WAL, b"")), len(now.get(WAL, b""))
        if now[FILE] != before[FILE] or written <= size:
            return False
        with (self.folder / WAL).open("r+b") as log:
            log.truncate(self._random.randrange(size, written))
        return True


class SmallSpace(Space):
    """A disk on which the log and the last megabyte do not count, so that it is full soon."""

    def __init__(self, space: Space, disk: Disk) -> None:
        self.__dict__.update(space.__dict__)
        self._disk = disk

    def keep_reserve(self, limits: Limits) -> None:
        """Nothing is kept inside the file: what is for vital records alone is part of `capacity`."""

    def room(self, limits: Limits) -> Room:  # noqa: ARG002 (the disk's own limits)
        left = self._disk.capacity - self.used()
        return Room(left - RESERVE, left)


class WorldBuffer(Buffer):
    """An open buffer, on a disk that things happen to."""

    def __init__(self, opened: Buffer, disk: Disk) -> None:
        self.__dict__.update(opened.__dict__)
        self.space = SmallSpace(opened.space, disk)
        self._disk = disk
        if disk.full:
            self.fill()

    def fill(self) -> None:
        """From now on SQLite itself finds the disk full; until the next opening."""
        pages = int(self._db.one("PRAGMA page_count"))
        self._db.all(f"PRAGMA max_page_count={pages}")

    def empty(self) -> None:
        self._db.all(f"PRAGMA max_page_count={2**30 // PAGE}")

    def reopen(self) -> Self:
        self.close()
        return type(self)(Buffer(self.path), self._disk)

    def apply(self, change: Transaction) -> None:
        self._disk.struck(change, lambda: super(WorldBuffer, self).apply(change))
