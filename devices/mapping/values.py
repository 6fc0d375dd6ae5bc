"""One value of a document as what a record's field holds. What could mean two things is refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from devices.csv_drop.values import Times, number
from devices.driver import Context
from devices.mapping.targets import Kind, Target
from devices.tills import as_utc

_MOST_DIGITS = 18
PADDING = " \0\t\r\n\u3000"
_LONGEST = 2000  # characters of a text
_YES_NO = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
_WITHOUT_MINOR = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"}
_WITHOUT_MINOR |= {"XAF", "XOF", "XPF"}
_IN_THOUSANDTHS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}  # ISO 4217; all others in hundredths
_EPOCHS = {"epoch-s": 1, "epoch-ms": 1000}


class Misfit(ValueError):
    """The value is not what the field holds; the text says why, and never quotes it."""


def text(value: object) -> str | None:
    """Without the blanks that fixed columns are padded with; None where nothing is left."""
    if isinstance(value, str):
        return _kept(value.strip(PADDING))
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if not isinstance(value, int | float | Decimal):
        raise Misfit("is no single value")
    return str(value)


def _kept(told: str) -> str | None:
    if len(told) > _LONGEST:
        raise Misfit(f"is longer than {_LONGEST} characters")
    if not told.isascii():
        try:
            told.encode()
        except UnicodeEncodeError:
            raise Misfit("holds bytes outside the encoding") from None
    return told or None


def decimal(value: object) -> Decimal | None:
    """An exact number; a float by the shortest text that means it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
        raise Misfit("is not a number")
    try:
        found = number(value) if isinstance(value, str) else None if value is None else Decimal(str(value))
    except (InvalidOperation, ValueError) as error:
        raise Misfit(str(error) if isinstance(value, str) else "is not a number") from None
    if found is None:
        return None
    if not found.is_finite():
        raise Misfit("is not a number")
    if max(found.adjusted(), -int(found.as_tuple().exponent)) >= _MOST_DIGITS or len(found.as_tuple().digits) > 28:
        raise Misfit("has too many digits")
    return found


def minor_units(currency: str | None) -> int:
    """Decimal places of that currency's amounts."""
    return 0 if currency in _WITHOUT_MINOR else 3 if currency in _IN_THOUSANDTHS else 2


def instant(value: object, form: str | None, context: Context) -> datetime | None:
    """Aware UTC. form: strptime's directives, epoch-s or epoch-ms; None for ISO and what tills write."""
    if form in _EPOCHS:
        return _epoch(value, _EPOCHS[form])
    told = _moment(value, form)
    if told is None:
        return None
    try:
        return as_utc(told, context)
    except (ValueError, OverflowError) as error:
        raise Misfit(str(error) if str(error).startswith("its ") else "is no time") from None


def _epoch(value: object, per_second: int) -> datetime | None:
    told = decimal(value)
    if told is None:
        return None
    try:
        return datetime.fromtimestamp(float(told) / per_second, UTC)
    except (OverflowError, OSError, ValueError):
        raise Misfit("is no time") from None


def _moment(value: object, form: str | None) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(0))
    told = text(value)
    if told is None:
        return None
    try:
        return Times(form, (told,)).read(told)
    except ValueError as error:
        ours = str(error).startswith(("is ", "its "))
        raise Misfit(str(error).replace("at_format", "format") if ours else "is no time of that format") from None


def _day(value: object, form: str | None) -> date | None:
    told = _moment(value, form)
    return told.date() if told else None


def _integer(value: object) -> int | None:
    told = decimal(value)
    if told is not None and told != told.to_integral_value():
        raise Misfit("is not a whole number")
    return None if told is None else int(told)


def _number(value: object) -> float | None:
    told = decimal(value)
    return None if told is None else float(told)


def _yes_no(value: object) -> bool | None:
    told = text(value)
    if told is not None and told.lower() not in _YES_NO:
        raise Misfit("is neither yes nor no")
    return None if told is None else _YES_NO[told.lower()]


_SIMPLE: Mapping[Kind, Callable[[object], Any]] = {
    "text": text,
    "decimal": decimal,
    "integer": _integer,
    "number": _number,
    "yes-no": _yes_no,
}


def fitted(value: object, target: Target, form: str | None, context: Context) -> Any:
    """The value as the field holds it, None where it is absent or blank; `Misfit` where it is something else."""
    if target.kind == "time":
        return instant(value, form, context)
    if target.kind == "day":
        return _day(value, form)
    if target.kind == "choice":
        told = text(value)
        if told is not None and told not in target.choices:
            raise Misfit(f"is none of {', '.join(target.choices)}; map it with `values`")
        return told
    return _SIMPLE[target.kind](value)
