"""Which column holds which field: as set, else under the names that tills and retail data sets use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from devices.csv_drop.options import Columns

USUAL = {
    "transaction_id": (
        "transactionid invoiceno invoicenumber invoice basketid ticketno ticketid receiptno receiptnumber receiptid "
        "orderno orderid billno flowno 小票号 小票号码 流水号 交易号 交易流水号 单号 单据号 销售单号 订单号"
    ),
    "at": (
        "at transactiontimestamp transactiontime transactiondate invoicedate timestamp datetime saletime saledate "
        "soldat operdate date 时间 销售时间 交易时间 下单时间 日期 销售日期 交易日期"
    ),
    "item_id": (
        "itemid stockcode productid sku skuid itemno itemcode productcode plu barcode articleno "
        "商品编码 商品编号 商品代码 商品条码 条码 货号"
    ),
    "name": "name description itemname productname itemdescription 商品名称 商品名 品名 名称",
    "quantity": "quantity qty saleqnty units 数量 销售数量",
    "unit_price": "unitprice price saleprice 单价 售价 销售单价",
    "extended_amount": "extendedamount salesvalue linetotal lineamount amount salemoney 金额 销售金额 小计 实收金额",
    "customer": "customer customerid householdid memberid memberno 会员号 会员卡号 会员编号 顾客编号",
    "workstation": "workstation workstationid till tillid posid posno terminal terminalid 收银机号 收银机 款台 机号",
}
MOST_COLUMNS = 500
NEEDED = ("transaction_id", "at")


class HeaderFault(ValueError):
    """The header lacks a column that is needed, or names one twice."""


def find_columns(header: Sequence[str], told: Columns) -> Mapping[str, int]:
    """Column number by field; `HeaderFault` says which setting to make."""
    if len(header) > MOST_COLUMNS:
        raise HeaderFault(f"its first line has more than {MOST_COLUMNS} cells: is it a CSV file with a header?")
    found = {}
    for field, names in USUAL.items():
        name = getattr(told, field)
        places = _places_of(header, name) if name else _usual_places(header, names.split())
        if len(places) > 1:
            raise HeaderFault(f"several columns could be {field}; set columns.{field} to the one that is meant")
        if name and not places:
            raise HeaderFault(f"columns.{field} names '{name}', which the header has not{_near(name, header)}")
        if places:
            found[field] = places[0]
    for field in NEEDED:
        if field not in found:
            raise HeaderFault(f"no column is known as {field}; set columns.{field} to its header")
    if not found.keys() & {"quantity", "extended_amount"}:
        raise HeaderFault("neither quantity nor amount is there; set columns.quantity or columns.extended_amount")
    return found


def _places_of(header: Sequence[str], name: str) -> list[int]:
    exact = [place for place, title in enumerate(header) if title == name.strip()]
    return exact or [place for place, title in enumerate(header) if _bare(title) == _bare(name)]


def _usual_places(header: Sequence[str], names: Sequence[str]) -> list[int]:
    """The column under the best known name that occurs."""
    for name in names:
        if places := [place for place, title in enumerate(header) if _bare(title) == name]:
            return places
    return []


def _bare(title: str) -> str:
    return re.sub(r"[\s_.\-/()()#*]+", "", title).lower()


def _near(name: str, header: Sequence[str]) -> str:
    near = get_close_matches(name, header, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
