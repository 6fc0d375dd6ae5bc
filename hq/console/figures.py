"""Numbers, money, ages and times as people read them, in both languages. Unknown is always a dash, never a zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hq.console.words import Language, Words

UNKNOWN = "–"
MINUS = "\u2212"
NO_BREAK = "\u00a0"

# Signs by language (CLDR's short forms); a currency that is not here is written by its ISO 4217 code.
_SIGNS: dict[Language, dict[str, str]] = {
    "en": {"CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "JPY": "¥", "TWD": "NT$", "USD": "$"},
    "zh": {"CNY": "¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "JPY": "JP¥", "TWD": "NT$", "USD": "US$"},
}
_WITHOUT_CENTS = {"JPY", "KRW", "VND"}


def count(number: int | None) -> str:
    """A count with its thousands apart."""
    return UNKNOWN if number is None else f"{number:,}".replace("-", MINUS)


def quantity(number: Decimal | float) -> str:
    """A measured number without trailing zeros."""
    text = f"{number:,f}" if isinstance(number, Decimal) else f"{number:,}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def money(amount: Decimal, currency: str | None, language: Language) -> str:
    """An exact amount: two decimals or as many as it has, the currency's sign or code before it."""
    decimals = len(f"{amount:f}".partition(".")[2].rstrip("0"))
    digits = f"{amount.copy_abs():,.{max(decimals, 0 if currency in _WITHOUT_CENTS else 2)}f}"
    sign = MINUS if amount < 0 else ""
    if currency is None:
        return f"{sign}{digits}"
    mark = _SIGNS[language].get(currency, f"{currency}{NO_BREAK}")
    return f"{sign}{mark}{digits}"


def age(seconds: float, words: Words) -> str:
    """How long something takes or lies back: 12 s, 3 min, 2 h 5 min, 4 d."""
    whole = max(0, int(seconds))
    if whole < 60:
        return words("age_s", n=str(whole))
    if whole < 3600:
        return words("age_min", n=str(whole // 60))
    if whole < 86_400:
        hours, minutes = whole // 3600, whole % 3600 // 60
        if not minutes:
            return words("age_h", n=str(hours))
        return words("age_h_min", n=str(hours), m=str(minutes))
    return words("age_d", n=count(whole // 86_400))


def skew(milliseconds: int | None, words: Words) -> str:
    """How far a box's clock is from HQ's."""
    if milliseconds is None:
        return UNKNOWN
    if abs(milliseconds) < 1_000:
        return words("clock_right")
    return words("clock_fast" if milliseconds > 0 else "clock_slow", age=age(abs(milliseconds) / 1_000, words))


def clock(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A time in the store's zone: 07:12:09 today, with the date on another day."""
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M:%S}"


def minute(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """As `clock`, to the minute and with the day only where it is another: for sentences."""
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def exact(at: datetime, zone: ZoneInfo) -> str:
    """A time in the store's zone with its offset from UTC, for the pointer."""
    local = at.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    minutes = int(abs(offset).total_seconds()) // 60
    sign = "-" if offset < timedelta() else "+"
    return f"{local:%Y-%m-%d %H:%M:%S} (UTC{sign}{minutes // 60:02d}:{minutes % 60:02d})"


def machine(at: datetime) -> str:
    """A time for the `datetime` attribute: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
