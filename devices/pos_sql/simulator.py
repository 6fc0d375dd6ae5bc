"""A 思迅 (SISS) till that writes its tickets into an SQLite file: `t_rm_saleflow` and `t_rm_payflow` with padded codes.

Times are the wall clock of `at`'s zone; amounts of returns are positive, as the till writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random

from devices.goods import Ticket, tickets
from devices.simulator import Message

TABLES = """
CREATE TABLE IF NOT EXISTS t_rm_saleflow (com_no INTEGER PRIMARY KEY, flow_id INTEGER, flow_no CHAR(20), branch_no TEXT,
 item_no CHAR(13), item_subno TEXT, item_name TEXT, unit_no TEXT, source_price NUMERIC, sale_price NUMERIC,
 sale_qnty NUMERIC, sale_money NUMERIC, sell_way CHAR(1), oper_id CHAR(4), oper_date TEXT, posid CHAR(4),
 card_no TEXT, voucher_no TEXT);
CREATE TABLE IF NOT EXISTS t_rm_payflow (com_no INTEGER PRIMARY KEY, flow_id INTEGER, flow_no CHAR(20),
 branch_no TEXT, sale_amount NUMERIC, pay_way CHAR(3), sell_way CHAR(1), vip_no TEXT, pay_amount NUMERIC,
 oper_date TEXT, posid CHAR(4));
CREATE INDEX IF NOT EXISTS saleflow_no ON t_rm_saleflow (flow_no);
CREATE INDEX IF NOT EXISTS payflow_no ON t_rm_payflow (flow_no);
"""
_LINES = "flow_id, flow_no, branch_no, item_no, item_name, unit_no, source_price, sale_price, sale_qnty, sale_money, "
_LINES += "sell_way, oper_id, oper_date, posid, card_no, voucher_no"
_PAID = "flow_id, flow_no, branch_no, sale_amount, pay_way, sell_way, vip_no, pay_amount, oper_date, posid"


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """The rows of a few tickets for every `step`, without end; no number is used twice, whenever a run starts."""
    number, made = 1, TABLES
    while True:
        part = list(tickets(rng, at, step, number))
        number += len(part)
        yield Message("sql", (made + "".join(statements(part, f"{at:%y%m%d%H%M%S}"))).encode())
        made, at = "", at + step


def statements(sold: Iterable[Ticket], run: str) -> Iterator[str]:
    """What the till writes when tickets are paid."""
    for ticket in sold:
        number, way = f"{run}{ticket.number:06}", "B" if ticket.returned else "A"
        when, till = f"{ticket.at:%Y-%m-%d %H:%M:%S}", f"{1000 + ticket.till}"
        for place, line in enumerate(ticket.sold, 1):
            good = line.good
            row = (place, f"{number:<20}", "0001", f"{good.item_id:<13}", good.name, good.unit, good.price, good.price)
            yield _insert("t_rm_saleflow", _LINES, (*row, line.quantity, line.amount, way, "01  ", when, till, "", ""))
        handed = (("RMB", ticket.total + 5), ("CHG", 5)) if ticket.number % 3 == 0 else (("WXP", ticket.total),)
        for place, (paid, amount) in enumerate(handed, 1):
            told = (place, f"{number:<20}", "0001", ticket.total, paid, way, ticket.member, amount, when, till)
            yield _insert("t_rm_payflow", _PAID, told)


def _insert(table: str, columns: str, values: Iterable[object]) -> str:
    said = ", ".join("'" + str(value).replace("'", "''") + "'" for value in values)
    return f"INSERT INTO {table} ({columns}) VALUES ({said});\n"  # noqa: S608 - made-up data, for made-up tills
