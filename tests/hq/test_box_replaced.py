"""A box is replaced beside a till that is full: headquarters counts each sale once, whoever of the two brought it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from cloud_sync.wire.topics import Up
from tests.devices.pos_sql.till import Till
from tests.hq.placed import Counted, Headquarters, Placed, brought

SOLD = 2_000


def carried_off(headquarters: Headquarters, folder: Path, till: Till) -> int:
    """The first box reads a third of the till, sends half of that and is gone with the rest; what headquarters has."""
    old = Placed("box-1", "till", folder / "box-1")
    headquarters.register(old)
    parcels = old.read(till.url, brought(SOLD // 3))
    batches = [parcel for parcel in parcels if parcel.what is Up.BATCH]
    assert len(batches) > 1, "something is lost with the box"
    headers = [parcel for parcel in parcels if parcel.what is Up.EPOCH]
    headquarters.take(old, [*headers, *batches[: len(batches) // 2]])
    came = headquarters.counted().tickets
    assert 0 < came < SOLD
    return came


def replaced(headquarters: Headquarters, folder: Path, till: Till) -> None:
    """Another box is put there, reads the till from its first sale to its last, and sends everything."""
    new = Placed("box-2", "till-new", folder / "box-2")
    headquarters.register(new)
    headquarters.take(new, new.read(till.url, brought(SOLD)))


def test_a_replaced_box_adds_no_cent_and_loses_none(headquarters: Headquarters, tmp_path: Path) -> None:
    """Counted are the till's own sum and number of tickets; what came by both boxes is kept and names the first."""
    till = Till(tmp_path)
    owed = till.sell(SOLD)
    twice = carried_off(headquarters, tmp_path, till)
    replaced(headquarters, tmp_path, till)

    assert headquarters.counted() == Counted(owed, SOLD)
    assert headquarters.counted("duplicate_of IS NOT NULL").tickets == twice
    assert headquarters.counted("duplicate_of IS NOT NULL AND box = 'box-2' AND device = 'till-new'").tickets == twice
    assert headquarters.numbers() == SOLD
    assert headquarters.house.rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert headquarters.house.alerts() == []


def test_a_number_that_the_till_gave_anew_is_counted_and_alerted(headquarters: Headquarters, tmp_path: Path) -> None:
    """A sale that stands under its number with another content when the second box reads: both count, with an alert."""
    till = Till(tmp_path)
    owed = till.sell(SOLD)
    twice = carried_off(headquarters, tmp_path, till)
    [(source_id, day, gone)] = headquarters.house.rows(
        "SELECT source_id, business_day, total FROM pos_sale ORDER BY source_id LIMIT 1"
    )
    workstation, _, number = str(source_id).split("/")
    till.db.execute("DELETE FROM t_rm_saleflow WHERE trim(flow_no) = ?", [number])
    till.db.execute("DELETE FROM t_rm_payflow WHERE trim(flow_no) = ?", [number])
    till.line(
        number,
        sale_price="77777.77",
        sale_qnty="1",
        sale_money="77777.77",
        posid=workstation,
        oper_date=f"{day} 12:00:00",
    )
    till.pay(number, "77777.77", posid=workstation)
    replaced(headquarters, tmp_path, till)

    assert headquarters.counted() == Counted(owed + Decimal("77777.77"), SOLD + 1)
    assert headquarters.counted(f"source_id = '{source_id}' AND duplicate_of IS NULL") == Counted(
        gone + Decimal("77777.77"), 2
    )
    assert headquarters.counted("duplicate_of IS NOT NULL").tickets == twice - 1
    assert headquarters.house.alerts() == [f"pos.sale/{day}/{source_id}"]
