"""csv-drop: encodings, dates and numbers of every kind, and any input."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.csv_drop.options import Options
from devices.csv_drop.simulator import messages
from devices.csv_drop.values import number
from devices.registry import driver
from records.types import PosReturn, PosSale
from tests.devices.cases import decoder_of, drop_cases, fed, pieces_of, printed
from tests.devices.csv_drop.rows import AT, HEADER, SHANGHAI, local, read, reasons, tickets
from tests.samples import SHARED, needs_samples

# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_delimiter_and_line_ends_are_detected(encoding: str, delimiter: str, end: str) -> None:
    """The same ticket is read however it was saved."""
    text = StringIO()
    out = csv.writer(text, delimiter=delimiter, lineterminator=end)
    out.writerow(("小票号", "销售时间", "商品编码", "商品名称", "数量", "单价"))
    out.writerow(("001", "2026-11-21 09:00", "a", '纯牛奶|倐 12" 1,5;6', "2", "1.5"))
    out.writerow(("001", "2026-11-21 09:00", "b", "€ ¥ 牛", "1", "1"))
    (ticket,) = tickets(read(text.getvalue().encode(encoding)))
    assert [line.name for line in ticket.lines] == ['纯牛奶|倐 12" 1,5;6', "€ ¥ 牛"]
    assert ticket.total == Decimal("4.0")


def test_a_row_that_looks_like_another_encoding_does_not_decide() -> None:
    """The encoding is the one that fits the whole file, not its first row."""
    rows = "".join(f"{n},2026-11-21,a,{name},1,1\n" for n, name in enumerate(["通", "联通", "牛奶"]))
    assert [t.lines[0].name for t in tickets(read((HEADER + rows).encode("gb18030")))] == ["通", "联通", "牛奶"]


def test_set_encodings_delimiters_and_headers_are_used() -> None:
    """Settings win over detection."""
    file = "Beleg;Zeit;Menge;Preis;Name\n1;1.12.2026 08:05;1,5;2,00;Käse\n".encode("cp1252")
    (ticket,) = tickets(
        read(
            file,
            encoding="cp1252",
            delimiter=";",
            at_format="%d.%m.%Y %H:%M",
            columns={"transaction_id": "Beleg", "at": "zeit", "quantity": "Menge", "unit_price": "Preis"},
        )
    )
    assert (ticket.lines[0].name, ticket.total, ticket.business_day) == ("Käse", Decimal("3.000"), date(2026, 12, 1))


def test_a_spreadsheet_hint_for_the_delimiter_is_no_header() -> None:
    """A first line `sep=;` is obeyed."""
    (ticket,) = tickets(read("sep=;\ninvoice;date;qty\n1;2026-11-21;2\n"))
    assert ticket.lines[0].quantity == 2


@pytest.mark.parametrize(
    "told",
    [
        "2026-03-05 14:05:06", "2026-03-05T14:05:06", "2026-03-05T14:05:06.000", "2026/3/5 14:05:06",
        "2026.03.05 14:05:06", "2026年3月5日 14:05:06", "2026年03月05日 14时05分06秒", "20260305140506",
        "20260305 14:05:06", "2026-03-05T06:05:06Z", "2026-03-05T07:05:06+01:00", "2026/3/5 2:05:06 PM",
    ],
)  # fmt: skip
def test_common_times_are_read(told: str) -> None:
    """Without at_format, in the till's zone unless they carry an offset."""
    assert local(told) == datetime(2026, 3, 5, 14, 5, 6, tzinfo=SHANGHAI.timezone)


def test_slashed_dates_are_read_when_the_file_shows_their_order() -> None:
    """One date that can be read in one order only decides for all."""
    for other, month in (("1/25/2026 8:45", 3), ("25/1/2026 8:45", 5)):
        items = read(HEADER + f"1,3/5/2026 8:45,a,A,1,1\n2,{other},a,A,1,1\n")
        assert [t.business_day for t in tickets(items)] == [date(2026, month, 8 - month), date(2026, 1, 25)]


@pytest.mark.parametrize("dates", [("1/2/2026", "3/4/2026"), ("25/1/2026", "1/25/2026")])
def test_dates_of_unclear_order_are_refused(dates: tuple[str, str]) -> None:
    """What could be January or February is not guessed; with at_format it is read."""
    file = HEADER + "".join(f"1,{told} 8:45,a,A,1,1\n" for told in dates)
    (reason,) = reasons(read(file))
    assert "set at_format" in reason
    assert tickets(read(file, at_format="%m/%d/%Y %H:%M"))[0].business_day in (date(2026, 1, 2), date(2026, 1, 25))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", "12"), (" 12.50 ", "12.50"), ("-1", "-1"), ("+1", "1"), (".5", "0.5"), ("¥12.5", "12.5"), ("￥1", "1"),
        ("1,234.50", "1234.50"), ("1,234,567", "1234567"), ("12,5", "12.5"), ("1.234,56", "1234.56"), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_written(cell: str, value: str | None) -> None:
    """Thousands and decimal commas are told apart where they can be."""
    assert number(cell) == (None if value is None else Decimal(value))


@pytest.mark.parametrize("cell", ["1,234", "NaN", "Infinity", "1e5", "0x1", "1 2", "--1", "１２", "9" * 19, "1_000"])
def test_numbers_that_could_mean_two_things_are_refused(cell: str) -> None:
    """What is no plain number is not guessed."""
    with pytest.raises(ValueError, match=r"number|digits"):
        number(cell)


@pytest.mark.parametrize(
    "settings",
    [
        {"encoding": "utf-16"}, {"encoding": "klingon"}, {"delimiter": "ab"}, {"delimiter": '"'},
        {"at_format": "YYYY-MM-DD"}, {"columns": {"price": "x"}}, {"return_prefix": ""},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    """A wrong setting is found before any file is read."""
    with pytest.raises(ValidationError):
        Options.model_validate({"id": "a", "driver": "csv-drop", "path": "/drop", **settings})


# --- any input -----------------------------------------------------------------------------------------------------

pieces = st.lists(
    st.sampled_from(
        [b"1", b"C2", b",", b",", b'"', b"\n", b"\r\n", b"2026-11-21 09:00", b"1/2/2026", b"\xc5\xa3", "奶".encode()]
    )
    | st.binary(max_size=8),
    max_size=80,
).map(b"".join)
files = st.builds(
    lambda head, body: head + body, st.sampled_from([b"", HEADER.encode(), b"invoice;date;qty\n"]), pieces
)


@given(files, st.data())
def test_chunking_does_not_matter(file: bytes, data: st.DataObject) -> None:
    """However the file is sliced, the same comes out, and nothing raises."""
    parts = pieces_of(file, data.draw(st.lists(st.integers(0, len(file)), max_size=4)))
    decoder = decoder_of("csv-drop", SHANGHAI, return_prefix="C")
    assert fed(decoder, parts, AT) == read(file, return_prefix="C")


@given(st.binary(max_size=400))
def test_truncation_and_garbage_never_raise(noise: bytes) -> None:
    """A file cut anywhere, with noise behind the cut, gives records and rejects that can be printed."""
    file = drop_cases("csv_drop")[0].read_bytes()
    cut = len(noise) * 7 % len(file)
    printed(read(file[:cut] + noise, return_prefix="C"))


def test_a_megabyte_of_garbage_is_one_reject() -> None:
    """Noise is counted, bounded, and does not fill the quarantine."""
    assert len(read(Random(7).randbytes(1_000_000))) == 1


def test_the_simulator_speaks_what_the_driver_reads() -> None:
    """Simulated exports decode without a reject, are the same for a seed, and use no number twice."""
    start = datetime(2026, 11, 21, 9, tzinfo=SHANGHAI.timezone)
    sent = list(islice(messages(Random(5), start, timedelta(minutes=5)), 40))
    assert sent == list(islice(messages(Random(5), start, timedelta(minutes=5)), 40))
    items = [item for message in sent for item in read(message.body, return_prefix="C")]
    assert reasons(items) == []
    assert {message.body[:3] == b"\xef\xbb\xbf" for message in sent} == {True, False}
    assert len({t.source_id for t in tickets(items)}) == len(items) > 200
    assert {type(t) for t in tickets(items)} == {PosSale, PosReturn}
    assert all(start <= item.at < start + timedelta(minutes=200) for item in items)
    assert len({message.name for message in sent}) == 40


def test_a_dropped_file_is_read_through_the_folder(tmp_path: Path) -> None:
    """The device takes an export from its folder and deletes it once it is on disk."""
    package = driver("csv-drop")
    options = package.options.model_validate({"id": "a", "driver": "csv-drop", "path": tmp_path, "settle_s": 0})
    (tmp_path / "a.csv").write_text(HEADER + "1,2026-11-21 09:00,a,A,1,1\n")
    device = cast(Any, package.device(options, SHANGHAI))
    device.open()
    taken = device.read(0)
    assert [type(item.data) for item in taken.items] == [PosSale]
    taken.confirm()
    assert list(tmp_path.iterdir()) == []


# --- samples -------------------------------------------------------------------------------------------------------


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@needs_samples
@pytest.mark.parametrize("day", ["2010-12-01", "2011-01-05"])
def test_a_day_of_invoices_sums_as_its_rows(day: str) -> None:
    """Tickets, gross, returns and odd rows of a real day equal those of a plain loop over the rows."""
    path = cast(Path, SHARED) / f"samples/pos_csv/uci_online_retail_{day}.csv"
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for row in _rows(path):
        amounts[row["InvoiceNo"]] += Decimal(row["Quantity"]) * Decimal(row["UnitPrice"])
    items = read(path.read_bytes(), return_prefix="C")

    assert reasons(items) == []
    assert {t.transaction_id: t.total for t in tickets(items)} == amounts
    returns = {number for number in amounts if number.startswith("C")}
    assert {t.transaction_id for t in tickets(items) if isinstance(t, PosReturn)} == returns
    assert sum(len(t.lines) for t in tickets(items)) == len(_rows(path))
    flagged = [line for t in tickets(items) for line in t.lines if "zero-price" in line.flags]
    assert len(flagged) == sum(Decimal(row["UnitPrice"]) == 0 for row in _rows(path))


@needs_samples
def test_a_grocery_week_sums_as_its_rows() -> None:
    """Baskets, sales and zero quantities of a real week are those of its rows; fuel keeps its quantity."""
    path = cast(Path, SHARED) / "samples/pos_csv/completejourney_store_week.csv"
    rows = _rows(path)
    items = read(path.read_bytes())
    lines = [line for t in tickets(items) for line in t.lines]

    assert reasons(items) == []
    assert len(tickets(items)) == len({row["basket_id"] for row in rows})
    assert sum((t.total or 0 for t in tickets(items)), Decimal(0)) == sum(Decimal(row["sales_value"]) for row in rows)
    assert sum("zero-quantity" in line.flags for line in lines) == sum(row["quantity"] == "0" for row in rows) == 8
    assert sum(line.quantity or 0 for line in lines) == sum(Decimal(row["quantity"]) for row in rows)
    assert Decimal(1866) in {line.quantity for line in lines}
