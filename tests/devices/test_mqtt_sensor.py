"""mqtt-sensor: what gateways publish becomes temperatures, each once, with the right sensor's name."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.publish import single
from pydantic import ValidationError

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.mqtt_sensor.driver import MqttSensors
from devices.mqtt_sensor.simulator import messages
from devices.simulator import MqttWay
from records.types import DeviceHealth, TempAmbient
from tests.devices.broker import broker
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import made
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
PATIENCE_S = 60.0


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("mqtt-sensor", Context(), **settings), [data], AT)


def ambient(items: list[Item]) -> list[TempAmbient]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, TempAmbient)]


@needs_samples
def test_captured_messages_are_read() -> None:
    """Zigbee2MQTT, Tasmota by address and by name, and the Mi gateway's four topics for one reading."""
    assert SHARED
    place = SHARED / "samples/thermometer"
    assert ambient(read((place / "mqtt_homebridge_mi_aqara.txt").read_bytes())) == [
        TempAmbient(25.99, "158d0003163075"),
        TempAmbient(None, "158d0003163075", 34.89),
    ]
    items = read((place / "mqtt_zigbee2mqtt_and_tasmota.json").read_bytes())
    assert items == [item for item in items if isinstance(item, Reading)]
    assert [(data.celsius, data.humidity_pct) for data in ambient(items)] == [
        (23.5, 46.08),
        (20.3, None),
        (20.9, None),
        (19.04, 70.89),
    ]
    assert [data.probe for data in ambient(items)][1:] == ["0x5480", "THERMO1", "0x1067"]


LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b'a/b {"temperature": 4.5}\n',
                b'{"topic": "a/b", "payload": {"temperature": 4.5}}',
                b'[{"topic": "a/b/temperature", "payload": "4.5"}]\n',
                b"\n",
                b"{",
                b"a/b ",
                b'a/b {"data": "{\\"temperature\\": 7}"}\n',
            ]
        ),
    ),
    max_size=8,
).map(b"".join)


@given(said=LINES, cuts=st.lists(st.integers(0, 500), max_size=8))
def test_chunking_does_not_matter(said: bytes, cuts: list[int]) -> None:
    """However the capture is sliced, the same comes out."""
    pieces = pieces_of(said, cuts)
    assert fed(decoder_of("mqtt-sensor", Context()), pieces, AT) == read(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["temperature", "humidity", "data", "sid", "ZbReceived", "Time", "last_seen", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(document=JSON, topic=st.sampled_from(["a/b", "tele/x/SENSOR", "", "/", "a/temperature", "b/bridge/state"]))
def test_whatever_a_payload_holds_nothing_breaks(document: Any, topic: str) -> None:
    """Any JSON at all gives readings, rejects or nothing."""
    for settings in ({}, {"fields": {"celsius": "data.temperature.0", "at": "Time", "probe": "sid"}}):
        device = decoder_of("mqtt-sensor", Context(), **settings)
        assert isinstance(device, MqttSensors)
        for item in device.hear(topic, json.dumps(document).encode(), AT, retained=False):
            assert isinstance(item, Reading | Rejected)


def test_a_retained_reading_counts_only_with_its_own_time() -> None:
    """What the broker kept from last week is no temperature of now."""
    device = decoder_of("mqtt-sensor", Context())
    assert isinstance(device, MqttSensors)
    undated, recent = b'{"temperature": 4.5}', b'{"temperature": 4.5, "last_seen": "2026-11-21T08:00:00Z"}'
    old = recent.replace(b"11-21", b"11-11")
    assert device.hear("z/f", undated, AT, retained=True) == []
    assert device.hear("z/f", old, AT, retained=True) == []
    (item,) = device.hear("z/f", recent, AT, retained=True)
    (again,) = device.hear("z/f", recent, AT + timedelta(minutes=1), retained=True)
    assert isinstance(item, Reading)
    assert isinstance(again, Reading)
    assert item.at == AT - timedelta(hours=1)
    assert item.identity == again.identity is not None


def test_an_echo_is_one_reading_and_a_repetition_two() -> None:
    """The same on another topic at once is an echo; on the same topic it was measured again."""
    device = decoder_of("mqtt-sensor", Context(), fields={"celsius": "t", "probe": "id"})
    assert isinstance(device, MqttSensors)
    said = b'{"id": "s1", "t": 4}'
    heard = [("a", 0), ("b", 1), ("a", 60), ("a", 61), ("b", 75)]
    counts = [len(device.hear(topic, said, AT + timedelta(seconds=after), retained=False)) for topic, after in heard]
    assert counts == [1, 0, 1, 1, 1]


@pytest.mark.parametrize("topic", ["", "a/#/b", "a+/b", "a/b#"])
def test_a_wrong_topic_filter_is_refused(topic: str) -> None:
    """A broker would close the connection over it, again and again."""
    with pytest.raises(ValidationError, match="topic filter"):
        decoder_of("mqtt-sensor", Context(), topics=[topic])


# --- live ------------------------------------------------------------------------------------------------------------


def until(device: Driver, enough: Callable[[list[Item]], bool], say: Callable[[], None] = lambda: None) -> list[Item]:
    items: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while not enough(items):
        assert time.monotonic() < deadline, items
        say()
        items += device.read(0.05).items
    return items


def test_a_simulated_gateway_is_heard_through_a_broker(tmp_path: Path) -> None:
    """Published, subscribed, decoded; a retained word of who is away arrives with the subscription."""
    with broker(tmp_path) as port:
        single("zigbee2mqtt/freezer/availability", "offline", retain=True, qos=1, port=port)
        way, device = MqttWay("127.0.0.1", port), made("mqtt-sensor", port=port)
        device.open()
        items = until(device, lambda items: bool(items))
        assert [item.data for item in items if isinstance(item, Reading)] == [
            DeviceHealth("silent", "zigbee2mqtt/freezer/availability says offline")
        ]
        for message in islice(messages(Random(2), AT, timedelta(seconds=1)), 10):
            way.say(message)
        items = until(device, lambda items: len(items) == 10)
        assert {data.probe for data in ambient(items)} == {"fridge-1"}
        device.close()
        device.close()


def test_a_broker_that_goes_is_noticed_and_found_again(tmp_path: Path) -> None:
    """Offline while it is away, heard again after the next open."""
    with broker(tmp_path) as port:
        device = made("mqtt-sensor", port=port)
        device.open()
        device.read(0.05)
    with pytest.raises(DeviceOffline, match="is the broker down"):
        until(device, lambda _: False)
    device.close()
    with pytest.raises(DeviceOffline, match="check host, port"):
        device.open()


def test_a_login_is_used_and_a_wrong_one_told(tmp_path: Path) -> None:
    """The password comes from its file; a refusal says which settings to check."""
    (tmp_path / "right").write_text("fish\n")
    (tmp_path / "wrong").write_text("soup\n")
    with broker(tmp_path, "store:fish") as port:
        device = made("mqtt-sensor", port=port, user="store", password_file=tmp_path / "right")
        device.open()
        device.close()
        with pytest.raises(DeviceOffline, match="check user and password_file"):
            made("mqtt-sensor", port=port, user="store", password_file=tmp_path / "wrong").open()
        with pytest.raises(DeviceOffline, match="password_file"):
            made("mqtt-sensor", port=port, user="store", password_file=tmp_path / "none").open()


def test_a_server_of_another_protocol_is_told() -> None:
    """A web server at the broker's port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        work = threading.Thread(target=serve, daemon=True)
        work.start()
        with pytest.raises(DeviceOffline, match="does not speak MQTT"):
            made("mqtt-sensor", port=server.getsockname()[1]).open()
        work.join(PATIENCE_S)
