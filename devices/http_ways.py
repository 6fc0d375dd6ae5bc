"""HTTP as a way in: a device asked at intervals, or one whose answer never ends; what comes goes through a decoder."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from devices.driver import Decoder, DeviceOffline, Item, Taken
from devices.http_device import Answer, HttpDevice


class HttpPoll:
    """Asks `path` every `interval_s`; each answer, of at most `limit` bytes, is fed and ended as one."""

    def __init__(self, device: HttpDevice, path: str, decoder: Decoder, interval_s: float, limit: int) -> None:
        self._device = device
        self._path = path
        self._decoder = decoder
        self._interval_s = interval_s
        self._limit = limit
        self._first: bytes | None = None  # what `open` was answered
        self._next = 0.0

    def open(self) -> None:
        """Asks once, since only an answer shows that the device is there."""
        self._first = self._asked()

    def read(self, timeout_s: float) -> Taken:
        """An answer's items, or nothing where it is not yet time to ask."""
        body, self._first = self._first, None
        if body is None:
            wait = self._next - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, timeout_s))
                return Taken()
            body = self._asked()
        now = _now()
        return Taken([*self._decoder.feed(body, now), *self._decoder.end(now)])

    def close(self) -> None:
        """Holds nothing between questions."""

    def _asked(self) -> bytes:
        body = self._device.get(self._path, self._limit)
        self._next = time.monotonic() + self._interval_s
        return body


class HttpStream:
    """Listens to the answer to `path`, which a device keeps open. quiet_s: silence after which it counts as lost."""

    def __init__(self, device: HttpDevice, path: str, decoder: Decoder, quiet_s: float) -> None:
        self._device = device
        self._path = path
        self._decoder = decoder
        self._quiet_s = quiet_s
        self._answer: Answer | None = None
        self._lost: DeviceOffline | None = None
        self._heard = 0.0

    def open(self) -> None:
        self._answer = self._device.stream(self._path)
        self._lost = None
        self._heard = time.monotonic()

    def read(self, timeout_s: float) -> Taken:
        """What came within the time; `DeviceOffline` once it is lost and what it had begun is handed over."""
        if self._lost or self._answer is None:
            raise self._lost or DeviceOffline("the stream is not open")
        try:
            data = self._heard_of(self._answer, timeout_s)
        except DeviceOffline as lost:
            return self._loss(lost)
        return Taken(self._decoder.feed(data, _now())) if data else Taken()

    def close(self) -> None:
        answer, self._answer = self._answer, None
        if answer:
            answer.close()

    def _heard_of(self, answer: Answer, timeout_s: float) -> bytes:
        data = answer.read(timeout_s)
        now = time.monotonic()
        if data:
            self._heard = now
        elif answer.done:
            raise DeviceOffline(f"the answer to {self._path} ended; the device may be restarting")
        elif now - self._heard > self._quiet_s:
            raise DeviceOffline(f"nothing came for {self._quiet_s:g} s, not even a heartbeat")
        return data

    def _loss(self, lost: DeviceOffline) -> Taken:
        items: list[Item] = list(self._decoder.end(_now()))
        if not items:
            raise lost
        self._lost = lost
        return Taken(items)


def _now() -> datetime:
    return datetime.now(UTC)
