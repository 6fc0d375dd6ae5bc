"""Every record type: one frozen struct each, with its name, wire number, schema version and lane.

Shapes and units:
- decimal numbers (money, weight, quantity) are `Decimal`, strings in JSON; counts are `int`; temperatures
  are `float` in °C; times are aware UTC `datetime`
- absent means unknown: an optional field that is `None` is never written out
- return lines carry negative `quantity` and `extended_amount`; `total` is what the customer owes, tax included
- `pos.*`, `cash.event` and `punch` carry `source_id`: the source's own identity of the event, made of its own
  workstation, business day and number, never of our device's name

Terms follow ARTS/POSLog for tills, GS1 for codes. A field may be added at the end of a struct with a default; a
change of meaning raises `version`. A wire number is never given twice.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from records.record import Lane
from records.registry import record_type


class Data(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What every struct here shares: immutable, absent fields left out."""


# --- tills -----------------------------------------------------------------------------------------------------


class SaleLine(Data, frozen=True):
    """One line of a transaction. `flags`: what cleaning found odd but kept (zero-price, negative-quantity, …)."""

    line: int
    kind: Literal["sale", "return", "void"]
    item_id: str | None = None
    gtin: str | None = None
    name: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    unit_price: Decimal | None = None
    extended_amount: Decimal | None = None
    discount: Decimal | None = None
    flags: tuple[str, ...] = ()


class Tender(Data, frozen=True):
    """`kind` as the till names it in lower case (cash, card, wechat, …); `masked_pan`: first 6 and last 4 at most."""

    kind: str
    amount: Decimal | None = None
    masked_pan: str | None = None


class Transaction(Data, frozen=True):
    """What a till's transaction says, whichever way it went."""

    source_id: str
    transaction_id: str
    workstation: str | None = None
    business_day: date | None = None
    currency: str | None = None
    operator: str | None = None
    customer: str | None = None
    lines: tuple[SaleLine, ...] = ()
    tenders: tuple[Tender, ...] = ()
    total: Decimal | None = None
    tax: Decimal | None = None


@record_type("pos.sale", 1, Lane.VITAL)
class PosSale(Transaction, frozen=True):
    pass


@record_type("pos.return", 2, Lane.VITAL)
class PosReturn(Transaction, frozen=True):
    pass


@record_type("pos.void", 3, Lane.VITAL)
class PosVoid(Transaction, frozen=True):
    pass


@record_type("pos.control", 4, Lane.VITAL)
class PosControl(Data, frozen=True):
    """`kind`: sign-on, sign-off, no-sale, open, close, … as POSLog's ControlTransaction names it, in kebab case."""

    source_id: str
    kind: str
    workstation: str | None = None
    business_day: date | None = None
    operator: str | None = None


@record_type("pos.receipt", 5, Lane.VITAL)
class PosReceipt(Data, frozen=True):
    """From a printer tap. `text` as printed, masked; `fields`: what the receipt template could read."""

    source_id: str
    text: str
    copies: int = 0
    images: int = 0
    fields: dict[str, object] = {}


@record_type("cash.event", 6, Lane.VITAL)
class CashEvent(Data, frozen=True):
    source_id: str
    kind: Literal["drawer-open", "pay-in", "pay-out", "count", "z-report"]
    amount: Decimal | None = None
    workstation: str | None = None
    business_day: date | None = None


# --- scanners --------------------------------------------------------------------------------------------------

ScannerRole = Literal["sale", "receiving", "count", "waste", "transfer", "checklist"]


@record_type("scan", 7, Lane.NORMAL)
class Scan(Data, frozen=True):
    """A barcode that is no payment code. `elements`: {GS1 application identifier: value}; `gtin` as 14 digits."""

    code: str
    symbology: str | None = None
    gtin: str | None = None
    elements: dict[str, str] = {}
    weight_kg: Decimal | None = None
    price: Decimal | None = None
    role: ScannerRole | None = None
    quantity: Decimal | None = None
    document: str | None = None
    flags: tuple[str, ...] = ()


@record_type("payment.code", 8, Lane.VITAL)
class PaymentCode(Data, frozen=True):
    """A customer's payment code was scanned; the code itself is never kept."""

    scheme: Literal["wechat", "alipay", "unionpay"]


# --- doors and zones -------------------------------------------------------------------------------------------


@record_type("door.count", 9, Lane.NORMAL)
class DoorCount(Data, frozen=True, rename={"in_": "in", "from_": "from"}):
    """Increase since the last record. `resumed`: the device had reset; `gap`: records of it are known to be missing."""

    in_: int
    out: int
    from_: datetime | None = None
    to: datetime | None = None
    line: str | None = None
    resumed: bool = False
    gap: bool = False


@record_type("zone.occupancy", 10, Lane.NORMAL)
class ZoneOccupancy(Data, frozen=True):
    zone: str
    count: int


@record_type("zone.dwell", 11, Lane.NORMAL)
class ZoneDwell(Data, frozen=True):
    zone: str
    seconds: float


@record_type("zone.queue", 12, Lane.NORMAL)
class ZoneQueue(Data, frozen=True):
    zone: str
    length: int
    wait_s: float | None = None


@record_type("zone.heatmap", 13, Lane.BULK)
class ZoneHeatmap(Data, frozen=True):
    """`grid`: rows of counts; `cell_m`: edge of a cell in metres, or `cell_px` in pixels of the source."""

    grid: tuple[tuple[int, ...], ...]
    cell_m: float | None = None
    cell_px: int | None = None
    zone: str | None = None


@record_type("camera.health", 14, Lane.NORMAL)
class CameraHealth(Data, frozen=True):
    state: Literal["ok", "black", "covered", "defocused", "moved", "frozen", "offline"]


# --- temperatures, scales, people ------------------------------------------------------------------------------


@record_type("temp.check", 15, Lane.VITAL)
class TempCheck(Data, frozen=True):
    """Body temperature. `subject`: staff pseudonym, absent for customers; `ambient_celsius`: the sensor's own."""

    celsius: float
    verdict: Literal["normal", "suspect", "confirmed", "resolved", "invalid"]
    subject: str | None = None
    ambient_celsius: float | None = None


@record_type("temp.ambient", 16, Lane.NORMAL)
class TempAmbient(Data, frozen=True):
    celsius: float | None = None
    probe: str | None = None
    humidity_pct: float | None = None
    excursion: str | None = None


@record_type("weight", 17, Lane.NORMAL)
class Weight(Data, frozen=True):
    kg: Decimal


@record_type("punch", 18, Lane.NORMAL)
class Punch(Data, frozen=True):
    source_id: str
    person: str
    direction: Literal["in", "out", "unknown"] = "unknown"
    method: str | None = None


@record_type("wifi.presence", 19, Lane.BULK)
class WifiPresence(Data, frozen=True):
    count: int
    interval_s: int


@record_type("energy", 20, Lane.NORMAL)
class Energy(Data, frozen=True):
    kwh: Decimal
    meter: str | None = None


@record_type("power", 21, Lane.NORMAL)
class Power(Data, frozen=True):
    on_battery: bool
    charge_pct: float | None = None
    runtime_s: int | None = None


@record_type("check.done", 22, Lane.NORMAL)
class CheckDone(Data, frozen=True):
    item: str
    result: str
    person: str | None = None


@record_type("supply.count", 23, Lane.NORMAL)
class SupplyCount(Data, frozen=True):
    supply: str
    quantity: Decimal
    person: str | None = None


# --- what the agent says of itself -----------------------------------------------------------------------------


@record_type("device.health", 24, Lane.NORMAL)
class DeviceHealth(Data, frozen=True):
    state: Literal["up", "down", "silent"]
    reason: str | None = None


@record_type("quarantine", 25, Lane.NORMAL)
class Quarantine(Data, frozen=True):
    """What was rejected: `raw` is base64, bounded and masked."""

    device: str
    reason: str
    raw: str = ""


@record_type("loss", 26, Lane.VITAL)
class Loss(Data, frozen=True):
    """A tombstone: records `first` to `last` of a lane are gone; for `refused` only `count` and `types` are known."""

    reason: Literal["evicted", "refused", "damaged"]
    count: int
    types: dict[str, int] = {}
    stream: str | None = None
    epoch: str | None = None
    lane: int | None = None
    first: int | None = None
    last: int | None = None


@record_type("stream.open", 27, Lane.VITAL)
class StreamOpen(Data, frozen=True):
    store: str
    box: str
    reason: Literal["new", "salvaged", "restored", "forked", "re-imaged"]
    previous: str | None = None


@record_type("alert", 28, Lane.VITAL)
class Alert(Data, frozen=True):
    rule: str
    level: Literal["info", "warning", "high"]
    subject: str
    opened: datetime
    closed: datetime | None = None


@record_type("audit", 29, Lane.VITAL)
class Audit(Data, frozen=True):
    actor: str
    action: str
    detail: str = ""


@record_type("clock.step", 30, Lane.VITAL)
class ClockStep(Data, frozen=True):
    before: datetime
    after: datetime
    boot: str


@record_type("zone.path", 31, Lane.NORMAL)
class ZonePath(Data, frozen=True, rename={"from_": "from"}):
    """Somebody left zone `to` who had been in zone `from` before."""

    from_: str
    to: str


@record_type("car.count", 32, Lane.NORMAL)
class CarCount(Data, frozen=True, rename={"in_": "in", "from_": "from"}):
    """Cars, as `door.count` counts people; no plate is read."""

    in_: int
    out: int
    from_: datetime | None = None
    to: datetime | None = None
    line: str | None = None


@record_type("count.audit", 33, Lane.NORMAL)
class CountAudit(Data, frozen=True, rename={"from_": "from"}):
    """What a person tapped beside a counter from `from` to `to`, and what it counted, at one of its lines."""

    line: str
    from_: datetime
    to: datetime
    tapped_in: int
    tapped_out: int
    counted_in: int
    counted_out: int


@record_type("camera.still", 34, Lane.BULK)
class CameraStill(Data, frozen=True):
    """`jpeg`: base64, a small picture in which nobody can be recognised; `width`, `height`: of the camera's own."""

    jpeg: str
    width: int
    height: int
