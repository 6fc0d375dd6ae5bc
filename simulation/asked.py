"""Simulated devices that speak only when asked: over a serial line or a TCP port, until they are switched off."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from devices.answer_way import AnswerWay
from devices.simulator import Answerer, PtyWay

LOOK_S = 0.05
FOR_EVER = 1 << 62


class Counted:
    """A device and how often it has answered. on: it has power."""

    def __init__(self, device: Answerer) -> None:
        self._device = device
        self.answers = 0
        self.on = True

    def hear(self, data: bytes) -> bytes:
        answer = self._device.hear(data) if self.on else b""
        self.answers += bool(answer)
        return answer


class Asked(Protocol):
    """place: the settings by which the agent finds it."""

    place: dict[str, str | int]
    device: Counted

    def start(self) -> None:
        """Answers from now on, in a thread of its own."""
        ...


class AskedLine:
    """On a serial line."""

    def __init__(self, device: Answerer) -> None:
        self._line = PtyWay()
        self.place: dict[str, str | int] = {"port": self._line.port}
        self.device = Counted(device)

    def start(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while self.device.on:
            if not self._line.listening:
                time.sleep(LOOK_S)
            elif answer := self.device.hear(self._line.read(LOOK_S)):
                self._line.write(answer)


class AskedPort:
    """At a TCP port of this machine."""

    def __init__(self, device: Answerer) -> None:
        self._way = AnswerWay(("127.0.0.1", 0))
        host, _, port = self._way.place.rpartition(":")
        self.place: dict[str, str | int] = {"host": host, "port": int(port)}
        self.device = Counted(device)

    def start(self) -> None:
        threading.Thread(target=self._way.answer, args=(self.device, FOR_EVER), daemon=True).start()
