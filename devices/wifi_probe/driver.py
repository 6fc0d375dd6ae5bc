"""Devices nearby to how many there were: no address is kept, told or written anywhere."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from devices.driver import Answer, Context, Decoder, Item, Reading, Receiver, Rejected, Request
from devices.gathered import Gathered
from devices.json_documents import Document, Documents, Fault
from devices.wifi_probe.frames import heard_in, unwrapped
from devices.wifi_probe.options import Options
from records.types import WifiPresence

_MOST = 100_000  # devices in one interval
_NO_REPORT = "a report that cannot be read; it is not kept, since it may hold addresses"


class Presence:
    """Counts devices that differ, by a keyed value of their address.

    The key is random, never leaves memory, and is thrown away with every value at the end of the local day: from then
    on nobody, we included, can tell whether a device came again.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._day: date | None = None
        self._key = b""
        self._begin: datetime | None = None  # of the interval
        self._there: set[bytes] = set()

    def hear(self, found: Document | Fault, at: datetime) -> list[Item]:
        """The interval that a report ends by being after it; the report counts towards the next."""
        if not self._options.enabled:
            return []
        heard = heard_in(found.value) if isinstance(found, Document) else None
        if heard is None:
            return [Rejected(_NO_REPORT, b"", at)]
        items = self._turned(at)
        for one in heard:
            near = one.rssi is None or one.rssi >= self._options.min_rssi
            if near and not one.made_up and len(self._there) < _MOST:
                self._there.add(hmac.digest(self._key, one.mac, hashlib.sha256)[:8])
        return items

    def finish(self) -> list[Item]:
        """The interval that has begun."""
        begin, count = self._begin, len(self._there)
        self._begin = None
        self._there.clear()
        if begin is None or count < self._options.least:
            return []  # so few that one of them might be known by it
        length = self._options.interval_s
        return [Reading(WifiPresence(count, length), begin + timedelta(seconds=length))]

    def _turned(self, at: datetime) -> list[Item]:
        """A new interval, a new day: what they end."""
        length, day = self._options.interval_s, at.astimezone(self._zone).date()
        begin = datetime.fromtimestamp(at.timestamp() // length * length, UTC)
        if begin == self._begin and day == self._day:
            return []
        items = self.finish()
        if day != self._day:
            self._day, self._key = day, secrets.token_bytes(32)
        self._begin = begin
        return items


class ProbeDecoder:
    """Reports one after the other, as captured; their end ends the interval."""

    def __init__(self, options: Options, context: Context) -> None:
        self._presence = Presence(options, context)
        self._documents = Documents()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._documents.feed(data) for item in self._presence.hear(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        left = [item for found in self._documents.end() for item in self._presence.hear(found, at)]
        return [*left, *self._presence.finish()]


class ProbeReceiver:
    """Each push is a report, or several. It is always answered 200: what cannot be read would only come again."""

    def __init__(self, options: Options, context: Context) -> None:
        self._presence = Presence(options, context)

    def receive(self, request: Request, at: datetime) -> Answer:
        documents = Documents()
        found = [*documents.feed(unwrapped(request.body)), *documents.end()]
        return Answer([item for one in found for item in self._presence.hear(one, at)])


def decoder(options: Options, context: Context) -> Decoder:
    return Gathered(ProbeDecoder(options, context))


def device(options: Options, context: Context) -> Receiver:
    return ProbeReceiver(options, context)
