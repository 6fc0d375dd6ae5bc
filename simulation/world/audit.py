"""Looks at both ends while the world runs, and counts everything when it has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from hq.complete import report
from hq.warehouse.memory import MemoryWarehouse, Stored
from records import Lane, to_wire
from records.types import Loss
from simulation.world.agenda import BEGIN
from simulation.world.books import Accepted
from simulation.world.machine import Machine
from simulation.world.scene import Scene
from simulation.world.sealing import Number, Violation
from simulation.world.sources import Source, Uid, uid

SHOWN = 3
LATE_S = 15.0  # for which an epoch may live on beyond its time


class Audit:
    """`look` at any time, `close` at the end; either raises `Violation`."""

    def __init__(
        self, scene: Scene, warehouse: MemoryWarehouse, machines: Sequence[Machine], sources: Sequence[Source]
    ) -> None:
        self._scene = scene
        self._warehouse = warehouse
        self._machines = machines
        self._sources = sources

    def look(self) -> None:
        """What is true at every moment: whatever HQ calls complete is complete, and epochs end in time."""
        for standing in self._warehouse.standings():
            box = report(standing)
            if box.complete_to is not None:
                self._complete(box.store, box.complete_to)
        for machine in self._machines:
            if machine.on and machine.epoch_late_s > LATE_S:
                raise Violation(f"an epoch ends in time: {machine.name}'s is late by {machine.epoch_late_s:.0f} s")

    def _complete(self, store: str, to: datetime) -> None:
        """Of a box that has a twin nobody can say what it has accepted."""
        machines = [machine for machine in self._machines if machine.keys.store == store]
        if len(machines) > 1:
            return
        explained = Tombstones(self._warehouse)
        known = {number_of(row) for row in self._warehouse.rows}
        for number in sorted(machines[0].shelf.numbers - known):
            by = self._scene.books.accepted[number]
            if BEGIN + timedelta(seconds=by.at) <= to and not explained.tell_of(number, by):
                at = BEGIN + timedelta(seconds=by.at)
                raise Violation(f"complete is complete: {store} to {to:%T.%f}, without {shown([number])} of {at:%T.%f}")

    def open_questions(self) -> list[str]:
        """Boxes of which HQ misses something and was not told why; of two under one name nobody knows."""
        stores = Counter(machine.keys.store for machine in self._machines)
        reports = [report(standing) for standing in self._warehouse.standings()]
        return [
            f"{box.missing} are missing of {box.store}" for box in reports if box.missing and stores[box.store] == 1
        ]

    def close(self) -> None:
        """What is true at rest."""
        stored = self._stored()
        self._nothing_lost(stored)
        self._nothing_doubled(stored)
        self._scene.counts["accepted"] += len(self._scene.books.accepted)
        self._scene.counts["stored"] += len(stored)

    def _stored(self) -> dict[Number, Stored]:
        """Every row by its number, as it was accepted."""
        found: dict[Number, Stored] = {}
        for row in self._warehouse.rows:
            number = number_of(row)
            if number in found:
                raise Violation(f"nothing stands twice: {row.identity}")
            if number not in self._scene.books.accepted:
                raise Violation(f"nothing is invented: {row.identity}")
            if to_wire(row.opened.record) != self._scene.books.plain(number):
                raise Violation(f"stored is what was accepted: {row.identity}")
            found[number] = row
        return found

    def _nothing_lost(self, stored: dict[Number, Stored]) -> None:
        held = set().union(*(machine.shelf.numbers for machine in self._machines))
        missing = [number for number in sorted(held) if number not in stored]
        named = Tombstones(self._warehouse)
        lost = [number for number in missing if not named.tell_of(number, self._scene.books.accepted[number])]
        if lost:
            raise Violation(f"nothing is lost: {len(lost)} of {len(held)}, as {shown(lost)}")
        self._scene.counts["evicted"] += len(missing)
        self._sources_agree(stored, missing)

    def _sources_agree(self, stored: dict[Number, Stored], missing: Sequence[Number]) -> None:
        """What a source was told is kept is there, by its own name, or named lost or refused."""
        there = {uid(row.opened.record) for row in stored.values()}
        there |= {uid(self._scene.books.record(number)) for number in missing}
        gone = set(self._scene.books.accepted).difference(*(machine.shelf.numbers for machine in self._machines))
        there |= {uid(self._scene.books.record(number)) for number in gone}
        kept: set[Uid] = set().union(*(source.kept for source in self._sources))
        refused = sum(said.count for said in map(loss, losses(self._warehouse)) if said.reason == "refused")
        refused += sum(machine.refused for machine in self._machines)
        nowhere = sorted(event for event in kept - there if not self._forgotten(event))
        if len(nowhere) > refused:
            raise Violation(f"kept is kept: {len(nowhere)} are nowhere, {refused} were refused, as {nowhere[:SHOWN]}")
        self._scene.counts["refused"] += refused

    def _nothing_doubled(self, stored: dict[Number, Stored]) -> None:
        """What a source brought once is counted once; without ids of its own only where disks stay what they are."""
        events = Counter(
            event
            for number, row in stored.items()
            if row.duplicate_of is None and (event := uid(row.opened.record)) and self._is_counted(event)
        )
        twice = [event for event, times in events.items() if times > 1]
        if twice:
            raise Violation(f"nothing is counted twice: {len(twice)}, as {twice[:SHOWN]}")

    def _forgotten(self, event: Uid) -> bool:
        """What was refused and counted on a disk that then went back to an image."""
        return event[1].startswith(f"tap-{self._machines[0].keys.store}")

    def _is_counted(self, event: Uid) -> bool:
        return event[0] == "PosSale" or self._machines[0].keys.store not in event[1]


class Tombstones:
    """The ranges that stored loss records name."""

    def __init__(self, warehouse: MemoryWarehouse) -> None:
        self._spans: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        for row in losses(warehouse):
            said = loss(row)
            if said.stream and said.epoch and said.lane is not None and said.first and said.last:
                self._spans.setdefault((said.stream, said.epoch, said.lane), []).append((said.first, said.last))

    def tell_of(self, number: Number, accepted: Accepted) -> bool:
        epoch, lane, seq = number
        spans = self._spans.get((accepted.stream.hex(), epoch.hex(), int(lane)), [])
        return any(first <= seq <= last for first, last in spans)


def losses(warehouse: MemoryWarehouse) -> Iterator[Stored]:
    return (row for row in warehouse.rows if isinstance(row.opened.record.data, Loss))


def loss(row: Stored) -> Loss:
    data = row.opened.record.data
    if not isinstance(data, Loss):
        raise TypeError("not a loss")
    return data


def number_of(row: Stored) -> Number:
    _, epoch, lane, seq = row.identity.split("/")
    return bytes.fromhex(epoch), Lane(int(lane)), int(seq)


def shown(numbers: Sequence[Number]) -> str:
    return ", ".join(f"{epoch.hex()[:6]} {lane.name} {seq}" for epoch, lane, seq in sorted(numbers)[:SHOWN])
