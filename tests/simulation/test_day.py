"""A store's day through real drivers, buffer, broker and database: both ends count the same, to the cent."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from hq.data import Data
from hq.headquarters import database
from simulation.processes import Headquarters
from tests.samples import SHARED, needs_samples
from tests.simulation.demo import assert_clean, once

pytestmark = pytest.mark.xdist_group("stage-1")


def test_a_generated_day_arrives_whole() -> None:
    """`scripts/demo --once --json`: exit 0, and one JSON line with what both ends count."""
    outcome, _ = once()
    assert_clean(outcome)
    tills, sensors = ("pos.sale", "pos.return", "scan"), ("door.count", "temp.check", "temp.ambient", "weight")
    for kind in (*tills, *sensors, "punch", "energy", "power", "quarantine"):
        assert outcome["by_type"][kind] > 0


@needs_samples
def test_a_recorded_day_arrives_whole(tmp_path: Path) -> None:
    """The same with recorded tills, doors and retail data; money and people counted again from the files alone."""
    assert SHARED
    outcome, _ = once("--samples", str(SHARED), "--data", str(tmp_path))
    assert_clean(outcome)
    hq = Headquarters(tmp_path)
    try:
        hq.start()
        hq.await_ready()
        with psycopg.connect(database(Data(hq.data)).dsn()) as db:
            tickets = db.execute(
                """SELECT device, transaction_id, total, duplicate_of IS NULL FROM pos_sale
                   UNION ALL SELECT device, transaction_id, total, duplicate_of IS NULL FROM pos_return"""
            ).fetchall()
            people = db.execute(
                """SELECT sum("in")::bigint, sum("out")::bigint FROM door_count WHERE device = 'door-calit'"""
            ).fetchone()
    finally:
        hq.stop()
    told = money(SHARED)
    stored: dict[str, dict[str, Decimal]] = {till: {} for till in told}
    for device, number, total, _ in tickets:
        if device in told:
            assert number not in stored[device]
            stored[device][number] = total
    assert stored == told
    counted = sum(total for device, _, total, counts in tickets if counts and device in told)
    assert counted == sum(sum(till.values()) for till in told.values()) - repeated(told["till-uk"], told["till-fr"])
    golden = json.loads((SHARED / "retail-data/golden.json").read_text())["CalIt2"]
    assert people == (golden["in_total"], golden["out_total"]) == (19_597, 18_837)


def repeated(one: dict[str, Decimal], other: dict[str, Decimal]) -> Decimal:
    """The money of tickets that stand in both tills' files: one store counts them once."""
    both = one.keys() & other.keys()
    assert both
    assert all(one[number] == other[number] for number in both)
    return sum((one[number] for number in both), Decimal(0))


def money(shared: Path) -> dict[str, dict[str, Decimal]]:
    """Each till's tickets with their totals, by its files alone."""
    uk = sorted((shared / "samples/pos_csv").glob("uci_*.csv"))
    french = rows(shared / "retail-data/online_retail_fr.csv.gz")
    grocer = list(rows(shared / "retail-data/cj_two_stores_16w.csv.gz"))

    def of_grocer(store: str) -> Iterator[tuple[str, Decimal]]:
        return ((row["basket_id"], Decimal(row["sales_value"])) for row in grocer if row["store_id"] == store)

    return {
        "till-uk": totals(invoice for path in uk for invoice in invoices(rows(path))),
        "till-fr": totals(invoices(french)),
        "till-367": totals(of_grocer("367")),
        "till-406": totals(of_grocer("406")),
    }


def invoices(lines: Iterable[dict[str, str]]) -> Iterator[tuple[str, Decimal]]:
    """Number and amount of each line."""
    return ((line["InvoiceNo"], Decimal(line["Quantity"]) * Decimal(line["UnitPrice"])) for line in lines)


def totals(lines: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for number, amount in lines:
        found[number] += amount
    return dict(found)


def rows(path: Path) -> Iterator[dict[str, str]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(content.decode().splitlines())
