"""Opens what a box sealed: epoch headers with HQ's keys, batches with the epoch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cloud_sync.ingest.work import Aside, Opened
from cloud_sync.seal.dictionary import ExpandError, UnknownDictionary, Zstd
from cloud_sync.seal.epoch_key import EpochKey, open_epoch
from cloud_sync.seal.hpke import OpeningKey, SealError
from cloud_sync.wire.batch import BatchHeader, Kind, unpack_rows
from cloud_sync.wire.epoch import EpochHeader
from cloud_sync.wire.reader import WireError
from records import DecodeError, from_wire_whole, type_by_id

MAX_REASON = 300


class Later(Exception):
    """A later release sealed this, or for a key we do not have: nothing is wrong with it, and it cannot be read yet."""


class Damaged(Exception):
    """It was changed, forged or malformed, and never will be read."""


class Spoilt(Damaged):
    """The box sealed it so, and nobody can read it."""


Entries = Mapping[int, Opened | Aside]


def unseal(header: EpochHeader, keys: Mapping[bytes, OpeningKey]) -> EpochKey:
    """The epoch's key by the first of our keys it is sealed to. Raises Later, Damaged."""
    mine = [keys[key_id] for key_id in header.sealed if key_id in keys]
    if not mine:
        raise Later("sealed to none of our keys")
    try:
        return open_epoch(header, mine[0])
    except SealError as fault:
        raise Damaged(f"epoch key: {fault}") from None


def open_batch(key: EpochKey, header: BatchHeader, body: bytes, zstd: Zstd) -> tuple[Entries, str]:
    """What a batch holds by number, and what is wrong with the rest of it (empty: nothing). Raises Later, Damaged.

    A batch of sealed rows is as good as each of its rows: one rotten row costs no other. A row that does not open is
    not among the entries, since nothing proves that its number is the box's.
    """
    unknown = sorted(type_id for type_id in header.types if type_by_id(type_id) is None)
    if unknown:
        raise Later(f"record types {unknown} are of a later release")
    try:
        if header.kind is Kind.ROWS:
            return _open_rows(key, header, body, zstd)
        opened = key.open_batch(header, body, zstd)
    except UnknownDictionary as fault:
        raise Later(f"{fault.args[0]} is of a later release") from None
    except SealError as fault:
        raise Damaged(str(fault)) from None
    except (ExpandError, WireError) as fault:
        raise (Spoilt if header.kind is Kind.RECORDS else Damaged)(str(fault)) from None
    return {seq: read(type_id, raw) for seq, (type_id, raw) in enumerate(opened, header.first)}, ""


def _open_rows(key: EpochKey, header: BatchHeader, body: bytes, zstd: Zstd) -> tuple[Entries, str]:
    rows = list(unpack_rows(body))
    if _count(row.type_id for row in rows) != header.types:
        raise WireError("batch: its content is not what its header announces")
    entries: dict[int, Opened | Aside] = {}
    rotten: list[int] = []
    for seq, row in enumerate(rows, header.first):
        try:
            entries[seq] = read(row.type_id, key.open_row(header.lane, seq, row, zstd))
        except (SealError, ExpandError):
            rotten.append(seq)
    if not entries:
        raise Damaged("batch of rows: none of them opens")
    return entries, f"{len(rotten)} rows do not open, the first is {rotten[0]}" if rotten else ""


def _count(type_ids: Iterator[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for type_id in type_ids:
        counts[type_id] = counts.get(type_id, 0) + 1
    return counts


def read(type_id: int, raw: bytes) -> Opened | Aside:
    """A record of a known type; what does not decode is set aside, since it is the box's own and has its number."""
    kind = type_by_id(type_id)
    if kind is None:
        raise Later(f"record type {type_id} is of a later release")
    try:
        return Opened(kind, *from_wire_whole(kind, raw))
    except (DecodeError, RecursionError, TypeError, UnicodeError) as fault:
        return Aside(kind, str(fault)[:MAX_REASON], raw)
