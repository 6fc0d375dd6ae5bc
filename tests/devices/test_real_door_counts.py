"""Fifteen weeks of a real door through counters that are reset, run over, fall silent and repeat themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from devices.dahua_count.simulator import summary
from devices.driver import Context, Reading
from devices.hikvision_count.simulator import alert
from devices.registry import driver
from records.types import DoorCount
from tests.samples import SHARED, needs_samples

pytestmark = needs_samples

HALF_HOUR = timedelta(minutes=30)
WIDTH = 1 << 16
PLACES: Mapping[str, Mapping[str, str]] = {"dahua-count": {"url": "http://192.0.2.1"}, "hikvision-count": {}}


class Slot(NamedTuple):
    """Half an hour of the door."""

    end: datetime
    in_: int
    out: int


def slots() -> list[Slot]:
    assert SHARED
    found: dict[datetime, dict[str, int]] = {}
    with (SHARED / "retail-data/calit2.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            begin = datetime.strptime(f"{row['date']} {row['time']}", "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
            found.setdefault(begin, {})[row["flow"]] = int(row["n"])
    return [Slot(begin + HALF_HOUR, people["9"], people["7"]) for begin, people in sorted(found.items())]


def golden() -> tuple[int, int]:
    assert SHARED
    told = json.loads((SHARED / "retail-data/golden.json").read_text(encoding="utf-8"))["CalIt2"]
    return told["in_total"], told["out_total"]


class Box:
    """What an agent keeps of one counter: state and identities outlive a restart, the decoder does not."""

    def __init__(self, name: str, **settings: Any) -> None:
        self._package = driver(name)
        told = {"id": "door", "driver": name, **PLACES[name], **settings}
        self._options = self._package.options.model_validate(told)
        self._state: dict[str, bytes] = {}
        self._identities: set[str] = set()
        self.kept: list[DoorCount] = []
        self.repeats = 0
        self.restart()

    def restart(self) -> None:
        self._decoder = self._package.decoder(self._options, Context(dict(self._state)))

    def hear(self, body: bytes, at: datetime) -> None:
        for item in [*self._decoder.feed(body, at), *self._decoder.end(at)]:
            assert isinstance(item, Reading), item
            if item.identity in self._identities:
                self.repeats += 1
                continue
            self._identities |= {item.identity} if item.identity else set()
            self._state |= {key: value for key, value in item.state.items() if value is not None}
            assert isinstance(item.data, DoorCount)
            self.kept.append(item.data)

    @property
    def totals(self) -> tuple[int, int]:
        return sum(count.in_ for count in self.kept), sum(count.out for count in self.kept)


class Counter:
    """Totals that are reset and run over."""

    def __init__(self, start: tuple[int, int]) -> None:
        self.now = start
        self.wraps = 0

    def count(self, slot: Slot) -> tuple[int, int]:
        risen = self.now[0] + slot.in_, self.now[1] + slot.out
        self.wraps += sum(total >= WIDTH for total in risen)
        self.now = risen[0] % WIDTH, risen[1] % WIDTH
        return self.now


def realtime(at: datetime, total: tuple[int, int]) -> bytes:
    """A realTime alert, made of an interval's."""
    document = alert(at, at, *total).replace(b"timeRange", b"realTime")
    return document.replace(b"TimeRange", b"RealTime").replace(b"startTime", b"time")


def planted(rng: Random, box: Box, say: Any) -> Iterator[Slot]:
    """Each slot, with silences, repeats and restarts around it; `say` a body that the counter would say now."""
    said: list[tuple[bytes, datetime]] = []
    silent = 0
    for slot in slots():
        yield slot
        silent = rng.randrange(2, 60) if rng.random() < 0.004 else max(0, silent - 1)
        if silent:
            continue
        said.append((say(slot.end), slot.end))
        box.hear(*said[-1])
        if rng.random() < 0.1:
            box.hear(rng.choice(said[-40:])[0], slot.end)
        if rng.random() < 0.02:
            box.restart()
    box.hear(say(slot.end + HALF_HOUR), slot.end + HALF_HOUR)


def test_hikvision_totals_lose_nobody() -> None:
    """realTime totals with wraps, resets, silences, late repeats and restarts add up to the real door's."""
    rng = Random(11)
    counter, box = Counter((WIDTH - 3000, WIDTH - 2500)), Box("hikvision-count", wraps_at=WIDTH)
    first = slots()[0].end - HALF_HOUR
    box.hear(realtime(first, counter.now), first)
    resets = 0
    for slot in planted(rng, box, lambda at: realtime(at, counter.now)):
        counter.count(slot)
        if counter.wraps == 2 and rng.random() < 0.006:
            box.hear(realtime(slot.end, counter.now), slot.end)  # nobody between the last look and the reset
            counter.now = (0, 0)
            box.hear(realtime(slot.end + timedelta(minutes=1), counter.now), slot.end)
            resets += 1

    assert box.totals == golden()
    assert counter.wraps == 2
    assert resets > 10
    assert sum(count.resumed for count in box.kept) >= resets - 2  # one at 0 shows nothing of its reset
    assert [count.gap for count in box.kept] == [True] + [False] * (len(box.kept) - 1)


def test_hikvision_intervals_that_never_came_are_gaps() -> None:
    """timeRange counts: repeats count once, what a silence swallowed is missing exactly, and each is marked."""
    rng = Random(12)
    box = Box("hikvision-count")
    missed = [0, 0]
    silences = silent = 0
    said: list[bytes] = []
    for slot in slots():
        before, silent = silent, rng.randrange(2, 60) if rng.random() < 0.004 else max(0, silent - 1)
        if silent:
            missed = [missed[0] + slot.in_, missed[1] + slot.out]
            continue
        silences += before == 1
        said.append(alert(slot.end - HALF_HOUR, slot.end, slot.in_, slot.out))
        box.hear(said[-1], slot.end)
        if rng.random() < 0.1:
            box.hear(rng.choice(said), slot.end)
        if rng.random() < 0.02:
            box.restart()

    assert box.repeats > 100
    assert sum(missed) > 0
    assert (box.totals[0] + missed[0], box.totals[1] + missed[1]) == golden()
    assert sum(count.gap for count in box.kept) == silences > 5


def test_dahua_totals_lose_nobody() -> None:
    """Total with wraps, resets, silences, repeats and restarts adds up to the real door's."""
    rng = Random(13)
    counter, box = Counter((WIDTH - 3000, WIDTH - 2500)), Box("dahua-count", wraps_at=WIDTH)
    first = slots()[0].end - HALF_HOUR
    box.hear(summary(first, counter.now, (0, 0)), first)
    resets = 0
    for slot in planted(rng, box, lambda at: summary(at, counter.now, (0, 0))):
        counter.count(slot)
        if counter.wraps == 2 and rng.random() < 0.006:
            box.hear(summary(slot.end, counter.now, (0, 0)), slot.end)
            counter.now = (0, 0)
            box.hear(summary(slot.end + timedelta(minutes=1), counter.now, (0, 0)), slot.end)
            resets += 1

    assert box.totals == golden()
    assert counter.wraps == 2
    assert resets > 10
    assert sum(count.resumed for count in box.kept) >= resets - 2


def test_dahua_days_that_ended_in_silence_are_gaps() -> None:
    """Today alone: it begins again each midnight; whoever came after the last answer of a day is missing, and said."""
    rng = Random(14)
    box = Box("dahua-count")
    today, told, missed = [0, 0], [0, 0], [0, 0]
    silent = spoiled = 0
    for slot in slots():
        begin = slot.end - HALF_HOUR
        if begin.hour == begin.minute == 0:
            missed = [missed[side] + today[side] - told[side] for side in (0, 1)]
            spoiled += told != today
            today, told = [0, 0], [0, 0]
        today = [today[0] + slot.in_, today[1] + slot.out]
        silent = rng.randrange(2, 60) if rng.random() < 0.006 else max(0, silent - 1)
        if not silent:
            told = list(today)
            at = slot.end - timedelta(seconds=5)
            answer = summary(at, (0, 0), (today[0], today[1])).splitlines(keepends=True)
            box.hear(b"".join(line for line in answer if b".Total=" not in line), at)
    first = slots()[0]

    assert spoiled > 3
    assert sum(missed) > 0
    assert tuple(map(sum, zip(box.totals, missed, (first.in_, first.out), strict=True))) == golden()
    assert sum(count.gap for count in box.kept) >= spoiled
