"""Reading to record, or to what is set aside."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from devices.driver import Reading, Rejected
from edge_agent.cleaning.cards import gtin_holds, is_card, mask_cards
from edge_agent.cleaning.ranges import out_of_range
from edge_agent.cleaning.text import mask, mask_bytes
from records import ClockQuality, Record
from records.types import PosReceipt, Quarantine, SaleLine, Scan, Transaction

MAX_RAW = 4096  # bytes of a rejected input that are kept
_LOOK_AHEAD = 96  # bytes; a card number has 73 with the widest spaces between its digits
_HALF_NUMBER = re.compile(rb"(?<![0-9])((?:[0-9][ .\-_\x80-\xff]{0,3}){6})((?:[0-9][ .\-_\x80-\xff]{0,3})+)\Z")

_PEOPLE = {"operator": "p-", "person": "p-", "subject": "p-", "customer": "c-"}
_IDENTITIES = {"transaction_id", "source_id"}  # must stay distinct from each other: never starred
_CODES = {"item_id", "gtin", "workstation", "code", "elements"}  # long numbers that are no payment codes
_SHORTEST = 13  # no shorter text can hold a card number or a payment code
_LONG_NUMBER = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])")
_SEPARATORS = b" .-_\xc2\xa0\xe3\x80"  # those of `cards`, in UTF-8
_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_THIRTEEN = b"0" * 13
_LONG_RUN = re.compile(rb"[0-9][0-9 .\-_\xc2\xa0\xe3\x80]{11,}[0-9]")
_FLAGGED = {SaleLine, Scan}
_BAD_GTIN = "gtin-check-digit"
_CARD = "card-masked"

_json = msgspec.json.Encoder()


class Policy(NamedTuple):
    """What cleaning goes by.

    key: 32 bytes that make people's names and numbers pseudonyms
    earliest, ahead: a time before `earliest`, or more than `ahead` after the box's, is a clock gone wrong
    """

    key: bytes
    earliest: datetime = datetime(1990, 1, 1, tzinfo=UTC)
    ahead: timedelta = timedelta(days=1)

    def pseudonym(self, prefix: str, text: str) -> str:
        """The same for the same person; not to be undone without the key (HMAC-SHA-256, 64 bits of it)."""
        return prefix + hmac.digest(self.key, f"{prefix}{text}".encode(), hashlib.sha256).hex()[:16]


class Moment(NamedTuple):
    """What the box's clocks say: `at` aware UTC, `mono_ms` since boot, `clock` the quality of `at`."""

    at: datetime
    mono_ms: int = 0
    clock: ClockQuality = ClockQuality.UNKNOWN


def clean(reading: Reading, device: str, policy: Policy, moment: Moment) -> Record | Rejected:
    """The record of a reading: ranges and clock checked, secrets masked, people under pseudonyms; or why not."""
    fault = _bad_time(reading.at, policy, moment) or out_of_range(reading.data)
    if fault:
        return Rejected(fault, reading.raw, moment.at, reading.state)
    clock = moment.clock if reading.clock is None else reading.clock
    data = _people(reading.data, policy) if _harmless(reading.data) else _struct(reading.data, policy)
    return Record(device, reading.at, data, moment.mono_ms, clock)


def quarantine(rejected: Rejected, device: str) -> Record:
    """The record of what was set aside: at most `MAX_RAW` bytes of it, masked, in base64."""
    raw = mask_bytes(rejected.raw[: MAX_RAW + _LOOK_AHEAD])[:MAX_RAW]  # masked first, so that the cut halves no number
    if len(rejected.raw) == MAX_RAW:  # where drivers cut
        raw = _without_half_number(raw)
    reason = mask(rejected.reason)
    if len(rejected.raw) > MAX_RAW:
        reason = f"{reason} (the first {MAX_RAW} of {len(rejected.raw)} bytes are kept)"
    return Record(device, rejected.at, Quarantine(device, reason, b64encode(raw).decode()))


def _without_half_number(raw: bytes) -> bytes:
    """`raw` without the digits at its end that may be the head of a card number, but for the first six."""
    return raw[:-_LOOK_AHEAD] + _HALF_NUMBER.sub(
        lambda found: found[1] + re.sub(rb"[0-9]", b"*", found[2]), raw[-_LOOK_AHEAD:]
    )


def _bad_time(at: datetime, policy: Policy, moment: Moment) -> str | None:
    if at.tzinfo is None:
        return "the time has no zone; set timezone of the device"
    if at < policy.earliest:
        return f"the time {at:%Y-%m-%d} is before {policy.earliest:%Y}; set the device's clock"
    if at > moment.at + policy.ahead:
        return f"the time {at:%Y-%m-%dT%H:%M:%SZ} is in the future; set the clock of the device or of this box"
    return None


def _harmless(data: Any) -> bool:
    """Whether no text of `data` can hold a secret and no line wants a flag: so it is with nearly every record.

    Told from its JSON in one go, at a fifth of the cost of looking into every field.
    """
    if isinstance(data, PosReceipt):
        return False  # its map may name people
    text = _json.encode(data)
    if b"xp" in text:
        return False  # an expiry may stand alone
    if _THIRTEEN in text.translate(_AS_ZERO, _SEPARATORS) and not all(map(_article, _LONG_RUN.findall(text))):
        return False
    lines = data.lines if isinstance(data, Transaction) else ()
    return all(line.gtin is None or gtin_holds(line.gtin) for line in lines)


def _article(run: bytes) -> bool:
    return run.isdigit() and gtin_holds(run.decode())


def _people(data: Any, policy: Policy) -> Any:
    """`data`, which is harmless, with pseudonyms for people."""
    changes = {
        name: policy.pseudonym(_PEOPLE[name], told)
        for name in _PEOPLE.keys() & data.__struct_fields__
        if (told := getattr(data, name)) is not None
    }
    return msgspec.structs.replace(data, **changes) if changes else data


class _Fields(NamedTuple):
    """The fields of a struct that may hold text, and how to get their values in one go."""

    names: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]


@cache
def _fields(kind: type[msgspec.Struct]) -> _Fields:
    typed = get_type_hints(kind)
    names = tuple(name for name in kind.__struct_fields__ if _may_hold_text(typed[name]))
    return _Fields(names, attrgetter(*names) if len(names) > 1 else lambda data: tuple(getattr(data, n) for n in names))


def _may_hold_text(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return False
    return bool({str, object, tuple, dict} & {annotation, get_origin(annotation), *get_args(annotation)})


def _struct(data: Any, policy: Policy) -> Any:
    changes: dict[str, Any] = {}
    names, values = _fields(data.__class__)
    for name, value in zip(names, values(data), strict=True):
        if value.__class__ is str:
            if len(value) >= _SHORTEST or name in _PEOPLE:
                new = _text(name, value, policy)
                if new != value:
                    changes[name] = new
        elif value:
            new = _nested(name, value, policy)
            if new is not value:
                changes[name] = new
    if data.__class__ in _FLAGGED and (added := _found(data, changes)):
        changes["flags"] = data.flags + added
    return msgspec.structs.replace(data, **changes) if changes else data


def _nested(name: str, value: Any, policy: Policy) -> Any:
    """`value` cleaned; the very same object where nothing in it had to change."""
    if isinstance(value, tuple | list):
        new = [_item(name, item, policy) for item in value]
        return value if all(map(_same, new, value)) else type(value)(new)
    if isinstance(value, Mapping):
        kept = {_text("", key, policy): _item(_key(name, key), item, policy) for key, item in value.items()}
        return value if kept == value else kept
    return _struct(value, policy) if isinstance(value, msgspec.Struct) else value


def _item(name: str, value: Any, policy: Policy) -> Any:
    if isinstance(value, str):
        return _text(name, value, policy)
    return _nested(name, value, policy)


def _key(name: str, key: str) -> str:
    return name if name in _CODES else key


def _same(one: object, other: object) -> bool:
    return one is other


def _text(name: str, value: str, policy: Policy) -> str:
    if name in _PEOPLE:
        return policy.pseudonym(_PEOPLE[name], value)
    if len(value) < _SHORTEST:
        return value
    if name in _IDENTITIES:
        return policy.pseudonym("x-", value) if _holds_card(value) else value
    if name in _CODES:
        return value if gtin_holds(value) else mask_cards(value)
    return mask(value)


def _holds_card(identifier: str) -> bool:
    return mask_cards(identifier) != identifier or any(map(is_card, _LONG_NUMBER.findall(identifier)))


def _found(data: Any, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags to add."""
    flags: list[str] = []
    if changes:
        flags.append(_CARD)
    if data.__class__ is SaleLine and data.gtin is not None and not gtin_holds(data.gtin):
        flags.append(_BAD_GTIN)
    return tuple(flag for flag in flags if flag not in data.flags) if flags else ()
