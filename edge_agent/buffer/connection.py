"""The one connection to the buffer file. Every failure of SQLite is a `BufferError`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_agent.buffer.schema import prepare


class BufferError(Exception):
    """SQLite failed. What became of the transaction is unknown until the file is reopened and read."""


class BufferDamaged(BufferError):
    """The file is not a database, or is malformed."""


class Connection:
    """Opens the file, makes it when it is not there, and brings its tables to this release's version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        made = not path.exists()
        with self.guarded():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            prepare(self._db)
        if made:
            path.chmod(0o600)
            _sync_folder(path.parent)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as fault:
            raise wrapped(fault, self.path) from fault

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit; it is on disk when this is left without an error."""
        with self.guarded():
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")

    def all(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """Every row of a query."""
        with self.guarded():
            return self._db.execute(sql, tuple(values)).fetchall()

    def one(self, sql: str, values: Iterable[object] = ()) -> Any:
        """The first value of the first row; None when there is no row."""
        found = self.all(sql, values)
        return found[0][0] if found else None


def wrapped(fault: sqlite3.Error, path: Path) -> BufferError:
    """SQLite's error as ours, telling a damaged file from what may pass."""
    damaged = getattr(fault, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return (BufferDamaged if damaged else BufferError)(f"{path}: {fault}")


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
