"""ble-thermometer: every known tag's advertisement gives its reading, and nobody else's is kept."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.ble_thermometer.advert import Advert
from devices.ble_thermometer.driver import BleDecoder, tag_of
from devices.ble_thermometer.simulator import ADDRESS, TOPIC, atc, messages
from devices.driver import Context, Item, Reading, Rejected
from devices.registry import driver
from devices.simulator import MqttWay
from records.types import TempAmbient
from tests.devices.broker import broker
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import opened
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
PATIENCE_S = 60.0
_NOT_NOW = {"tempc2_dp", "tempc_max", "tempc_min"}  # a dew point, and what was measured some time ago
# how the rows of the vector file name what they hold, by kind; the first element of the input is a label
_INPUTS = {
    "servicedata": ("servicedata",),
    "manufacturerdata": ("name", "manufacturerdata"),
    "name_uuid_mfgsvcdata": ("name", "servicedatauuid", "manufacturerdata", "servicedata"),
    "name_mac_uuid_mfgsvcdata": ("id", "name", "servicedatauuid", "manufacturerdata", "servicedata"),
    "uuid_name_svcdata": ("servicedatauuid", "name", "servicedata"),
    "mac_mfgdata": ("id", "manufacturerdata"),
    "mac_mfgsvcdata": ("id", "manufacturerdata", "servicedata"),
}


def read(said: str | bytes, **settings: Any) -> list[Item]:
    data = said.encode() if isinstance(said, str) else said
    return fed(decoder_of("ble-thermometer", Context(), **settings), [data], AT)


def ambient(items: list[Item]) -> list[TempAmbient]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, TempAmbient)]


def document(row: dict[str, Any]) -> dict[str, str]:
    """A vector as a gateway would publish it."""
    _, *values = row["input"]
    if row["kind"] == "uuid":
        uuid, kind, data = values
        return {"servicedatauuid": uuid, kind: data}
    return dict(zip(_INPUTS[row["kind"]], values, strict=True))


@needs_samples
def test_every_vector_gives_its_reading_or_a_reason() -> None:
    """Of 209 advertisements 205 give their temperatures and humidities; values at a format's ends are set aside."""
    assert SHARED
    rows = json.loads((SHARED / "samples/thermometer/ble_adverts_theengs.json").read_text())
    right, reasons = 0, []
    for row in rows:
        items = read(json.dumps(document(row)))
        reasons += [item.reason.split(" (")[0] for item in items if isinstance(item, Rejected)]
        if any(isinstance(item, Rejected) for item in items):
            continue
        warm = sorted(data.celsius for data in ambient(items) if data.celsius is not None)
        damp = [data.humidity_pct for data in ambient(items) if data.humidity_pct is not None]
        expect = row["expect"]
        right += 1
        assert warm == pytest.approx(
            sorted(value for key, value in expect.items() if key.startswith("tempc") and key not in _NOT_NOW), abs=0.06
        ), row
        assert damp == pytest.approx([expect["hum"]] if "hum" in expect else [], abs=0.06), row
    assert len(rows) == 209
    assert right == 209 - len(reasons)
    assert sorted(reasons) == [
        "-127.99 °C cannot be true",
        "-163.835 °C cannot be true",
        "humidity 127.5 % cannot be true",
        "humidity 163.835 % cannot be true",
    ]


@given(
    maker=st.binary(max_size=40),
    name=st.sampled_from(["", "sps", "GVH5055", "GVH5106_1", "TP357", "iBBQ", "RDL52832"]),
    head=st.sampled_from(
        [b"", b"\x88\xec\x00", b"\x01\x00\x01\x01", b"\x99\x04\x05", b"\xd5\x06\x00", b"\x4c\x00\x02\x15"]
    ),
    service=st.sampled_from([0, 0x181A, 0xFE95, 0xFCD2, 0xFDCD, 0xFD3D, 0xFEAA, 0x2A6E, 0xFD50, 0xFEAB, 0x0318]),
    data=st.binary(max_size=30),
)
def test_whatever_is_advertised_nothing_breaks(maker: bytes, name: str, head: bytes, service: int, data: bytes) -> None:
    """Any bytes at all are a tag's or nobody's."""
    tag = tag_of(Advert("a4c138005e01", name, head + maker, {service: data}))
    assert tag is None or tag.model


@given(st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=6))
def test_chunking_does_not_matter(noise: bytes, cuts: list[int]) -> None:
    """However the capture is sliced, the same comes out."""
    line = f'{TOPIC} {{"id": "{ADDRESS}", "servicedatauuid": "0x181a", "servicedata": "{atc(4, 60, 1).hex()}"}}\n'
    said = line.encode() + noise
    pieces = pieces_of(said, cuts)
    assert fed(decoder_of("ble-thermometer", Context()), pieces, AT) == read(said)


def test_phones_and_unlisted_tags_leave_no_trace() -> None:
    """Neither a phone's advertisement nor, once tags are listed, a neighbour's tag is kept, counted or set aside."""
    phone = {"id": "4A:00:00:00:00:01", "name": "someone's phone", "manufacturerdata": "4c0010051b1c00000a"}
    tag = {"id": ADDRESS, "servicedatauuid": "0x181a", "servicedata": atc(4, 60, 1).hex()}
    neighbour = {"id": "58:2D:34:00:00:07", "servicedatauuid": "0xfe95", "servicedata": "58585b0501070000342d58a1b2c3"}
    capture = "".join(json.dumps(told) for told in (phone, neighbour, tag))

    items = read(capture, probes=[{"id": ADDRESS.lower(), "name": "fridge-1"}])
    assert ambient(items) == [TempAmbient(4.0, "fridge-1", 60.0)]
    assert len(items) == 1
    assert read(json.dumps(phone)) == []


def test_a_probe_is_named_by_the_end_of_its_address() -> None:
    """The whole address stands in no record."""
    tag = {"id": ADDRESS, "servicedatauuid": "0x181a", "servicedata": atc(4, 60, 1).hex()}
    assert [data.probe for data in ambient(read(json.dumps(tag)))] == ["005e01"]


def test_live_a_tag_is_told_once_an_interval() -> None:
    """However often it advertises; a clock that steps back does not silence it."""
    options = driver("ble-thermometer").options.model_validate({"id": "b", "driver": "ble-thermometer"})
    device = BleDecoder(options, Context(), 60)  # type: ignore[arg-type]
    tag = {"id": ADDRESS, "servicedatauuid": "0x181a", "servicedata": atc(4, 60, 1).hex()}
    payload = json.dumps(tag).encode()
    times = [0, 2, 59, 60, 61, -3600]
    told = [len(device.hear(TOPIC, payload, AT + timedelta(seconds=after), retained=False)) for after in times]
    assert told == [1, 0, 0, 1, 0, 1]
    assert device.hear(TOPIC, payload, AT + timedelta(days=1), retained=True) == []


def test_a_gateways_own_decoding_is_taken_where_ours_is_none() -> None:
    """A tag that only the gateway knows."""
    told = {"id": "AA:00:00:12:34:56", "tempc": -18.5, "hum": 40, "servicedata": "00", "servicedatauuid": "0xabcd"}
    assert ambient(read(json.dumps(told))) == [TempAmbient(-18.5, "123456", 40.0)]


def test_a_simulated_gateway_is_heard_through_a_broker(tmp_path: Path) -> None:
    """Published, subscribed, decoded: one reading of the tag, none of the phone beside it."""
    with broker(tmp_path) as port:
        device = opened("ble-thermometer", port=port, interval_s=0)
        said = list(islice(messages(Random(2), AT, timedelta(seconds=1)), 20))
        tags = sum(b"servicedata" in message.body for message in said)
        assert 10 < tags < 20
        for message in said:
            MqttWay("127.0.0.1", port).say(message)
        items: list[Item] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(items) < tags:
            assert time.monotonic() < deadline, items
            items += device.read(0.05).items
        assert {data.probe for data in ambient(items)} == {"005e01"}
        device.close()
