"""pos-sql: a till's tables are read and never written, and every ticket comes once, whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, cast
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.goods import tickets
from devices.pos_sql.database import Database
from devices.pos_sql.options import Options
from devices.pos_sql.plan import needs
from devices.pos_sql.simulator import TABLES, messages, statements
from devices.registry import driver
from records.types import PosReturn, PosSale, Transaction
from tests.devices.cases import decoded, decoder_of, drop_cases, fed
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
OLD = datetime(2026, 1, 5, 8, tzinfo=ZONE)


class Till:
    """A till that keeps its sales in a real SQLite file, in the tables of SISS."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "till.db"
        self.url = folder / "till.url"
        self.url.write_text(f"sqlite:///{self.file}\n")
        self.db = sqlite3.connect(self.file, isolation_level=None)
        self.db.executescript(TABLES)

    def sell(self, count: int, seed: int = 1, run: str = "R") -> Decimal:
        """Whole tickets, payments and all; what they come to."""
        sold = []
        for part in _parts(seed):
            sold += part
            if len(sold) >= count:
                break
        sold = sold[:count]
        self.db.executescript("BEGIN;" + "".join(statements(sold, run)) + "COMMIT;")
        return sum((-ticket.total if ticket.returned else ticket.total for ticket in sold), Decimal(0))

    def line(self, number: str, com_no: int | None = None, **told: Any) -> None:
        row = {
            "com_no": com_no,
            "flow_no": number,
            "item_no": "1",
            "sale_price": "5",
            "sale_qnty": "2",
            "sale_money": "10",
        }
        row |= {"sell_way": "A", "posid": "1001", "oper_date": "2026-11-21 09:00:00", **told}
        self._insert("t_rm_saleflow", row)

    def pay(self, number: str, amount: str, **told: Any) -> None:
        row = {"flow_no": number, "pay_way": "RMB", "pay_amount": amount, "sell_way": "A", "posid": "1001", **told}
        self._insert("t_rm_payflow", row)

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(row))
        self.db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608


def _parts(seed: int) -> Iterator[list[Any]]:
    rng, number = Random(seed), 1
    while True:
        part = list(tickets(rng, OLD + timedelta(seconds=number), timedelta(seconds=10), number))
        number += len(part)
        yield part


class Reader:
    """The driver as the agent uses it: what it gives is kept with its state, and a restart has that state."""

    def __init__(self, url: Path, **settings: Any) -> None:
        package = driver("pos-sql")
        told = {"id": "t", "driver": "pos-sql", "url_file": url, "poll_s": 0.1, "settle_s": 0.3, **settings}
        self.options = package.options.model_validate(told)
        self.state: dict[str, bytes] = {}
        self.kept: list[Item] = []
        self.device = self._made()

    def _made(self) -> Driver:
        context = Context(dict(self.state), ZONE, currency="CNY")
        return cast(Driver, driver("pos-sql").device(self.options, context))

    def restart(self) -> None:
        self.device.close()
        self.device = self._made()
        self.device.open()

    def commit(self, items: Sequence[Item]) -> None:
        for item in items:
            for name, value in item.state.items():
                if value is None:
                    self.state.pop(name, None)
                else:
                    self.state[name] = value
        self.kept += items

    def until(self, count: int) -> list[Item]:
        """Reads on until so many are kept."""
        deadline = monotonic() + 20
        while len(self.kept) < count:
            assert monotonic() < deadline, f"{len(self.kept)} of {count}"
            self.commit(self.device.read(0.1).items)
        return self.kept

    def quiet(self, rounds: int = 5) -> list[Item]:
        """A few rounds of looks at a till where nothing happens."""
        for _ in range(rounds * 2):
            self.commit(self.device.read(0.2).items)
        return self.kept

    @property
    def sales(self) -> list[Transaction]:
        return [cast(Transaction, item.data) for item in self.kept if isinstance(item, Reading)]

    @property
    def reasons(self) -> list[str]:
        return [item.reason for item in self.kept if isinstance(item, Rejected)]


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


@contextmanager
def reading(till: Till | Path, **settings: Any) -> Iterator[Reader]:
    reader = Reader(till if isinstance(till, Path) else till.url, **settings)
    reader.device.open()
    try:
        yield reader
    finally:
        reader.device.close()


@pytest.mark.parametrize("capture", drop_cases("pos_sql"), ids=lambda path: path.stem)
def test_recorded_rows_decode_as_recorded(capture: Path) -> None:
    """Rows that were exported give their tickets and what is set aside."""
    got, expected = decoded("pos-sql", capture)
    assert got == expected


# --- what a ticket is ----------------------------------------------------------------------------------------------


def test_tickets_are_whole_trimmed_and_right_to_the_cent(till: Till) -> None:
    """Lines and payments by number; blanks that pad columns fall away; the sums are the till's."""
    owed = till.sell(300)
    with reading(till) as reader:
        reader.until(300)
    assert sum(sale.total or 0 for sale in reader.sales) == owed
    assert {type(sale) for sale in reader.sales} == {PosSale, PosReturn}
    for sale in reader.sales:
        assert sum(tender.amount or 0 for tender in sale.tenders) == sale.total
        assert sale.source_id == f"{sale.workstation}/{sale.business_day}/{sale.transaction_id}"
        assert sale.transaction_id == sale.transaction_id.strip()
        assert all(line.item_id == (line.item_id or "").strip() for line in sale.lines)
    assert len({sale.source_id for sale in reader.sales}) == 300


def test_two_tills_with_one_number_are_two_tickets(till: Till) -> None:
    """Numbers are a till's own; payments go by the till too."""
    for posid, money in (("1001", "10"), ("1002", "20")):
        till.line("7", posid=posid, sale_money=money)
        till.pay("7", money, posid=posid)
    with reading(till) as reader:
        reader.until(2)
    assert [(sale.source_id, sale.total, len(sale.tenders)) for sale in reader.sales] == [
        ("1001/2026-11-21/7", Decimal(10), 1),
        ("1002/2026-11-21/7", Decimal(20), 1),
    ]


def test_a_number_that_is_used_again_is_another_ticket(till: Till) -> None:
    """Where rows of one number lie further apart than the overlap."""
    for com_no, day in ((1, "2026-11-20"), (500, "2026-11-21")):
        till.line("7", com_no, oper_date=f"{day} 09:00:00")
    with reading(till, overlap_rows=100) as reader:
        reader.until(2)
    assert [(sale.source_id, len(sale.lines)) for sale in reader.sales] == [
        ("1001/2026-11-20/7", 1),
        ("1001/2026-11-21/7", 1),
    ]


# --- when it is whole ----------------------------------------------------------------------------------------------


def test_a_ticket_whose_payments_do_not_add_up_waits(till: Till) -> None:
    """Half a ticket is not taken; once its payments make its total it is, at once and whole."""
    till.line("1")
    with reading(till, settle_s=3600) as reader:
        assert reader.quiet() == []
        till.line("1")
        till.pay("1", "20")
        reader.until(1)
    assert [len(sale.lines) for sale in reader.sales] == [2]


def test_a_ticket_without_payments_is_taken_once_it_settled(till: Till) -> None:
    """And one that is still written begins to settle anew with each row."""
    till.line("1")
    with reading(till, settle_s=0.5) as reader:
        reader.commit(reader.device.read(1).items)
        till.line("1")
        reader.until(1)
        reader.quiet()
    assert [len(sale.lines) for sale in reader.sales] == [2]


def test_a_ticket_that_the_till_takes_back_is_none(till: Till) -> None:
    """Rows that vanish before the ticket was whole are forgotten."""
    till.line("1")
    with reading(till, settle_s=0.4) as reader:
        reader.commit(reader.device.read(1).items)
        till.db.execute("DELETE FROM t_rm_saleflow")
        assert reader.quiet(8) == []


def test_a_late_row_is_set_aside_and_told_once(till: Till) -> None:
    """What comes, or changes, after its ticket was taken: over restarts too, the sale itself is told once."""
    till.line("1")
    till.pay("1", "10")
    with reading(till) as reader:
        reader.until(1)
        till.line("1", item_no="LATE")
        reader.until(2)
        till.db.execute("UPDATE t_rm_saleflow SET sale_money = '11' WHERE item_no = '1'")
        reader.until(3)
        reader.restart()
        reader.quiet()
    assert len(reader.sales) == 1
    assert len(reader.reasons) == 2
    assert all("after its ticket was taken" in reason for reason in reader.reasons)
    assert b'"LATE"' in cast(Rejected, reader.kept[1]).raw


def test_rows_that_are_committed_late_are_found(till: Till) -> None:
    """A slow transaction's lower numbers turn up behind those that were read."""
    for number in (5, 6, 9):
        till.line(str(number), number)
        till.pay(str(number), "10")
    with reading(till) as reader:
        reader.until(3)
        till.line("7", 7)
        till.pay("7", "10")
        reader.until(4)
        reader.restart()
        till.line("8", 8)
        till.pay("8", "10")
        reader.until(5)
        reader.quiet()
    assert [sale.transaction_id for sale in reader.sales] == ["5", "6", "9", "7", "8"]


# --- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["identity", "time"])
def test_kills_between_commit_and_confirm_lose_and_double_nothing(till: Till, by: str) -> None:
    """Killed after every few reads, now before and now after the commit: every ticket once, to the cent."""
    owed = till.sell(600)
    rng = Random(by)
    with reading(till, chunk_rows=57, overlap_rows=40, overlap_s=20, **position(by)) as reader:
        deadline, kills = monotonic() + 60, 0
        while len(reader.sales) < 600:
            assert monotonic() < deadline
            items = reader.device.read(0.2).items
            committed = rng.random() < 0.7
            if committed:
                reader.commit(items)
            if not committed or rng.random() < 0.3:
                reader.restart()
                kills += 1
        reader.restart()
        reader.quiet()
    assert kills > 10
    assert len({sale.source_id for sale in reader.sales}) == len(reader.sales) == 600
    assert sum(sale.total or 0 for sale in reader.sales) == owed
    assert reader.reasons == []


def position(by: str) -> dict[str, Any]:
    if by == "identity":
        return {}
    lines = {"table": "t_rm_saleflow", "ticket": ["flow_no", "posid?"], "position": "oper_date", "by": "time"}
    return {"tables": {"lines": lines, "payments": {"table": "t_rm_payflow", "ticket": ["flow_no", "posid"]}}}


def test_the_state_stays_small(till: Till) -> None:
    """Tickets that lie behind the overlap are forgotten."""
    till.sell(400)
    with reading(till, overlap_rows=50) as reader:
        reader.until(400)
        till.line("last")
        till.pay("last", "10")
        reader.until(401)
    assert len(reader.state) < 60


def test_a_clock_that_is_a_day_ahead_hides_nothing(till: Till) -> None:
    """By time: what is sold after the till's clock was put right is read, though it lies before what was read."""
    now = datetime.now(ZONE).replace(microsecond=0, tzinfo=None)
    for number, when in (("1", now - timedelta(minutes=2)), ("2", now + timedelta(days=1))):
        till.line(number, oper_date=str(when))
        till.pay(number, "10")
    with reading(till, **position("time")) as reader:
        reader.until(2)
        till.line("3", oper_date=str(now - timedelta(minutes=1)))
        till.pay("3", "10")
        reader.until(3)
        reader.restart()
        till.line("4", oper_date=str(now))
        till.pay("4", "10")
        reader.until(4)
        reader.quiet()
    assert [sale.transaction_id for sale in reader.sales] == ["1", "2", "3", "4"]


def test_many_rows_of_one_second_are_one_chunk(till: Till) -> None:
    """By time: no row is skipped where a chunk ends in the middle of a second."""
    for number in range(40):
        till.line(str(number))
        till.pay(str(number), "10")
    with reading(till, chunk_rows=7, **position("time")) as reader:
        reader.until(40)
    assert len({sale.source_id for sale in reader.sales}) == 40


# --- surprises -----------------------------------------------------------------------------------------------------


def test_what_is_no_number_costs_its_row_alone(till: Till) -> None:
    """A text in a number's place, in a column that SQLite lets hold anything."""
    till.line("1", sale_qnty="abc")
    till.line("1")
    till.line("2", oper_date="soon")
    with reading(till, settle_s=0) as reader:
        reader.until(3)
    assert reader.reasons == [
        "lines.0.sale_qnty is not a number, or one that could mean two",
        "oper_date is not a time that is known; set format",
    ]
    assert [(sale.total, len(sale.lines)) for sale in reader.sales] == [(Decimal(10), 1)]


def test_text_in_gb18030_is_read_and_worse_is_set_aside(till: Till) -> None:
    """A till that keeps GBK in its text columns; bytes that are no text cost their row."""
    till.line("1", item_name=None)
    till.db.execute("UPDATE t_rm_saleflow SET item_name = CAST(? AS TEXT)", ("纯牛奶".encode("gb18030"),))
    till.line("1")
    till.db.execute("UPDATE t_rm_saleflow SET item_name = CAST(x'ff80ff' AS TEXT) WHERE com_no = 2")
    with reading(till, settle_s=0) as reader:
        reader.until(2)
    assert [line.name for line in reader.sales[0].lines] == ["纯牛奶"]
    assert reader.reasons == ["lines.1.item_name holds bytes outside the encoding"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE t_rm_saleflow DROP COLUMN sale_money", "t_rm_saleflow has no column sale_money"),
        ("ALTER TABLE t_rm_payflow DROP COLUMN pay_amount", "t_rm_payflow has no column pay_amount"),
        ("ALTER TABLE t_rm_payflow RENAME TO p", "no table t_rm_payflow"),
    ],
)
def test_a_missing_column_is_named(till: Till, change: str, says: str) -> None:
    """The device is down, and says what is missing."""
    till.db.execute(change)
    with pytest.raises(DeviceOffline, match=says):
        Reader(till.url).device.open()


def test_columns_that_editions_lack_or_add_do_not_matter(till: Till) -> None:
    """Optional ones may be missing, unknown ones are not read, and case is nothing."""
    for column in ("item_name", "unit_no", "oper_id", "card_no"):
        till.db.execute(f"ALTER TABLE t_rm_saleflow DROP COLUMN {column}")
    till.db.execute("ALTER TABLE t_rm_payflow DROP COLUMN posid")
    till.db.execute("ALTER TABLE t_rm_saleflow RENAME COLUMN sale_money TO Sale_Money")
    till.db.execute("ALTER TABLE t_rm_saleflow ADD COLUMN photo BLOB DEFAULT x'00ff'")
    till.db.execute("INSERT INTO t_rm_payflow (flow_no, pay_way, pay_amount, sell_way) VALUES ('1', 'RMB', 10, 'A')")
    row = {"flow_no": "1", "item_no": "1", "sale_price": 5, "sale_qnty": 2, "Sale_Money": 10.0, "sell_way": "A"}
    till._insert("t_rm_saleflow", {**row, "oper_date": "2026-11-21 09:00:00", "posid": "1001"})
    with reading(till, settle_s=3600) as reader:
        reader.until(1)
    assert (reader.sales[0].total, reader.sales[0].tenders[0].amount) == (Decimal(10), Decimal(10))


def test_a_column_that_changes_its_kind_is_told(till: Till) -> None:
    """A position that is no number cannot be followed; the column's name is in the message."""
    till.line("1")
    lines = {"table": "t_rm_saleflow", "ticket": ["flow_no"], "position": "item_no"}
    till.db.execute("UPDATE t_rm_saleflow SET item_no = 'x'")
    reader = Reader(till.url, tables={"lines": lines, "payments": {"table": "t_rm_payflow", "ticket": ["flow_no"]}})
    reader.device.open()
    with pytest.raises(DeviceOffline, match=r"t_rm_saleflow\.item_no holds no numbers"):
        reader.device.read(1)
    reader.device.close()


def test_a_locked_database_takes_the_device_down_until_it_is_free(till: Till) -> None:
    """One clear message; nothing is lost."""
    till.sell(20)
    with reading(till, timeout_s=1) as reader:
        till.db.execute("PRAGMA locking_mode = EXCLUSIVE")
        till.db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DeviceOffline, match="locked"):
            reader.until(1)
        till.db.execute("COMMIT")
        till.db.execute("PRAGMA locking_mode = NORMAL")
        till.db.execute("SELECT 1 FROM t_rm_saleflow").fetchall()
        reader.restart()
        reader.until(20)
    assert len(reader.sales) == 20


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite:////nowhere/till.db", "the till's database refuses"),
        ("no address", "url_file names no database"),
        ("mssql+nothing://reader:hunter2@host/db", "url_file names no database"),
        ("mssql+pymssql://reader:hunter2@192.0.2.1/db", "pymssql is not installed"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(till: Till, address: str, says: str) -> None:
    """What to check, and never the line itself."""
    till.url.write_text(address)
    with pytest.raises(DeviceOffline, match=says) as caught:
        Reader(till.url).device.open()
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_with_the_address_is_told(till: Till) -> None:
    """The device is down, not the agent."""
    till.url.unlink()
    with pytest.raises(DeviceOffline, match="cannot be read"):
        Reader(till.url).device.open()


def test_nothing_is_ever_written(till: Till) -> None:
    """The file stays as it is, byte for byte, and the connection refuses to write."""
    till.sell(50)
    before = sha256(till.file.read_bytes()).digest()
    with reading(till) as reader:
        reader.until(50)
        reader.quiet()
    assert sha256(till.file.read_bytes()).digest() == before
    options = cast(Options, reader.options)
    database = Database(f"sqlite:///{till.file}", options.where, needs(options.record_mapping), 10)
    with pytest.raises(DeviceOffline, match="readonly"), database.look() as look:
        look._connection.exec_driver_sql("DELETE FROM t_rm_saleflow")
    database.close()


def test_a_query_does_not_run_for_ever(till: Till) -> None:
    """Beyond timeout_s it is cut short."""
    options = cast(Options, Reader(till.url).options)
    database = Database(f"sqlite:///{till.file}", options.where, needs(options.record_mapping), 0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(DeviceOffline, match="interrupted"), database.look() as look:
        look._connection.exec_driver_sql(endless)
    database.close()


def test_a_postgresql_till_is_read_and_cannot_be_written(tmp_path: Path, database: str) -> None:
    """Decimals, times with zones and padded codes of a real server; its session refuses to write and to run on."""
    with psycopg.connect(database, autocommit=True) as server:
        server.execute(
            "CREATE TABLE sale_line (id bigserial PRIMARY KEY, no char(12), till char(4), at timestamptz, "
            "sku char(13), qty numeric(10, 3), price numeric(10, 2), amount numeric(12, 2))"
        )
        server.execute("CREATE TABLE payment (no varchar(20), how text, amount numeric(12, 2))")
        for number in range(120):
            row = (f"{number}", "01", f"2026-11-21 09:00:{number % 60:02}+08", "100001", 2, "5.05", "10.10")
            server.execute(
                "INSERT INTO sale_line (no, till, at, sku, qty, price, amount) VALUES (%s, %s, %s, %s, %s, %s, %s)", row
            )
            server.execute("INSERT INTO payment VALUES (%s, 'card', 10.10)", (f"{number}",))
    told_by = psycopg.conninfo.conninfo_to_dict(database)
    address = "postgresql+psycopg://{user}:{password}@{host}:{port}/{dbname}".format(**told_by)
    (tmp_path / "till.url").write_text(address)
    fields = {"item_id": "sku", "quantity": "qty", "unit_price": "price", "extended_amount": "amount"}
    rule = {"type": "pos.sale", "at": "at", "fields": {"transaction_id": "no", "workstation": "till"}}
    rule |= {"lines": {"each": "lines", "fields": fields}}
    rule |= {"tenders": {"each": "payments", "fields": {"kind": "how", "amount": "amount"}}}
    paid = {"table": "payment", "ticket": "no"}
    for by, place in (("identity", "id"), ("time", "at")):
        lines = {"table": "sale_line", "ticket": ["no", "till"], "position": place, "by": by}
        told: dict[str, Any] = {"tables": {"lines": lines, "payments": paid}, "mapping": {"records": [rule]}}
        with reading(tmp_path / "till.url", chunk_rows=50, timeout_s=1, **told) as reader:
            reader.until(120)
            reader.restart()
            reader.quiet()
        assert sum(sale.total or 0 for sale in reader.sales) == Decimal("1212.00")
        assert {sale.source_id for sale in reader.sales} == {f"01/2026-11-21/{number}" for number in range(120)}
        assert reader.sales[0].lines[0].item_id == "100001"

    options = cast(Options, reader.options)
    opened = Database(address, options.where, needs(options.record_mapping), 0.5)
    for statement, says in (("DELETE FROM payment", "read-only transaction"), ("SELECT pg_sleep(60)", "timeout")):
        with pytest.raises(DeviceOffline, match=says), opened.look() as look:
            look._connection.exec_driver_sql(statement)
    opened.close()


def test_faults_of_the_settings_are_told() -> None:
    """A profile that is none, a table's name that is no name."""
    told: dict[str, Any] = {"id": "t", "driver": "pos-sql", "url_file": "x"}
    with pytest.raises(ValidationError, match="no profile 'sis'; did you mean siss"):
        Options.model_validate({**told, "profile": "sis"})
    lines = {"table": "a; DROP TABLE b", "ticket": "n", "position": "i"}
    with pytest.raises(ValidationError, match="pattern"):
        Options.model_validate({**told, "tables": {"lines": lines}})


# --- exported rows -------------------------------------------------------------------------------------------------


@given(data=st.binary(max_size=400), cut=st.integers(0, 400))
def test_rows_that_are_garbage_raise_nothing(data: bytes, cut: int) -> None:
    """However they are cut."""
    one, other = (decoder_of("pos-sql", Context(), url_file="x") for _ in range(2))
    assert fed(one, [data], AT) == fed(other, [data[:cut], data[cut:]], AT)


def test_the_simulator_speaks_the_tables(till: Till) -> None:
    """What it says goes into a database and comes out as tickets."""
    for message in islice(messages(Random(3), OLD, timedelta(minutes=5)), 5):
        till.db.executescript(message.body.decode())
    (count,) = till.db.execute("SELECT count(DISTINCT flow_no) FROM t_rm_saleflow").fetchone()
    with reading(till) as reader:
        reader.until(count)
    assert count > 10


@needs_samples
def test_the_sample_of_a_row_is_set_aside_for_its_blank_time() -> None:
    """The published example has every column and no time: no ticket is without one."""
    assert SHARED
    data = (SHARED / "samples/pos_db/siss_saleflow_row_example.json").read_bytes()
    (item,) = fed(decoder_of("pos-sql", Context(), url_file="x"), [data], AT)
    assert isinstance(item, Rejected)
    assert item.reason == "oper_date is blank, and no record is without a time"
    (item,) = fed(
        decoder_of("pos-sql", Context(), url_file="x"), [data.replace(b'_date": ""', b'_date": "2018-07-06 10:00"')], AT
    )
    assert isinstance(item, Reading)
    assert isinstance(item.data, PosSale)
    assert (item.data.source_id, item.data.total) == ("1001/2018-07-06/2018070600001", Decimal(8))
