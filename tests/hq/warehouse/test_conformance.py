"""What every warehouse promises, on the one in PostgreSQL and on its twin in memory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.ingest.work import Letter, Outcome, Sender, Work
from cloud_sync.spans import gaps, spans_of
from records import Lane, Record
from records.types import (
    DeviceHealth,
    DoorCount,
    PosReceipt,
    PosSale,
    SaleLine,
    Scan,
    TempAmbient,
    Weight,
    WifiPresence,
)
from tests.cloud_sync.ingest.box import NOW, ZSTD, Box, batches_of, sales
from tests.hq.warehouse.houses import Make, MemoryHouse, told, work


def weigh(*kilograms: str | int) -> list[Record]:
    return [Record("scale-1", NOW, Weight(kg=Decimal(kg))) for kg in kilograms]


def sale(source_id: str, total: str, **fields: object) -> Record:
    line = SaleLine(line=1, kind="sale", item_id="4006381333931", quantity=Decimal(1), extended_amount=Decimal(total))
    data = PosSale(source_id, "17", business_day=NOW.date(), lines=(line,), total=Decimal(total), **fields)  # type: ignore[arg-type]
    return Record("till-1", NOW, data)


def test_the_same_batch_ten_times_is_stored_once(make: Make, box: Box) -> None:
    """However often a batch comes, alone or beside others, its records stand once."""
    house = make(box)
    batch = box.batch(sales(1, 50))
    outcomes = [house.port.commit(work(box, batch)) for _ in range(10)]

    assert [outcome.stored for outcome in outcomes] == [50] + [0] * 9
    assert [outcome.repeated for outcome in outcomes] == [0] + [2] * 9
    assert len(house.records()) == 50


def test_every_type_of_record_finds_its_table(make: Make, box: Box) -> None:
    """A busy store's records of all lanes are stored under their types and numbers."""
    house = make(box)
    batches = batches_of(box, seed=5, count=12, size=100)
    outcome = house.port.commit(work(box, *batches))

    assert (outcome.stored, outcome.set_aside, outcome.unsettled) == (1200, 0, frozenset())
    kinds = {kind for kind, _ in house.records().values()}
    assert {"pos.sale", "scan", "door.count", "temp.ambient", "punch", "quarantine"} <= kinds


def test_a_repacking_stores_only_what_is_new(make: Make, box: Box) -> None:
    """A batch that overlaps stored ones on both sides brings the numbers between them and is counted as stored."""
    house = make(box)
    records = weigh(*range(1, 31))
    house.port.commit(work(box, box.batch(records[4:10], 5), box.batch(records[19:25], 20)))
    outcome = house.port.commit(work(box, box.batch(records, 1)))

    assert outcome.stored == 30 - 12
    assert len(house.records()) == 30
    assert house.port.commit(work(box, box.batch(records[8:22], 9))).stored == 0


def test_batches_that_overlap_within_one_work_are_stored_once(make: Make, box: Box) -> None:
    """Of two packings of the same numbers in one transaction each number is stored from one of them."""
    house = make(box)
    records = weigh(*range(1, 21))
    packings = [box.batch(records[:12], 1), box.batch(records[8:], 9), box.rows(records[5:15], 6)]
    outcome = house.port.commit(work(box, *packings))

    assert outcome.stored == 20
    assert len(house.records()) == 20


@given(packings=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 15), st.booleans()), max_size=8))
def test_any_packings_store_every_number_once(packings: list[tuple[int, int, bool]]) -> None:
    """Whatever ranges come in whatever order and kind, stored is their union."""
    house = MemoryHouse([_BOX])
    records = weigh(*range(60))
    for start, size, as_rows in packings:
        pack = _BOX.rows if as_rows else _BOX.batch
        house.port.commit(work(_BOX, pack(records[start : start + size], start + 1)))

    union = {number for start, size, _ in packings for number in range(start + 1, start + size + 1)}
    assert {int(name.rsplit("/", 1)[1]) for name in house.records()} == union


_BOX = Box()


def test_the_same_sale_by_another_box_is_kept_and_not_counted(make: Make) -> None:
    """A replacement that reads the full drop folder again adds no cent: its copies name the first record."""
    old, new = Box(), Box(name="box-2")
    house = make(old, new)
    records = [sale(f"01/{number}", f"{number}.10") for number in range(1, 41)]
    house.port.commit(work(old, old.batch(records)))
    outcome = house.port.commit(work(new, new.batch([*records, sale("01/41", "7.00")])))

    assert (outcome.stored, outcome.duplicates) == (41, 40)
    counted = {name for name, (_, first) in house.records().items() if first is None}
    assert len(counted) == 41
    assert {first for _, first in house.records().values() if first} == {
        f"{old.stream.hex()}/{old.epoch.epoch.hex()}/0/{number}" for number in range(1, 41)
    }
    assert house.alerts() == []


def test_a_repeat_within_one_work_is_told_too(make: Make, box: Box) -> None:
    """Two records of one event in the same transaction: the first counts, the second names it."""
    house = make(box)
    outcome = house.port.commit(work(box, box.batch([sale("01/1", "5.00"), sale("01/1", "5.0"), sale("01/1", "5")])))

    assert (outcome.stored, outcome.duplicates) == (3, 2)
    first = f"{box.stream.hex()}/{box.epoch.epoch.hex()}/0/1"
    assert [duplicate for _, duplicate in sorted(house.records().values(), key=str)] == [first, first, None]


def test_a_reused_number_is_counted_and_alerted(make: Make, box: Box) -> None:
    """The same source id with another content is another sale, with one alert; its own repeat is a repeat."""
    house = make(box)
    house.port.commit(work(box, box.batch([sale("01/1", "5.00")])))
    house.port.commit(work(box, box.batch([sale("01/1", "6.00")])))
    outcome = house.port.commit(work(box, box.batch([sale("01/1", "6.00"), sale("01/1", "5.00")])))

    assert (outcome.stored, outcome.duplicates) == (2, 2)
    assert sum(first is None for _, first in house.records().values()) == 2
    assert house.alerts() == [f"pos.sale/{NOW.date()}/01/1"]


def printed(source_id: str, total: str, text: str, copies: int, at: datetime) -> Record:
    fields: dict[str, object] = {"transaction_id": source_id.split("/")[-1], "total": Decimal(total)}
    return Record("printer-1", at, PosReceipt(source_id, text, copies, 0, fields))


def test_a_receipt_printed_again_is_a_repeat(make: Make, box: Box) -> None:
    """A later copy, marked as one and past midnight, is kept, not counted and no reused number."""
    house = make(box)
    first = printed("03/2026-11-21/7", "5.00", "TOTAL 5.00", 0, datetime(2026, 11, 21, 23, 59, tzinfo=UTC))
    again = printed("03/2026-11-21/7", "5.00", "COPY 1\nTOTAL 5.00", 1, datetime(2026, 11, 22, 0, 1, tzinfo=UTC))
    assert house.port.commit(work(box, box.batch([first]))).duplicates == 0
    outcome = house.port.commit(work(box, box.batch([again])))

    assert (outcome.stored, outcome.duplicates) == (1, 1)
    assert house.alerts() == []


def test_a_receipt_of_another_total_is_no_copy(make: Make, box: Box) -> None:
    """The number of a receipt on one with another total is a reused number: counted, with an alert."""
    house = make(box)
    house.port.commit(work(box, box.batch([printed("03/2026-11-21/7", "5.00", "TOTAL 5.00", 0, NOW)])))
    outcome = house.port.commit(work(box, box.batch([printed("03/2026-11-21/7", "6.00", "TOTAL 6.00", 0, NOW)])))

    assert (outcome.stored, outcome.duplicates) == (1, 0)
    assert house.alerts() == ["pos.receipt/2026-11-21/03/2026-11-21/7"]


def test_receipts_without_a_number_are_told_apart_by_their_text(make: Make, box: Box) -> None:
    """What no template read is the same only when its whole text is; a day that is none harms nothing."""
    house = make(box)
    records = [Record("printer-1", NOW, PosReceipt("-/2026-99-99/1", said)) for said in ["a", "a", "b"]]

    assert house.port.commit(work(box, box.batch(records))).duplicates == 1


def test_the_same_source_id_in_two_stores_is_two_sales(make: Make) -> None:
    """Claims are a store's own."""
    one, two = Box(), Box(store="0301")
    house = make(one, two)
    house.port.commit(work(one, one.batch([sale("01/1", "5.00")])))

    assert house.port.commit(work(two, two.batch([sale("01/1", "5.00")]))).duplicates == 0


@pytest.mark.parametrize("year", [1, 1970, 2019, 2027, 2500, 9999])
def test_a_time_far_away_aborts_nothing(make: Make, box: Box, year: int) -> None:
    """A record of any year is stored beside its neighbours."""
    house = make(box)
    far = Record("scale-1", datetime(year, 6, 1, tzinfo=UTC), Weight(kg=Decimal(1)))
    outcome = house.port.commit(work(box, box.batch([far, *weigh(2)])))

    assert (outcome.stored, outcome.set_aside) == (2, 0)


ODD = [
    Scan(code="with \0 NUL", elements={"a\0": "b\0"}),
    Scan(code="tab\t newline\n return\r backslash\\ \\N \\. quote\"'"),
    DeviceHealth(state="up", reason="\U0001f6d2 \ufffe \x01"),
    PosReceipt(source_id='\x01\t{"quoted\\\\"}\n', text="\x02"),
    PosReceipt(source_id="x" * 20_000, text="long id"),
    PosReceipt(source_id="nul\0", text="a\0b", fields={"deep": [[{"a\0": None}]], "n": 10**15}),
    Weight(kg=Decimal("NaN")),
    Weight(kg=Decimal("-Infinity")),
    Weight(kg=Decimal("1e-16000")),
    DoorCount(in_=2**63 - 1, out=-(2**63)),
    TempAmbient(celsius=float("-inf"), humidity_pct=float("nan")),
]


@pytest.mark.parametrize("data", ODD, ids=str)
def test_odd_values_are_stored(make: Make, box: Box, data: msgspec.Struct) -> None:
    """Text with NUL and control characters, extreme and odd numbers stand in their tables."""
    house = make(box)
    odd = Record("d\0", NOW, data)
    outcome = house.port.commit(work(box, box.batch([odd, odd])))

    assert (outcome.stored, outcome.set_aside) == (2, 0)
    assert len(house.records()) == 2


UNFIT = [
    Weight(kg=Decimal("sNaN")),
    Weight(kg=Decimal("1e200000")),
    Weight(kg=Decimal("1e-17000")),
    DoorCount(in_=2**63, out=0),
    WifiPresence(count=2**64 - 1, interval_s=1),
]


@pytest.mark.parametrize("data", UNFIT, ids=str)
def test_what_no_column_holds_is_set_aside_alone(make: Make, box: Box, data: msgspec.Struct) -> None:
    """A number beyond its column is set aside under its own number; its neighbours and the batch are stored."""
    house = make(box)
    bad = Record("odd-1", NOW, data)
    lane = Lane.NORMAL
    outcome = house.port.commit(work(box, box.batch([*weigh(1, 2), bad, *weigh(3)], lane=lane)))

    assert (outcome.stored, outcome.set_aside, outcome.unsettled) == (4, 1, frozenset())
    assert house.aside() == {f"{box.stream.hex()}/{box.epoch.epoch.hex()}/1/3"}
    assert len(house.records()) == 3


def test_a_record_that_does_not_decode_is_set_aside_alone(make: Make, box: Box) -> None:
    """An authentic record of a wrong shape is kept as it came, under its number."""
    house = make(box)
    pairs = [(17, b"\x93\x01"), (17, msgspec.msgpack.encode([1, "scale-1", 0, 0, 0, {"kg": "2"}]))]
    outcome = house.port.commit(work(box, box.epoch.seal_batch(Lane.NORMAL, 1, pairs, ZSTD, os.urandom)))

    assert (outcome.stored, outcome.set_aside) == (2, 1)
    assert house.aside() == {f"{box.stream.hex()}/{box.epoch.epoch.hex()}/1/1"}


def test_boxes_and_epochs_are_found_again(make: Make, box: Box) -> None:
    """A look-up answers each question: the key of a box, the header of an epoch, None for what is unknown."""
    house = make(box)
    house.port.commit(work(box))
    asked = (box.store, box.name), ("0999", "box-1")
    known = house.port.look_up(set(asked), {box.epoch.epoch, bytes(16)})

    assert known.boxes == {asked[0]: box.public_key, asked[1]: None}
    assert known.epochs == {box.epoch.epoch: box.header.raw, bytes(16): None}


def test_an_epoch_of_another_stream_is_not_settled(make: Make, box: Box) -> None:
    """A header whose epoch stands with another stream is not stored and gets no answer, the rest is."""
    house = make(box)
    house.port.commit(work(box))
    other = Box(key=box.key)
    identity = other.header.identity._replace(epoch=box.epoch.epoch)
    other.header = other.header._replace(identity=identity)
    (header,) = work(other).parts
    outcome = house.port.commit(Work(NOW, (header, *work(box, box.batch(weigh(1)), header=False).parts)))

    assert outcome == Outcome(stored=1, unsettled=frozenset({header.digest}))  # type: ignore[union-attr]


def test_a_dead_letter_is_kept_once(make: Make, box: Box) -> None:
    """The same message again makes no second dead letter."""
    house = make(box)
    letter = Letter(
        Sender(box.store, box.name, box.fingerprint), bytes(32), "se/x", "bad\0", b"\0\1", refused=True, sealed=True
    )
    for _ in range(3):
        house.port.commit(Work(NOW, (letter,)))

    assert house.letters() == [b"\0\1"]


def test_only_newer_heartbeats_count(make: Make, box: Box) -> None:
    """By session and number the newest stays; a will ends its own session and no later one."""
    house = make(box)
    steps = [
        (box.will(1), None),
        (box.heartbeat(2, 5, full=True), (2, 5, True)),
        (box.heartbeat(2, 4), (2, 5, True)),
        (box.heartbeat(1, 9), (2, 5, True)),
        (box.will(1), (2, 5, True)),
        (box.will(2), (2, 5, False)),
        (box.heartbeat(2, 5), (2, 5, False)),
        (box.heartbeat(3, 1, version="with \0"), (3, 1, True)),
        (box.will(4), (3, 1, False)),
        (box.heartbeat(4, 1), (4, 1, True)),
    ]
    for payload, expected in steps:
        house.port.commit(told(box, payload))
        assert house.heard(box) == expected


@pytest.mark.parametrize("file", ["fresh", "old image"])
def test_a_box_that_begins_anew_below_its_last_session_is_heard(make: Make, box: Box, file: str) -> None:
    """A fresh buffer file, or an old one put back, under a clock that is behind: its heartbeats and wills count."""
    house, at = make(box), int(NOW.timestamp() * 1_000_000)
    stream, new = bytes(16) if file == "fresh" else box.stream, b"\1" * 16
    steps = [
        (box.heartbeat(70, 5, at_us=at), (70, 5, True)),
        (box.heartbeat(1, 1, stream=stream, epoch=new, at_us=at - 3_600_000_000), (1, 1, True)),
        (box.heartbeat(70, 5, at_us=at), (1, 1, True)),
        (box.will(70), (1, 1, False)),
        (box.heartbeat(1, 2, stream=stream, epoch=new, at_us=at - 3_540_000_000), (1, 2, True)),
        (box.will(1), (1, 2, False)),
    ]
    for payload, expected in steps:
        house.port.commit(told(box, payload))
        assert house.heard(box) == expected


def test_the_partition_key_stays_between_opening_and_receipt(make: Make, box: Box) -> None:
    """The effective time is never before the store's first day nor a day after it came."""
    house = make(box)
    house.port.commit(
        work(box, box.batch([Record("s", datetime(y, 6, 1, tzinfo=UTC), Weight(kg=Decimal(1))) for y in (1999, 2099)]))
    )

    assert house.effective() == [datetime(2020, 1, 1, tzinfo=UTC), NOW + timedelta(days=1)]


@given(st.sets(st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 40)).map(sorted).map(tuple))
def test_gaps_are_what_is_not_taken(taken: set[int], span: tuple[int, int]) -> None:
    """The gaps of a span are the numbers in it that nobody took."""
    free = [number for first, last in gaps(span, spans_of(sorted(taken))) for number in range(first, last + 1)]
    assert free == [number for number in range(span[0], span[1] + 1) if number not in taken]
