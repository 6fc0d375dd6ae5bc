"""MQTT 3.1.1 over paho-mqtt (OASIS mqtt-v3.1.1-os): mutual TLS, over TCP or WebSocket, clean sessions, QoS 1.

Every session is a client of its own with its own last will, so nothing that an earlier session left in paho's queue
goes out again. paho's own reconnecting is off: the core decides. Its callbacks only put events into the inbox.
A session counts as up once the broker has granted the subscription to HQ's word.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud_sync.uplink.dialing import Route, carried
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import Carried, Downlink, LinkDown, LinkUp
from cloud_sync.uplink.ports import Clock
from cloud_sync.uplink.proxies import ProxyError
from cloud_sync.wire.topics import Address, Up

KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 10.0
UNSENT = 64  # messages without PUBACK at most; what is beyond is dropped and sent again by the core
LEAVE_S = 1.0


class _Socket(Protocol):
    """What paho calls a socket: one of TLS, or its own over WebSocket."""

    def fileno(self) -> int: ...


@dataclass(frozen=True)
class Broker:
    """Where a broker listens with TLS; its certificate must name `host`.

    path: of its WebSocket (RFC 6455), None where it takes MQTT straight; route: how the box gets there
    """

    host: str
    port: int
    path: str | None
    route: Route

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Tls:
    """PEM files: the authority that brokers are believed by, and this box's certificate and key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Read anew for every session, so that a renewed certificate is taken up. Raises OSError, ssl.SSLError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cafile=self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


class MqttLink:
    """The link over MQTT. will: the signed last will of the session about to begin."""

    def __init__(
        self,
        address: Address,
        brokers: Sequence[Broker],
        tls: Tls,
        will: Callable[[], bytes],
        inbox: Inbox,
        clock: Clock,
    ) -> None:
        self._address = address
        self._brokers = brokers
        self._tls = tls
        self._will = will
        self._inbox = inbox
        self._clock = clock
        self._session: _Session | None = None

    def connect(self, session: int, way: int) -> None:
        self.close()
        self._session = _Session(session, self._brokers[way], self._address, self._inbox, self._clock)
        self._session.start(self._tls, self._will())

    def publish(self, what: Up, payload: bytes) -> None:
        if self._session:
            self._session.publish(what, payload)

    def carried(self) -> Carried | None:
        return self._session.carried() if self._session else None

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None


class _Client(paho.Client):
    """paho's client over a connection that we open."""

    def __init__(self, name: str, broker: Broker) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            transport="tcp" if broker.path is None else "websockets",
        )
        self._broker = broker
        if broker.path is not None:
            self.ws_set_options(path=broker.path)

    def _create_socket_connection(self) -> socket.socket:  # where paho would open its own (of 2.x, see pyproject.toml)
        return self._broker.route.dial(self._broker.host, self._broker.port, CONNECT_TIMEOUT_S)


class _Session:
    """One MQTT session. A thread of its own opens it, paho's thread carries it."""

    def __init__(self, number: int, broker: Broker, address: Address, inbox: Inbox, clock: Clock) -> None:
        self._number = number
        self._broker = broker
        self._address = address
        self._inbox = inbox
        self._clock = clock
        self._closed = False
        self._stage = "before answering: does it know this box's certificate?"
        self._over = threading.Event()
        self._descriptor: int | None = None
        self._unsent: list[tuple[bytes, paho.MQTTMessageInfo]] = []
        self._client = self._new_client()

    def _new_client(self) -> paho.Client:
        client = _Client(f"{self._address.store}_{self._address.box}", self._broker)  # NATS takes no "." in a name
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(UNSENT)
        client.max_queued_messages_set(UNSENT)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        return client

    def start(self, tls: Tls, will: bytes) -> None:
        self._client.will_set(self._address.up(Up.HEARTBEAT), will, qos=1)
        threading.Thread(target=self._open, args=(tls,), name="uplink-connect", daemon=True).start()

    def publish(self, what: Up, payload: bytes) -> None:
        """Not again while the same waits for its PUBACK: on one connection a copy only lengthens the queue."""
        self._unsent = [(sent, info) for sent, info in self._unsent if not info.is_published()]
        if any(sent == payload for sent, _ in self._unsent):
            return
        info = self._client.publish(self._address.up(what), payload, qos=1)
        if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._unsent.append((payload, info))

    def carried(self) -> Carried | None:
        """What the connection has carried since it was opened; None while there is none."""
        descriptor = self._descriptor
        seen = carried(descriptor) if descriptor is not None else None
        return Carried(self._number, *seen) if seen else None

    def close(self) -> None:
        """Takes leave, so that the broker drops the last will; paho's thread ends by itself."""
        self._closed = True
        connected = self._client.is_connected()
        self._client.disconnect()
        if connected:
            self._over.wait(LEAVE_S)

    def _open(self, tls: Tls) -> None:
        try:
            self._client.tls_set_context(tls.context())
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except OSError as fault:
            self._down(_explain(fault, self._broker, tls))
            return
        self._client.loop_start()
        if self._closed:
            self._client.disconnect()

    def _down(self, why: str) -> None:
        if not self._closed:
            self._inbox.put(LinkDown(self._number, why))

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _: Properties | None
    ) -> None:
        if code.is_failure:
            self._down(f"broker {self._broker} refused the session: {code}")
            return
        self._stage = "before granting the subscription"
        client.subscribe(self._address.down(), qos=1)

    def _on_subscribe(
        self, client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._down(f"broker {self._broker} does not let this box listen on {self._address.down()}")
            client.disconnect()
            return
        self._stage = "in mid-session"
        self._inbox.put(LinkUp(self._number))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if not self._closed:
            self._inbox.put(Downlink(bytes(message.payload), self._clock.wall_us()))

    def _on_socket_open(self, _client: paho.Client, _data: object, link: _Socket) -> None:
        self._descriptor = link.fileno()

    def _on_socket_close(self, _client: paho.Client, _data: object, _link: _Socket) -> None:
        last = self.carried()
        self._descriptor = None
        if last and not self._closed:
            self._inbox.put(last)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        _flags: paho.DisconnectFlags,
        code: ReasonCode,
        _: Properties | None,
    ) -> None:
        self._over.set()
        self._down(f"broker {self._broker} closed the connection {self._stage} ({code})")


def _explain(fault: OSError, broker: Broker, tls: Tls) -> str:
    match fault:
        case ProxyError():
            return f"broker {broker} cannot be reached: {fault}"
        case ssl.SSLCertVerificationError():
            return f"broker {broker} is not trusted: {fault.verify_message}; check {tls.ca} and the broker's host name"
        case ssl.SSLError():
            return f"no TLS with broker {broker}: {fault.reason or fault}; check {tls.certificate} and {tls.key}"
        case socket.gaierror():
            return f"broker {broker}: the name does not resolve ({fault.strerror}); check DNS and the host"
        case FileNotFoundError() | PermissionError():
            return f"cannot read one of {tls.ca}, {tls.certificate}, {tls.key}: {fault.strerror}"
        case _:
            return f"broker {broker} cannot be reached: {fault.strerror or fault}"
