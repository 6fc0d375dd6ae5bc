"""A box's MQTT connection for tests of the broker, made as the uplink makes it."""

from __future__ import annotations

import queue
from pathlib import Path

import paho.mqtt.client as mqtt

from tests.services import Files

DEADLINE_S = 60.0


class Box:
    """One connection; without `files` it shows no certificate."""

    def __init__(self, name: str, ca: Path, files: Files | None) -> None:
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.granted: queue.Queue[int] = queue.Queue()
        self.outcome: queue.Queue[bool] = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311)
        certificate = (str(files.certificate), str(files.key)) if files else (None, None)
        self.client.tls_set(str(ca), *certificate)
        self.client.on_connect = lambda _c, _u, _f, code, _p: self.outcome.put(not code.is_failure)
        self.client.on_disconnect = lambda *_: self.outcome.put(False)
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.put(codes[0].value)
        self.client.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload))

    def connect(self, port: int) -> bool:
        """Whether the broker takes the connection."""
        try:
            self.client.connect("127.0.0.1", port)
        except OSError:
            return False
        self.client.loop_start()
        return self.outcome.get(timeout=DEADLINE_S)

    def subscribe(self, topic: str) -> int:
        self.client.subscribe(topic, qos=1)
        return self.granted.get(timeout=DEADLINE_S)

    def publish(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(DEADLINE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
