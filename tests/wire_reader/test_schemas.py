"""The generated JSON Schemas describe what is really on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from records import RECORD_TYPES
from tests.wire_reader import reader
from tests.wire_reader.test_reader import BOX, ROOT, VECTORS, raw

RECORDS, WIRE = (
    json.loads((ROOT / "docs" / "reference" / f"{name}.schema.json").read_text()) for name in ("record-types", "wire")
)


def shape(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The definition behind a property."""
    return schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]


def fits(value: dict[str, Any], of: dict[str, Any]) -> bool:
    """Names alone: everything required is there and everything there is known."""
    return set(of.get("required", ())) <= value.keys() <= of["properties"].keys()


def test_every_record_type_and_message_has_a_schema() -> None:
    """One property a type, one a kind of message, each with its definition."""
    assert RECORDS["properties"].keys() == RECORD_TYPES.keys()
    down = {"receipt", "hold", "refusal", "pace", "resend", "command", "config", "succession"}
    assert WIRE["properties"].keys() == {"heartbeat", "will", "answer", *down}
    assert all(shape(schema, name) for schema in (RECORDS, WIRE) for name in schema["properties"])


@pytest.mark.parametrize("name", ["batch", "rows_batch"])
def test_printed_records_fit_their_schemas(name: str) -> None:
    """The vectors' records have the fields that the schemas know, and those that they require."""
    for record in VECTORS[name]["records"]:
        assert fits(record["data"], shape(RECORDS, record["type"]))


def test_what_boxes_say_fits_its_schema() -> None:
    """Heartbeat, will and answers as they are on the wire."""
    for vector, name in [("heartbeat", "heartbeat"), ("will", "will"), ("answer_to_resend", "answer")]:
        body = reader.said(raw(vector), BOX)[1]
        assert fits(body, shape(WIRE, name))
