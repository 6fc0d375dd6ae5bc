"""pos-sql: databases that are not as they should be, or not there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, DeviceOffline, Reading, Rejected
from devices.pos_sql.database import Database
from devices.pos_sql.options import Options
from devices.pos_sql.plan import needs
from devices.pos_sql.simulator import messages
from records.types import PosSale
from tests.devices.cases import decoder_of, fed
from tests.devices.pos_sql.till import AT, OLD, Reader, Till, reading
from tests.samples import SHARED, needs_samples

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
    """Decimals, times with zones and padded codes of a real server; its session refuses to write and to run on. What it
    complains of is cut between words: a number, which is masked as a whole, stays whole or goes.
    """
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
    quoted = (
        f"{'x' * 145} 4111111111111111"  # which begins before the place where a complaint is cut, and ends after it
    )
    with pytest.raises(DeviceOffline, match="invalid input syntax") as caught, opened.look() as look:
        look._connection.exec_driver_sql(f"SELECT '{quoted}'::int")
    assert "4111" not in str(caught.value)
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
