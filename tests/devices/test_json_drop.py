"""json-drop: exports as JSON become records as they are read, and a broken object costs itself alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.json_drop.simulator import messages
from devices.registry import driver
from records.types import PosReturn, PosSale, Transaction
from tests.devices.cases import decoder_of, fed, pieces_of

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
SHANGHAI = Context(timezone=ZoneInfo("Asia/Shanghai"), currency="CNY")


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("json-drop", SHANGHAI, **settings), [data], AT)


def sales(items: list[Item]) -> list[Transaction]:
    return [cast(Transaction, item.data) for item in items if isinstance(item, Reading)]


def test_the_simulator_is_read_to_the_cent() -> None:
    """Arrays and lines, sales and returns: totals are those of their lines."""
    said = list(islice(messages(Random(5), AT, timedelta(minutes=30)), 30))
    found = [sale for message in said for sale in sales(read(message.body))]
    assert len(found) > 150
    assert {type(sale) for sale in found} == {PosSale, PosReturn}
    assert {message.body[:1] for message in said} == {b"[", b"{"}
    for sale in found:
        assert sale.total == sum(line.extended_amount or 0 for line in sale.lines)
        assert sale.total == sum(tender.amount or 0 for tender in sale.tenders)
        assert (sale.total > 0) == isinstance(sale, PosSale)


def test_an_array_is_read_as_it_comes() -> None:
    """The first record is there before the file ends, however long it is."""
    decoder = decoder_of("json-drop", SHANGHAI)
    first = decoder.feed(b'[{"id": 1, "at": "2026-11-21 09:00"},', AT)
    assert len(first) == 1
    chunk = b'{"id": 1, "at": "2026-11-21 09:00"},' * 1000
    assert sum(len(decoder.feed(chunk, AT)) for _ in range(20)) == 20_000


@pytest.mark.parametrize(
    ("data", "reasons"), [(b"", ["it is empty"]), (b" \n", ["it is empty"]), (b"[]", []), (b"x", ["no JSON"])]
)
def test_an_empty_file_is_a_fault_and_an_empty_array_is_none(data: bytes, reasons: list[str]) -> None:
    """A day without sales is an array without entries."""
    got = read(data)
    assert len(got) == len(reasons)
    for item, reason in zip(got, reasons, strict=True):
        assert isinstance(item, Rejected)
        assert reason in item.reason


TEXT = b'[{"id": "1", "at": "2026-11-21 09:00", "lines": [{"sku": "a", "qty": 1, "price": 2}]},\n{"x": "\xe7\x89\x9b"}]'


@given(
    noise=st.binary(max_size=30),
    place=st.integers(0, len(TEXT)),
    end=st.integers(0, len(TEXT)),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_chunking_noise_and_truncation(noise: bytes, place: int, end: int, cuts: list[int]) -> None:
    """Noise within and an early end: nothing raises, and the same comes out however the file is cut."""
    data = (TEXT[:place] + noise + TEXT[place:])[: end + len(noise)]
    pieces = pieces_of(data, cuts)
    assert fed(decoder_of("json-drop", SHANGHAI), pieces, AT) == read(data)


def test_a_megabyte_of_noise_is_set_aside_bounded() -> None:
    """Few rejects, none larger than is kept."""
    items = read(Random(4).randbytes(1 << 20))
    assert 0 < len(items) <= 101
    assert all(isinstance(item, Rejected) and len(item.raw) <= 4096 for item in items)


def test_a_file_goes_through_the_folder(tmp_path: Path) -> None:
    """Taken when it is complete, deleted after the commit, set aside with its reason when nothing could be read."""
    options = driver("json-drop").options.model_validate(
        {"id": "j", "driver": "json-drop", "path": tmp_path, "settle_s": 0}
    )
    device = driver("json-drop").device(options, SHANGHAI)
    assert isinstance(device, Driver)
    good = [{"id": n, "at": "2026-11-21 09:00", "total": "0.10"} for n in range(1200)]
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "bad.json").write_text('{"id": 1}')
    device.open()
    kept: list[Item] = []
    deadline = monotonic() + 60
    while list(tmp_path.glob("*.json")):
        assert monotonic() < deadline
        taken = device.read(0.1)
        kept += taken.items
        if taken.confirm:
            taken.confirm()
    device.close()
    assert sum(sale.total or 0 for sale in sales(kept)) == Decimal("120.00")
    assert (tmp_path / "failed/bad.json.reason").read_text() == "at is blank, and no record is without a time\n"
