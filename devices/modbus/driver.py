"""A Modbus bus: one question at a time, to one device after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from devices.driver import Context, DeviceOffline, Driver, Item, Rejected, Taken
from devices.modbus.frames import question
from devices.modbus.options import Options, SlaveOptions
from devices.modbus.register_map import Block
from devices.modbus.session import RtuDecoder, Session
from devices.modbus.tcp import SCHEME, TcpLine
from devices.serial_port import SerialPort

_ONLY = SlaveOptions(address=1, name=None, map=None)


class Line(Protocol):
    """What carries questions and brings answers, through the decoder."""

    def open(self) -> None: ...
    def write(self, data: bytes) -> None: ...
    def read(self, timeout_s: float) -> Taken: ...
    def close(self) -> None: ...


class _Question(NamedTuple):
    slave: int
    block: Block


class Bus:
    """Every `interval_s` a round of questions. A device that stops answering is told once; the bus is offline when
    none of a round is answered."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._session = Session(options, context)
        self._decoder = RtuDecoder(self._session)
        tcp = options.port.startswith(SCHEME)
        self._line: Line = (
            TcpLine(options.port, self._decoder, options.answer_s)
            if tcp
            else SerialPort(options, self._decoder, options.answer_s)
        )
        self._silent: set[int] = set()
        self._left: deque[_Question] = deque()
        self._next = 0.0  # monotonic time of the next round
        self._answered = False  # anything in this one
        self._lost: str | None = None

    def open(self) -> None:
        self._left.clear()
        self._next, self._lost = 0.0, None
        self._line.open()

    def read(self, timeout_s: float) -> Taken:
        """The answer to the next question, if one is due."""
        if self._lost:
            raise DeviceOffline(self._lost)
        if not self._left:
            wait = self._next - time.monotonic()
            if wait > 0:
                return self._line.read(min(timeout_s, wait))
            self._left.extend(self._round())
            self._next, self._answered = time.monotonic() + self._options.interval_s, False
        items = self._ask(self._left.popleft())
        if not self._left and not self._answered:
            self._lost = f"{self._options.port}: no slave answers; check wiring (A, B), power, baudrate and addresses"
        return Taken(items)

    def close(self) -> None:
        self._line.close()

    def _round(self) -> Iterator[_Question]:
        for slave in self._options.slaves or (_ONLY,):
            for block in self._session.map_of(slave.address).blocks():
                yield _Question(slave.address, block)

    def _ask(self, asked: _Question) -> list[Item]:
        items = [*self._line.read(0).items, *self._decoder.end(_now())]  # what comes unasked belongs to nothing here
        frame = question(asked.slave, *asked.block)
        self._line.write(frame)
        self._decoder.feed(frame, _now())
        deadline = time.monotonic() + self._options.answer_s
        while self._session.pending and (left := deadline - time.monotonic()) > 0:
            items += self._line.read(left).items
        if self._session.pending:
            self._session.pending = None
            return [*items, *self._decoder.end(_now()), *self._unanswered(asked.slave)]
        self._answered = True
        self._silent.discard(asked.slave)
        return items

    def _unanswered(self, slave: int) -> list[Item]:
        if slave in self._silent:
            return []
        self._silent.add(slave)
        return [Rejected(f"slave {slave} does not answer; check its address, wiring and power", b"", _now())]


def _now() -> datetime:
    return datetime.now(UTC)


def decoder(options: Options, context: Context) -> RtuDecoder:
    return RtuDecoder(Session(options, context))


def device(options: Options, context: Context) -> Driver:
    return Bus(options, context)
