"""The one connection to the buffer file. Every failure of SQLite is a `BufferError`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
            _room(path).unlink(missing_ok=True)  # of a process that was killed while it left
            _write_again(_log(path))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            with ExitStack() as undone:
                undone.callback(self._db.close)  # nobody else can, and it holds the lock
                prepare(self._db)
                if made:
                    path.chmod(0o600)
                sync_folder(path.parent)
                undone.pop_all()

    def close(self) -> None:
        self._db.close()

    def leave(self) -> None:
        """Closes, and keeps the blocks of the log, which SQLite deletes then: a disk that others fill meanwhile stops
        no next start. The log that is left holds nothing, so the file is whole without it."""
        log, room = _log(self.path), _room(self.path)
        with suppress(OSError):
            os.link(log, room)
        self._db.close()
        with suppress(OSError):
            if log.exists():  # it could not be emptied into the file
                room.unlink(missing_ok=True)
                return
            with room.open("r+b") as file:
                file.write(bytes(_LOG_HEAD))
            room.rename(log)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turns errors of SQLite and of the disk into ours."""
        try:
            yield
        except sqlite3.Error as fault:
            raise wrapped(fault, self.path) from fault
        except UnicodeDecodeError as fault:  # in SQLite's own words about a schema that it cannot make sense of
            raise BufferDamaged(f"{self.path}: {fault}") from fault
        except OSError as fault:
            raise BufferError(f"{self.path}: {fault}") from fault

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit; it is on disk when this is left without an error."""
        with self.guarded():
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")

    @contextmanager
    def interrupted_by(self, give_up: Callable[[], bool], every: int) -> Iterator[None]:
        """Statements within fail once `give_up` says so; it is asked after so many steps of SQLite's machine."""
        self._db.set_progress_handler(give_up, every)
        try:
            yield
        finally:
            self._db.set_progress_handler(None, 0)

    def all(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """Every row of a query."""
        with self.guarded():
            return self._db.execute(sql, tuple(values)).fetchall()

    def each(self, sql: str, values: Iterable[object]) -> Iterator[Any]:
        """The rows of a query, read as they are asked for."""
        with self.guarded():
            yield from self._db.execute(sql, tuple(values))

    def one(self, sql: str, values: Iterable[object] = ()) -> Any:
        """The first value of the first row; None when there is no row."""
        found = self.all(sql, values)
        return found[0][0] if found else None


_LOG_HEAD = 32  # bytes without which a log counts as empty
_WRITER, _NEWEST_WRITER = 18, b"\x02"  # where a file says which SQLite may write it, and what one with a log says
_MAY_PASS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def out_of_room(fault: BufferError) -> bool:
    """Whether the disk was full."""
    return getattr(fault.__cause__, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def wrapped(fault: sqlite3.Error, path: Path) -> BufferError:
    """SQLite's error as ours: what the disk or another process may cure, or a file that is not what we wrote.

    One without a code is Python's: a column holds text that is none.
    """
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    rotten = code == sqlite3.SQLITE_READONLY and _forbids_writing(path)
    passing = code & 0xFF in _MAY_PASS and not rotten
    return (BufferError if passing else BufferDamaged)(f"{path}: {fault}")


def _forbids_writing(path: Path) -> bool:
    """Whether the file's own head makes SQLite only read it, as if a later SQLite's; no permission would change that.

    A look into a file costs a process its locks on it: those of a connection that cannot write go.
    """
    with suppress(OSError), path.open("rb") as file:
        return file.read(_WRITER + 1)[_WRITER:] > _NEWEST_WRITER
    return False


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _room(path: Path) -> Path:
    """A second name of the log, while SQLite takes the first one away."""
    return path.with_name(path.name + "-room")


def _write_again(wal: Path) -> None:
    """Writes the write-ahead log over itself and syncs it.

    After a sync that failed the page cache holds what the disk does not have, and no later sync writes it: what is read
    there must not count as committed before it was written once more.
    """
    if not wal.exists():
        return
    with wal.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def is_there(path: Path) -> bool:
    """Whether a file is to be had; not where its medium fails."""
    try:
        return path.exists()
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Makes new files' names durable, also those that a failed start left behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
