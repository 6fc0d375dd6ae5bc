"""One dropped file on its way through a decoder, and how far it got."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from devices.driver import Decoder, Item, Reading, Rejected
from devices.tills import RAW_LIMIT

CHUNK = 64 * 1024
MOST_REASONS = 20
STATE = "file:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Seen(NamedTuple):
    """What tells one version of a file from the next. Older ones sort first."""

    written_ns: int
    name: str
    inode: int
    size: int

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> Seen:
        return cls(status.st_mtime_ns, name, status.st_ino, status.st_size)

    @property
    def key(self) -> str:
        """Name of its cursor: hashed, since the state is kept in clear."""
        return STATE + sha256(os.fsencode(self.name)).hexdigest()[:16]

    @property
    def at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.written_ns // 1000)

    @property
    def printable(self) -> str:
        return os.fsencode(self.name).decode("utf-8", "replace")


class Cursor(NamedTuple):
    """How many items of which content were given."""

    content: str
    given: int

    def encode(self) -> bytes:
        return f"{self.content}:{self.given}".encode()

    @classmethod
    def decode(cls, state: bytes) -> Cursor:
        """A state that is not ours counts as nothing given."""
        content, _, given = state.decode("ascii", "replace").partition(":")
        return cls(content, int(given)) if given.isascii() and given.isdigit() else cls("", 0)


class Outcome(NamedTuple):
    """What a file came to once all of it was given.

    total: items given, the count that must be on disk before it may leave
    reasons: why parts were set aside, for its .reason
    failed: nothing was readable, or more was set aside than the quarantine keeps
    """

    seen: Seen
    total: int
    reasons: Sequence[str]
    failed: bool


class DroppedFile:
    """An open file being given in parts. Close it in the end.

    given: items given so far, those left out included
    changed: the content was rewritten while it was read; known once all is given
    """

    def __init__(self, path: Path, seen: Seen, decoder: Decoder) -> None:
        """`OSError` when it cannot be opened or read."""
        self.seen = seen
        self.given = 0
        self.changed = False
        self._readings = 0
        self._set_aside: list[str] = []
        self._cut_short = False
        self._decoder = decoder
        self._file = path.open("rb")
        self.changed = Seen.of(seen.name, os.fstat(self._file.fileno())) != seen
        self.content = self._hash()
        self._items = self._decode()
        self._ahead = list(islice(self._items, 1))

    def skip(self, on_disk: int) -> None:
        """Leaves out what was given before."""
        while self.given < on_disk and self._ahead:
            self._part(min(on_disk - self.given, 1000))

    def part(self, most: int) -> list[Item]:
        """The next items, each with its cursor in `state`; empty at the end."""
        first = self.given + 1
        return [
            msgspec.structs.replace(item, state={**item.state, self.seen.key: Cursor(self.content, number).encode()})
            for number, item in enumerate(self._part(most), first)
        ]

    @property
    def finished(self) -> bool:
        return not self._ahead

    def outcome(self) -> Outcome:
        failed = bool(self._set_aside) and (self._readings == 0 or self._cut_short)
        return Outcome(self.seen, self.given, tuple(self._set_aside), failed)

    def close(self) -> None:
        self._file.close()

    def _part(self, most: int) -> list[Item]:
        """One item is always read ahead, so that the last part is known to be the last."""
        taken = [*self._ahead, *islice(self._items, most)]
        self._ahead = taken[most:]
        del taken[most:]
        self.given += len(taken)
        return taken

    def _chunks(self) -> Iterator[bytes]:
        """The bytes that were there when the file was seen, not what is appended since."""
        left = self.seen.size
        self._file.seek(0)
        while left and (chunk := self._file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk

    def _hash(self) -> str:
        digest = sha256()
        for chunk in self._chunks():
            digest.update(chunk)
        return digest.hexdigest()[:32]

    def _decode(self) -> Iterator[Item]:
        digest = sha256()
        for chunk in self._chunks():
            digest.update(chunk)
            yield from self._noted(self._decoder.feed(chunk, self.seen.at))
        yield from self._noted(self._decoder.end(self.seen.at))
        self.changed = self.changed or digest.hexdigest()[:32] != self.content

    def _noted(self, items: Sequence[Item]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Reading):
                self._readings += 1
            else:
                self._note(item)
            yield item

    def _note(self, rejected: Rejected) -> None:
        self._cut_short = self._cut_short or len(rejected.raw) >= RAW_LIMIT
        if len(self._set_aside) < MOST_REASONS:
            self._set_aside.append(rejected.reason)
