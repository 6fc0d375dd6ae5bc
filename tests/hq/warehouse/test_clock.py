"""Times of a box whose clock was wrong: repaired beside what it told, on both warehouses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from records import ClockQuality, Record
from records.types import ClockStep, Weight
from tests.cloud_sync.ingest.box import NOW, Box
from tests.hq.warehouse.houses import Make, work

UNKNOWN, SYNCED = ClockQuality.UNKNOWN, ClockQuality.SYNCED
EPOCH_1970 = datetime(1970, 1, 1, tzinfo=UTC)
BOOT = bytes(16).hex()


def weight(at: datetime, mono_s: int, clock: ClockQuality = UNKNOWN) -> Record:
    return Record("scale-1", at, Weight(kg=Decimal(1)), mono_s * 1_000, clock)


def step(before: datetime, after: datetime, mono_s: int, clock: ClockQuality = SYNCED, boot: str = BOOT) -> Record:
    return Record("agent", after, ClockStep(before, after, boot), mono_s * 1_000, clock)


def test_a_clock_that_began_in_1970_is_repaired_beside_what_it_told(make: Make) -> None:
    """Records before the step get the time that the step tells, those after it and vouched ones keep theirs."""
    box = Box()
    house = make(box)
    early = [weight(EPOCH_1970 + timedelta(seconds=10 * n), 10 * n) for n in (1, 2)]
    late = [weight(NOW, 60, SYNCED), weight(EPOCH_1970, 5, SYNCED)]
    house.port.commit(work(box, box.batch([*early, *late])))
    assert house.corrected() == [None] * 4
    house.port.commit(work(box, box.batch([step(EPOCH_1970 + timedelta(seconds=50), NOW, 50)])))

    assert house.corrected() == [NOW - timedelta(seconds=40), NOW - timedelta(seconds=30), None, None]
    assert house.effective()[:2] == [datetime(2020, 1, 1, tzinfo=UTC)] * 2, "where a record lies does not move"


def test_steps_add_up_to_the_last_one_that_was_vouched_for(make: Make) -> None:
    """A guess by hand and then a time source: both count; a guess after which nobody vouched does not."""
    box = Box()
    house = make(box)
    told = NOW - timedelta(days=400)
    guessed = step(told, NOW - timedelta(hours=1), 20, UNKNOWN)
    house.port.commit(work(box, box.batch([weight(told, 20 - 1), weight(NOW, 25)]), box.batch([guessed])))
    assert house.corrected() == [None, None]
    after = NOW - timedelta(hours=1) + timedelta(seconds=10)
    house.port.commit(work(box, box.batch([step(after, after + timedelta(hours=1), 30)])))

    assert house.corrected() == [told + timedelta(days=400), NOW + timedelta(hours=1)]


def test_another_boot_and_nonsense_repair_nothing(make: Make) -> None:
    """Only steps of the record's own boot count; what cannot be a time, or a boot, harms nothing."""
    box = Box()
    house = make(box)
    year_1, year_9999 = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    steps = [step(year_1, NOW, 50, boot=boot) for boot in ("ab" * 16, "no boot", "")]
    house.port.commit(work(box, box.batch([weight(NOW, 10)]), box.batch(steps)))
    assert house.corrected() == [None]
    house.port.commit(work(box, box.batch([step(year_1, year_9999, 60) for _ in range(40)])))
    assert house.corrected() == [None]
