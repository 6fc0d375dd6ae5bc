"""What a box has not sent yet as one file, for a person to carry: sealed as it is, in the order to take it in.

    4   "SEX1"
    1 + n   store        length, ASCII
    1 + n   box          length, ASCII
    parcels, each:
        1   what         1 epoch header, 2 batch
        4   length
        payload
    1   0                the end
    4   count            of parcels
    32  SHA-256          of everything before it

Headers come before the batches of their epochs. Nothing in it is believed that the broker would not be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from struct import Struct
from typing import BinaryIO, NamedTuple

from cloud_sync.wire import batch, epoch
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up

MAGIC = b"SEX1"
_WHAT = {Up.EPOCH: 1, Up.BATCH: 2}
_UP = {number: what for what, number in _WHAT.items()}
_LIMIT = max(batch.MAX_SIZE, epoch.MAX_SIZE)
_HEAD = Struct(">BI")
_COUNT = Struct(">I")
_END = 0
_SUM = 32


class Carried(NamedTuple):
    """One parcel of a file, and whose it is."""

    store: str
    box: str
    what: Up
    payload: bytes


def write(store: str, box: str, parcels: Iterable[tuple[Up, bytes]]) -> Iterator[bytes]:
    """The file, piece by piece."""
    total, count = sha256(), 0

    def added(piece: bytes) -> bytes:
        total.update(piece)
        return piece

    yield added(MAGIC + b"".join(bytes([len(name)]) + name.encode("ascii") for name in (store, box)))
    for what, payload in parcels:
        yield added(_HEAD.pack(_WHAT[what], len(payload)) + payload)
        count += 1
    yield added(bytes([_END]) + _COUNT.pack(count))
    yield total.digest()


def read(file: BinaryIO) -> Iterator[Carried]:
    """What is in a file; `WireError` where it is no export, or not whole: what came before it can be taken in."""
    reader = _Reader(file)
    if reader.take(len(MAGIC)) != MAGIC:
        raise WireError("not an export of a buffer; `edge-agent buffer export` makes one")
    store, box = reader.name(), reader.name()
    count = 0
    while (what := reader.take(1)[0]) != _END:
        (size,) = _COUNT.unpack(reader.take(_COUNT.size))
        if what not in _UP or size > _LIMIT:
            raise WireError(f"export: parcel {count + 1} is damaged")
        yield Carried(store, box, _UP[what], reader.take(size))
        count += 1
    (said,) = _COUNT.unpack(reader.take(_COUNT.size))
    digest = reader.total.digest()
    if said != count or reader.take(_SUM) != digest:
        raise WireError("export: its checksum is wrong; carry the file again")


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.total = sha256()

    def take(self, size: int) -> bytes:
        piece = self._file.read(size)
        if len(piece) < size:
            raise WireError("export: the file ends too early; make or carry it again")
        self.total.update(piece)
        return piece

    def name(self) -> str:
        try:
            return self.take(self.take(1)[0]).decode("ascii")
        except UnicodeDecodeError:
            raise WireError("export: its box has no proper name") from None
