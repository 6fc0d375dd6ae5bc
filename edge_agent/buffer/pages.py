"""Reads rows from the pages of a damaged SQLite file, without its trees.

SQLite itself stops at the first page that it cannot make sense of, and with a broken inner page everything below is out
of its reach. Rows of ordinary tables stand whole in leaf pages of type 0x0D, so every such page that is not on the list
of free pages is read on its own. What the write-ahead log has committed stands in place of the file's page.
Format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from struct import Struct, iter_unpack, unpack_from
from typing import NamedTuple
from weakref import finalize

LEAF = 0x0D
_WAL_HEAD, _FRAME_HEAD = 32, 24
_WAL_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_PAGE_SIZES = {2**power for power in range(9, 17)}
_WAL = Struct(">8I")
_FRAME = Struct(">6I")
Value = int | bytes | None


class Row(NamedTuple):
    """A row of some table: which one, its shape must tell. page, at: where it stands."""

    page: int
    at: int
    rowid: int
    values: tuple[Value, ...]


class Unreadable(Exception):
    """This page or cell makes no sense."""


class Pages:
    """The pages of a file and its log, read one by one: the file may be larger than the memory, and a sector that its
    disk cannot read costs the pages on it."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._file = os.open(path, os.O_RDONLY)
        finalize(self, os.close, self._file)
        length = os.fstat(self._file).st_size
        said = unpack_from(">H", self._read(0, 100), 16)[0]
        self.size = (65_536 if said == 1 else said) if said in _PAGE_SIZES | {1} else page_size
        self._log = _logged(path.with_name(path.name + "-wal"), self.size)
        self._count = -(-length // self.size)

    def _read(self, at: int, size: int) -> bytes:
        """Zeros for what is not there or cannot be read."""
        with suppress(OSError):
            return os.pread(self._file, size, at).ljust(size, b"\0")
        return bytes(size)

    def _page(self, number: int) -> bytes | None:
        """A page as it was last committed; None outside of the file."""
        if number in self._log:
            return self._log[number]
        if not 0 < number <= self._count:
            return None
        return self._read((number - 1) * self.size, self.size)

    def rows(self) -> Iterator[Row]:
        """Every row that can be read, page by page."""
        free = self._free()
        for number in chain(range(1, self._count + 1), sorted(n for n in self._log if n > self._count)):
            if number not in free:
                yield from self._leaf(number)

    def _leaf(self, number: int) -> Iterator[Row]:
        page = self._page(number)
        start = 100 if number == 1 else 0
        if page is None or page[start] != LEAF:
            return
        (count,) = unpack_from(">H", page, start + 3)
        for place in range(min(count, self.size // 2)):
            with suppress(Unreadable, IndexError, struct.error):
                yield self.row(number, unpack_from(">H", page, start + 8 + 2 * place)[0])

    def row(self, number: int, at: int) -> Row:
        """The row that begins there; `Unreadable`, IndexError or struct.error where none does."""
        page = self._page(number)
        if page is None:
            raise Unreadable
        length, begin = _varint(page, at)
        rowid, begin = _varint(page, begin)
        signed = rowid - 2**64 if rowid >= 2**63 else rowid
        return Row(number, at, signed, _values(self._payload(page, begin, length)))

    def _payload(self, page: bytes, at: int, length: int) -> bytes:
        most = self.size - 35
        if length <= most:
            return page[at : at + length]
        least = (self.size - 12) * 32 // 255 - 23
        local = least + (length - least) % (self.size - 4)
        local = local if local <= most else least
        payload, following = page[at : at + local], unpack_from(">I", page, at + local)[0]
        while len(payload) < length:
            further = self._page(following)
            if further is None or length > 2**24:
                raise Unreadable
            payload += further[4 : 4 + length - len(payload)]
            (following,) = unpack_from(">I", further)
        return payload

    def _free(self) -> set[int]:
        """Pages on the list of free ones, as far as it can be followed."""
        free: set[int] = set()
        first = self._page(1)
        trunk = unpack_from(">I", first, 32)[0] if first else 0
        while trunk not in free and (page := self._page(trunk)):
            following, count = unpack_from(">II", page)
            if count > self.size // 4 - 2:
                break  # rot led here: it is a page of something else
            free |= {trunk, *unpack_from(f">{count}I", page, 8)}
            trunk = following
        return free


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        byte = data[at + place]
        if place == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + place + 1
    raise Unreadable


def _values(payload: bytes) -> tuple[Value, ...]:
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind in (0, 8, 9):
        return (None, 0, 1)[max(0, kind - 7)], at
    size = _INTEGERS.get(kind) or ((kind - 12) // 2 if kind >= 12 else 0)
    piece = payload[at : at + size]
    if kind in (7, 10, 11) or len(piece) < size:
        raise Unreadable
    return (int.from_bytes(piece, "big", signed=True) if kind in _INTEGERS else piece), at + size


def _logged(log: Path, size: int) -> dict[int, bytes]:
    """The pages that a write-ahead log has committed, the newest of each."""
    data = _readable(log)
    if len(data) < _WAL_HEAD or _WAL.unpack_from(data)[0] not in _WAL_MAGIC:
        return {}
    magic, _, said, _, *salts, first, second = _WAL.unpack_from(data)
    order, sums = _WAL_MAGIC[magic], (first, second)
    if said != size:
        return {}
    committed: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    for at in range(_WAL_HEAD, len(data) - _FRAME_HEAD - size + 1, _FRAME_HEAD + size):
        number, commit, salt1, salt2, *wanted = _FRAME.unpack_from(data, at)
        page = data[at + _FRAME_HEAD : at + _FRAME_HEAD + size]
        sums = _checksum(data[at : at + 8] + page, sums, order)
        if [salt1, salt2] != salts or list(sums) != wanted:
            break
        open_[number] = page
        if commit:
            committed.update(open_)
            open_.clear()
    return committed


def _readable(log: Path) -> bytes:
    """As much of a log as there is, and as its disk gives."""
    data = bytearray()
    with suppress(OSError), log.open("rb", buffering=0) as file:
        while piece := file.read(2**16):
            data += piece
    return bytes(data)


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = sums
    for left, right in iter_unpack(f"{order}II", data):
        one = (one + left + two) & 0xFFFFFFFF
        two = (two + right + one) & 0xFFFFFFFF
    return one, two
