"""A till's database, and a reader that may be killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, cast
from zoneinfo import ZoneInfo

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.goods import tickets
from devices.pos_sql.simulator import TABLES, statements
from devices.registry import driver
from records.types import Transaction

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
        deadline = monotonic() + 60
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


@contextmanager
def reading(till: Till | Path, **settings: Any) -> Iterator[Reader]:
    reader = Reader(till if isinstance(till, Path) else till.url, **settings)
    reader.device.open()
    try:
        yield reader
    finally:
        reader.device.close()
