"""A broker in the store as a way in: what gateways publish goes through a decoder."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from devices.driver import DeviceOffline, Item, Taken
from devices.options import MqttOptions

_ANSWER_S = 10.0
_KEEPALIVE_S = 30
_MOST = 1000  # messages that one read takes


class Hears(Protocol):
    """What reads messages."""

    def hear(self, topic: str, payload: bytes, at: datetime, *, retained: bool) -> Sequence[Item]:
        """retained: the broker kept it from before; when it was said is not known."""
        ...


class MqttPort:
    """The messages of `topics`, through `decoder`. QoS 0: what a sensor says next replaces what is lost."""

    def __init__(self, options: MqttOptions, decoder: Hears) -> None:
        self._options = options
        self._decoder = decoder
        self._client: Client | None = None
        self._heard: list[MQTTMessage] = []
        self._answer: ReasonCode | None = None

    def open(self) -> None:
        """Connects and subscribes, or `DeviceOffline` with what to check."""
        self._heard, self._answer = [], None
        client = self._client = Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._answered
        client.on_message = lambda _, __, message: self._heard.append(message)
        client.connect_timeout = _ANSWER_S
        try:
            self._log_in(client)
            client.connect(self._options.host, self._options.port, _KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise self._offline(f"{error}; check host, port, and that the broker runs") from error
        deadline = time.monotonic() + _ANSWER_S
        while self._answer is None:
            lost = client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS
            if self._answer is None and (lost or time.monotonic() >= deadline):
                raise self._offline("does not speak MQTT; check port and ca_file")
        if self._answer.is_failure:
            raise self._offline(f"refuses: {self._answer}; check user and password_file")
        client.subscribe([(topic, 0) for topic in self._options.topics])

    def read(self, timeout_s: float) -> Taken:
        """What came within the time; `DeviceOffline` once the broker is gone and what it said is handed over."""
        if self._client is None:
            raise self._offline("is not connected")
        state = self._client.loop(timeout_s)
        while self._heard and state == MQTTErrorCode.MQTT_ERR_SUCCESS and len(self._heard) < _MOST:
            before = len(self._heard)
            state = self._client.loop(0)
            if len(self._heard) == before:
                break
        heard, self._heard = self._heard, []
        if not heard and state != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._offline("the connection is gone; is the broker down?")
        at = datetime.now(UTC)
        return Taken([item for message in heard for item in self._items(message, at)])

    def close(self) -> None:
        """Lets go of the broker."""
        client, self._client = self._client, None
        if client:
            with suppress(OSError, ValueError):
                client.disconnect()
                client.loop(0)

    def _items(self, message: MQTTMessage, at: datetime) -> Sequence[Item]:
        return self._decoder.hear(message.topic, bytes(message.payload), at, retained=message.retain)

    def _log_in(self, client: Client) -> None:
        chosen = self._options
        if chosen.password_file:
            try:
                lines = chosen.password_file.read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise self._offline(f"password_file {chosen.password_file}: {error.strerror}") from error
            client.username_pw_set(chosen.user, lines[0] if lines else "")
        if chosen.ca_file:
            client.tls_set_context(ssl.create_default_context(cafile=chosen.ca_file))

    def _answered(self, _: object, __: object, ___: object, code: ReasonCode, ____: object) -> None:
        self._answer = code

    def _offline(self, reason: str) -> DeviceOffline:
        return DeviceOffline(f"{self._options.host}:{self._options.port}: {reason}")
