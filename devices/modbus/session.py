"""What goes over a Modbus bus: questions paired with their answers, answers read by register maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from devices.counter import Seen, first_sight, rise, told
from devices.driver import Context, Item, Reading, Rejected
from devices.framing import Noise
from devices.modbus.frames import Answer, Frame, Question, Refusal, RtuParser
from devices.modbus.options import Options, SlaveOptions
from devices.modbus.register_map import Block, RegisterMap, Value
from devices.temperature import Measured, Probes
from records.types import Energy

_COUNT = "count/"
_ERRORS = {
    1: "it does not know the function",
    2: "it has no such register",
    3: "it refuses the number of registers",
    4: "it failed",
    6: "it is busy",
    11: "the gateway has no answer of it",
}


class Session:
    """Sans-IO: frames in, items out. `pending`: the question that waits for its answer."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._slaves = {slave.address: slave for slave in options.slaves}
        self._probes = Probes(options, context, timedelta(seconds=options.interval_s))
        self._totals = {
            key: msgspec.json.decode(state, type=Seen) for key, state in context.state.items() if key.startswith(_COUNT)
        }
        self.pending: Question | None = None

    def hear(self, frame: Frame | Noise, at: datetime) -> list[Item]:
        match frame:
            case Question():
                self.pending = frame
            case Answer():
                return self._answer(frame, at)
            case Refusal(slave, _, code, raw):
                self.pending = None
                return [Rejected(f"slave {slave} refuses: {_ERRORS.get(code, f'error {code}')}", raw, at)]
            case Noise(reason, raw):
                return [Rejected(reason, raw, at)]
        return []

    def _answer(self, answer: Answer, at: datetime) -> list[Item]:
        asked = self.pending or self._assumed(answer)
        if asked is None:
            return [Rejected(f"an answer of slave {answer.slave} to a question that was not heard", answer.raw, at)]
        if (answer.slave, answer.function) != (asked.slave, asked.function):
            reason = f"an answer of slave {answer.slave} to a question to slave {asked.slave}"
            return [Rejected(reason, answer.raw, at)]
        if len(answer.data) != 2 * asked.number:
            reason = f"slave {answer.slave} says {len(answer.data)} bytes where {2 * asked.number} were asked for"
            return [Rejected(reason, answer.raw, at)]
        self.pending = None
        block = Block(asked.function, asked.first, asked.number)
        found = [value for value in self.map_of(answer.slave).values if block.holds(value)]
        if not found:
            reason = f"registers {block.first} to {block.first + block.number - 1} are not in the map"
            return [Rejected(reason, answer.raw, at)]
        return self._items(answer, block, found, at)

    def _assumed(self, answer: Answer) -> Question | None:
        """A capture without its questions: the one that the map asks with this function for so many registers."""
        fits = [
            block
            for block in self.map_of(answer.slave).blocks()
            if block.function == answer.function and 2 * block.number == len(answer.data)
        ]
        return Question(answer.slave, *fits[0], b"") if len(fits) == 1 else None

    def map_of(self, slave: int) -> RegisterMap:
        known = self._slaves.get(slave)
        return known.map if known and known.map else self._options.map

    def _items(self, answer: Answer, block: Block, values: Sequence[Value], at: datetime) -> list[Item]:
        known = self._slaves.get(answer.slave) or SlaveOptions(address=answer.slave, name=None, map=None)
        unit = known.name or str(answer.slave)
        read = {value: value.read(answer.data, block.first) for value in values}
        items = self._ambient(unit, read, answer.raw, at)
        for value in values:
            total = read[value]
            if value.kind == "kwh" and total is not None:
                items.append(_energy(unit, total, value.scale, answer.raw, at))
        items += self._count(unit, {v.kind: (v, n) for v, n in read.items() if isinstance(n, int)}, answer.raw, at)
        missing = [value for value in values if read[value] is None]
        if missing:
            names = ", ".join(f"{value.kind} of register {value.address}" for value in missing)
            items.append(Rejected(f"{unit} has no {names}; check the probe", answer.raw, at))
        return items

    def _ambient(self, unit: str, read: dict[Value, float | int | None], raw: bytes, at: datetime) -> list[Item]:
        said: dict[str, dict[str, float]] = {}
        for value, number in read.items():
            if value.kind in ("celsius", "humidity") and number is not None:
                probe = f"{unit}-{value.probe}" if value.probe else unit
                said.setdefault(probe, {})[value.kind] = round(number * value.scale, 6)
        return [
            self._probes.take(Measured(probe, both.get("celsius"), both.get("humidity"), raw), at)
            for probe, both in said.items()
        ]

    def _count(self, unit: str, read: dict[str, tuple[Value, int]], raw: bytes, at: datetime) -> list[Item]:
        if "in" not in read or "out" not in read:
            return []
        key, now = _COUNT + unit, Seen(read["in"][1], read["out"][1], at)
        before = self._totals.get(key)
        self._totals[key] = now
        if before is None:
            data = first_sight(now, unit)
        else:
            data = told(before, now, rise(before, now, 1 << read["in"][0].bits), unit)
        return [Reading(data, at, state={key: msgspec.json.encode(now)}, raw=raw)]


def _energy(unit: str, total: float, scale: float, raw: bytes, at: datetime) -> Item:
    if not math.isfinite(total):
        return Rejected(f"{unit} says an energy that is no number", raw, at)
    kwh = Decimal(repr(total)) * Decimal(repr(scale))
    return Reading(Energy(round(kwh, 3), unit), at, raw=raw)  # a meter's watt-hours; a 32-bit float says no more


class RtuDecoder:
    """The bytes of a bus, questions and answers, as a listener captures them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parser = RtuParser()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for frame in self._parser.feed(data) for item in self._session.hear(frame, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for frame in self._parser.end() for item in self._session.hear(frame, at)]
