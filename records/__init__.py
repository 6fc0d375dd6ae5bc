"""The vocabulary: every record type, its fields, units and lane. A leaf: imports nothing of ours."""

import records.types  # noqa: F401 (enters them)
from records.codec import DecodeError, from_wire, from_wire_whole, to_json, to_wire
from records.record import ClockQuality, Lane, Record
from records.registry import RECORD_TYPES, RecordType, lane_of, type_by_id, type_of

__all__ = [
    "RECORD_TYPES",
    "ClockQuality",
    "DecodeError",
    "Lane",
    "Record",
    "RecordType",
    "from_wire",
    "from_wire_whole",
    "lane_of",
    "to_json",
    "to_wire",
    "type_by_id",
    "type_of",
]
