"""Records as bytes (sealed rows and batches) and as printed JSON.

On disk and on the wire a record is the MessagePack array

    [version, device, at_us, mono_ms, clock, data]

version: schema version of the type; device: text; at_us: microseconds since the Unix epoch; mono_ms: milliseconds
since boot; clock: `ClockQuality`; data: a map of field names, absent fields left out. The type stands beside it, in
clear, as a wire number. Unknown fields of `data` are tolerated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import astuple

from records.record import ClockQuality, Record
from records.registry import RecordType, type_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


class DecodeError(ValueError):
    """The bytes are not a record of that type."""


D = TypeVar("D")


class _Row(msgspec.Struct, Generic[D], array_like=True, frozen=True, gc=False):
    version: int
    device: str
    at_us: int
    mono_ms: int
    clock: ClockQuality
    data: D


class _RowOut(msgspec.Struct, array_like=True, frozen=True, gc=False):
    version: int
    device: str
    at_us: int
    mono_ms: int
    clock: int
    data: msgspec.Struct


_encoder = msgspec.msgpack.Encoder()
_rows = msgspec.msgpack.Decoder(_Row[msgspec.Raw])
_json = msgspec.json.Encoder()
_data_decoders: dict[int, msgspec.msgpack.Decoder[Any]] = {}
_strict_decoders: dict[int, msgspec.msgpack.Decoder[_Row[Any]]] = {}


def to_wire(record: Record) -> bytes:
    """A record as MessagePack (see the module's docstring); the type's wire number is not in it."""
    row = _RowOut(
        type_of(record.data).version,
        record.device,
        (record.at - _EPOCH) // _US,
        record.mono_ms,
        int(record.clock),
        record.data,
    )
    return _encoder.encode(row)


def from_wire(kind: RecordType, body: bytes) -> Record:
    """The record in `body`; `DecodeError` when it is not one of that type.

    A newer schema version than this release knows decodes by the fields both know.
    """
    return _decode(kind, body)[0]


def from_wire_whole(kind: RecordType, body: bytes) -> tuple[Record, Mapping[str, object]]:
    """The record in `body` and the fields that its struct does not have; `DecodeError` as `from_wire`."""
    try:
        row = _strict(kind).decode(body)
    except msgspec.DecodeError:  # fields that we do not know, or no record at all
        record, data = _decode(kind, body)
        return record, _unknown_fields(kind, data)
    return _record(kind, row, kind.struct(*astuple(row.data))), {}


def _decode(kind: RecordType, body: bytes) -> tuple[Record, msgspec.Raw]:
    decoder = _data_decoders.get(kind.id)
    if decoder is None:
        decoder = _data_decoders[kind.id] = msgspec.msgpack.Decoder(kind.struct)
    try:
        row = _rows.decode(body)
        return _record(kind, row, decoder.decode(row.data)), row.data
    except msgspec.DecodeError as error:
        raise DecodeError(f"{kind.name}: {error}") from error


def _strict(kind: RecordType) -> msgspec.msgpack.Decoder[_Row[Any]]:
    """Of rows whose data have no field that the struct lacks, as a subclass of it."""
    decoder = _strict_decoders.get(kind.id)
    if decoder is None:
        exact = msgspec.defstruct(kind.name, [], bases=(kind.struct,), frozen=True, forbid_unknown_fields=True)
        decoder = _strict_decoders[kind.id] = msgspec.msgpack.Decoder(_Row[exact])  # type: ignore[valid-type]
    return decoder


def _record(kind: RecordType, row: _Row[Any], data: msgspec.Struct) -> Record:
    try:
        return Record(row.device, _EPOCH + row.at_us * _US, data, row.mono_ms, row.clock)
    except OverflowError as error:
        raise DecodeError(f"{kind.name}: {error}") from error


def _unknown_fields(kind: RecordType, data: msgspec.Raw) -> Mapping[str, object]:
    known = {field.encode_name for field in msgspec.structs.fields(kind.struct)}
    try:
        found = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError, TypeError, UnicodeError) as error:
        raise DecodeError(f"{kind.name}: {error}") from error
    return {name: value for name, value in found.items() if name not in known}


def to_json(record: Record) -> bytes:
    """A record as people see it: one JSON object with type, device, at and data; no line end."""
    printed = {
        "type": type_of(record.data).name,
        "device": record.device,
        "at": record.at.astimezone(UTC),
        "data": record.data,
    }
    return _json.encode(printed)
