"""Punches of a time clock: its log, read on from where the last punch was committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected, Taken
from devices.punch_log import Log, Logged
from devices.tcp_client import TcpClient
from devices.zkteco.frames import (
    ATTENDANCE,
    DATA,
    EVENT,
    FREE,
    LONGEST,
    PUNCHED,
    READ,
    Noise,
    Packet,
    PacketParser,
)
from devices.zkteco.log import HEAD, Unreadable, event, form_of, guessed, records
from devices.zkteco.options import Options
from devices.zkteco.session import Held, Session
from records.types import DeviceHealth

_CURSOR = "cursor"
_AT_ONCE = 500  # punches handed over before the next
_SERIAL = b"~SerialNumber="


class _Cursor(msgspec.Struct, frozen=True):
    """How many punches of the log have been told, and the source_id of the last; the log only grows, until cleared."""

    count: int = 0
    last: str = ""


class ZkDecoder:
    """The bytes of a conversation, both sides, as a listener captures them: every punch of logs and events."""

    def __init__(self, options: Options, context: Context) -> None:
        self._log = Log("", context.timezone, options.direction)
        self._parser = PacketParser()
        self._table = bytearray()
        self._asked: int | None = None  # which table was asked for, where that was heard

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.end() for item in self._of(found, at)]

    def _of(self, found: Packet | Noise, at: datetime) -> Iterator[Item]:
        if isinstance(found, Noise):
            yield Rejected(found.reason, b"", at)
        elif found.command == EVENT and found.session == PUNCHED and found.data:
            yield from self._items([event(found.data)], at)
        elif found.command in (READ, FREE):
            self._table.clear()
            self._asked = int.from_bytes(found.data[1:3], "little") if len(found.data) >= 3 else None
        elif found.command == DATA and self._asked in (None, ATTENDANCE):
            yield from self._data(found.data, at)
        elif found.data.startswith(_SERIAL):
            serial = found.data.removeprefix(_SERIAL).split(b"\x00")[0].decode("ascii", "replace")
            self._log = self._log._replace(serial=serial)

    def _data(self, data: bytes, at: datetime) -> list[Item]:
        if len(self._table) + len(data) > LONGEST:
            self._table.clear()
        self._table += data
        found = guessed(bytes(self._table))
        if found is None:
            return []  # not all of it yet, or another table, which may name people
        self._table.clear()
        return self._items(found, at)

    def _items(self, found: Sequence[Logged | Unreadable], at: datetime) -> list[Item]:
        return [_item(self._log, one, {}, at) for one in found]


class ZkTerminal:
    """Asks how many punches there are every `interval_s`, and reads those that are new."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._client = TcpClient(options)
        self._session: Session | None = None
        self._log = Log("", context.timezone, options.direction)
        told = context.state.get(_CURSOR)
        self._known = told is not None
        self._cursor = msgspec.json.decode(told, type=_Cursor) if told else _Cursor()
        self._left: list[tuple[Item, _Cursor]] = []
        self._is_off = False  # the clock, as was last told
        self._next = 0.0  # monotonic time of the next question

    def open(self) -> None:
        """Logged in, and the terminal's serial number known."""
        self._left.clear()
        self._next = 0.0
        session = Session(self._client, self._key(), self._options.timeout_s)
        session.open()
        self._session = session
        self._log = self._log._replace(serial=session.serial())

    def read(self, timeout_s: float) -> Taken:
        """New punches, or nothing where it is not yet time to ask. What is not confirmed is told again."""
        if self._session is None:
            raise self._client.offline("the connection is not open")
        items: list[Item] = []
        if not self._left:
            wait = self._next - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, timeout_s))
                return Taken()
            items = self._clock(self._session)
            self._left = self._new(self._session)
            self._next = time.monotonic() + self._options.interval_s
        told = self._left[:_AT_ONCE]
        return Taken([*items, *(item for item, _ in told)], partial(self._go_on, len(told)))

    def close(self) -> None:
        session, self._session = self._session, None
        if session:
            session.close()
        self._client.close()

    def _go_on(self, told: int) -> None:
        if told:
            self._cursor, self._known = self._left[told - 1][1], True
        del self._left[:told]

    def _key(self) -> int:
        place = self._options.key_file
        if place is None:
            return 0
        try:
            return int(place.read_text(encoding="ascii").split("\n", 1)[0])
        except (OSError, ValueError) as error:
            raise DeviceOffline(f"{place}: its first line must be the terminal's communication key") from error

    def _clock(self, session: Session) -> list[Item]:
        """Tells when the terminal's clock has gone wrong, and when it is right again."""
        told, now = session.clock(), datetime.now(UTC)
        off = 0.0 if told is None else (told.replace(tzinfo=self._log.zone) - now).total_seconds()
        is_off = abs(off) > self._options.max_skew_s
        if is_off == self._is_off:
            return []
        self._is_off = is_off
        side = "ahead" if off > 0 else "behind"
        reason = f"its clock is {abs(off):.0f} s {side}; set it, and its time zone" if is_off else None
        return [Reading(DeviceHealth("up", reason), now)]

    def _new(self, session: Session) -> list[tuple[Item, _Cursor]]:
        count = session.count()
        if count == self._cursor.count and (count == 0 or self._known):
            return []
        if count == 0:
            self._cursor = _Cursor()  # cleared
            return []
        log = session.log()
        try:
            form = form_of(log.size - HEAD, count) or form_of(log.size - HEAD, count + 1)  # one may have come since
            if form is None:
                raise self._client.offline(f"{count} punches in {log.size} bytes: a form of log that is not known")
            first = self._cursor.count if self._goes_on(log, form) else 0
            data = log.part(HEAD + first * form, log.size)
        finally:
            log.close()
        return list(self._items(records(data, form), first))

    def _goes_on(self, log: Held, form: int) -> bool:
        """Whether the last punch told is where it was; else the log was cleared and is told from its beginning."""
        end = HEAD + self._cursor.count * form
        if not self._cursor.count or end > log.size:
            return False
        (last,) = records(log.part(end - form, end), form)
        return self._mark(last) == self._cursor.last

    def _items(self, found: Sequence[Logged | Unreadable], first: int) -> Iterator[tuple[Item, _Cursor]]:
        now = datetime.now(UTC)
        oldest = (now - timedelta(days=self._options.history_days)).astimezone(self._log.zone).replace(tzinfo=None)
        for number, one in enumerate(found, first + 1):
            cursor = _Cursor(number, self._mark(one))
            state: dict[str, bytes | None] = {_CURSOR: msgspec.json.encode(cursor)}
            if self._known or isinstance(one, Unreadable) or one.at >= oldest:
                yield _item(self._log, one, state, now), cursor
            else:
                self._cursor = cursor  # too old to be told

    def _mark(self, one: Logged | Unreadable) -> str:
        return self._log.source_id(one) if isinstance(one, Logged) else ""


def _item(log: Log, one: Logged | Unreadable, state: Mapping[str, bytes | None], now: datetime) -> Item:
    return Rejected(one.reason, b"", now, state) if isinstance(one, Unreadable) else log.reading(one, state)


def decoder(options: Options, context: Context) -> ZkDecoder:
    return ZkDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return ZkTerminal(options, context)
