"""People counts: crossings and intervals of lines to what went in and out.

A sensor that pushes both says everything twice, so a line's crossings are taken only until its intervals come. Packages
are numbered: one that is missing shows as `gap` on the next count of its agent, as does an interval that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from devices.counter import AHEAD
from devices.driver import Context, Driver, Item, Reading, Receiver, Rejected
from devices.json_documents import Document, Documents, Fault
from devices.pushed import Pushed
from devices.tcp_way import TcpListener
from devices.xovis_count.frames import Crossing, Interval, Package, Push, Unreadable, read
from devices.xovis_count.options import Options
from records import ClockQuality
from records.types import DoorCount


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a line. `until`: end of the last interval; `crossed`: the last crossing counted."""

    until: datetime | None = None
    crossed: datetime | None = None


class _Agent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last package of an agent, and whether one is missing that no count has told of yet."""

    number: int
    newest: datetime | None = None
    missing: bool = False


class XovisDecoder:
    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._documents = Documents()
        kept = {"line": _Line, "agent": _Agent}
        self._lines: dict[str, _Line] = {}
        self._agents: dict[str, _Agent] = {}
        for key, value in context.state.items():
            kind, _, name = key.partition("/")
            remembered = msgspec.json.decode(value, type=kept[kind])
            if isinstance(remembered, _Line):
                self._lines[name] = remembered
            elif isinstance(remembered, _Agent):
                self._agents[name] = remembered

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.feed(data), at)

    def end(self, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.end(), at)

    def _items(self, found: Sequence[Document | Fault], at: datetime) -> list[Item]:
        return [item for one in found for item in self._of(one, at)]

    def _of(self, found: Document | Fault, at: datetime) -> Sequence[Item]:
        if isinstance(found, Fault):
            return [Rejected(found.reason, found.raw, at)]
        try:
            push = read(found.value, self._zone)
        except Unreadable as error:
            return [Rejected(str(error), found.raw, at)]
        self._arrived(push)
        readings = [
            *(reading for interval in push.intervals for reading in self._interval(interval, at + AHEAD)),
            *self._crossings(push.crossings),
        ]
        return self._marked(readings, push.package, found.raw)

    def _arrived(self, push: Push) -> None:
        """Notes the package, and whether some before it are missing."""
        agent, number = push.package
        if number is None:
            return
        times = [*(crossing.at for crossing in push.crossings), *(interval.end for interval in push.intervals)]
        newest = max(times, default=None)
        before = self._agents.get(agent)
        if before is None:
            self._agents[agent] = _Agent(number, newest)
            return
        late = number <= before.number and not (newest and before.newest and newest > before.newest)
        if not late:
            missing = before.missing or number > before.number + 1
            self._agents[agent] = _Agent(number, newest or before.newest, missing)

    def _marked(self, readings: Sequence[Reading], package: Package, raw: bytes) -> list[Reading]:
        """The readings with what is remembered of the agent, the first with the gap before them."""
        agent = self._agents.get(package.agent)
        if agent is None or not readings:
            return [msgspec.structs.replace(reading, raw=raw) for reading in readings]
        self._agents[package.agent] = msgspec.structs.replace(agent, missing=False)
        state = {f"agent/{package.agent}": msgspec.json.encode(self._agents[package.agent])}
        marked = [msgspec.structs.replace(reading, raw=raw, state={**reading.state, **state}) for reading in readings]
        if agent.missing:
            marked[0] = msgspec.structs.replace(marked[0], data=msgspec.structs.replace(marked[0].data, gap=True))
        return marked

    def _interval(self, interval: Interval, latest: datetime) -> list[Reading]:
        if self._options.counts == "live":
            return []
        before = self._lines.get(interval.line, _Line())
        until = before.until if before.until and before.until <= latest else None
        state = self._remember(interval.line, _Line(max(until or interval.end, interval.end), before.crossed))
        if before.crossed and before.crossed > interval.begin:
            return []  # its crossings have counted these people already
        gap = until is not None and until < interval.begin
        in_, out = self._turned(interval.forward, interval.backward)
        data = DoorCount(in_, out, interval.begin, interval.end, interval.line or None, gap=gap)
        identity = f"{interval.line}/{interval.begin.isoformat()}/{interval.end.isoformat()}"
        return [Reading(data, interval.end, ClockQuality.SOURCE, identity, state)]

    def _crossings(self, crossings: Sequence[Crossing]) -> list[Reading]:
        """One for each line and instant."""
        readings: list[Reading] = []
        for (line, at), together in groupby(crossings, key=lambda crossing: (crossing.line, crossing.at)):
            before = self._lines.get(line, _Line())
            if self._options.counts == "logics" or (self._options.counts == "auto" and before.until):
                continue
            people = list(together)
            forward = sum(crossing.side == 0 for crossing in people)
            in_, out = self._turned(forward, len(people) - forward)
            state = self._remember(line, _Line(before.until, max(before.crossed or at, at)))
            identity = f"{line}/{at.isoformat()}/{'+'.join(f'{one.track}:{one.side}' for one in people)}"
            data = DoorCount(in_, out, None, at, line or None)
            readings.append(Reading(data, at, ClockQuality.SOURCE, identity, state))
        return readings

    def _turned(self, forward: int, backward: int) -> tuple[int, int]:
        return (forward, backward) if self._options.forward == "in" else (backward, forward)

    def _remember(self, line: str, state: _Line) -> dict[str, bytes | None]:
        self._lines[line] = state
        return {f"line/{line}": msgspec.json.encode(state)}


def decoder(options: Options, context: Context) -> XovisDecoder:
    return XovisDecoder(options, context)


def device(options: Options, context: Context) -> Driver | Receiver:
    if options.tcp_address is None:
        return Pushed(decoder(options, context))
    return TcpListener(options.tcp_address, options.allow_from, decoder(options, context))
