"""A document and a mapping to readings. What cannot be read is set aside: a line alone, or a record, never the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from devices.driver import Context, Item, Reading, Rejected
from devices.mapping.model import Conditions, Part, RecordMapping, Rule, Value
from devices.mapping.private import is_private, without_private
from devices.mapping.targets import Target, targets
from devices.mapping.tickets import sale_line, tender, transaction
from devices.mapping.values import PADDING, Misfit, decimal, fitted, instant, minor_units, text
from devices.tills import RAW_LIMIT
from records import ClockQuality
from records.types import SaleLine, Tender, Transaction

MOST_LINES = 2000
_ROOT = "$."


@lru_cache(maxsize=1024)  # a mapping has few paths, and every document takes them
def _steps(path: str) -> tuple[bool, tuple[str, ...]]:
    return path.startswith(_ROOT), tuple(path.removeprefix(_ROOT).split("."))


class _Fault(ValueError):
    """The record cannot be made; the text begins with the path that is to blame."""


class Scope(NamedTuple):
    """Where paths begin: at one element, or with `$.` at the whole document."""

    here: Any
    root: Any

    def find(self, path: str) -> Any:
        """What stands there; None where nothing does."""
        rooted, steps = _steps(path)
        value = self.root if rooted else self.here
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list | tuple) and step.isdecimal() and len(step) < 10:
                value = value[int(step)] if int(step) < len(value) else None
            else:
                return None
        return value

    def each(self, path: str | None) -> list[Any]:
        """The elements of a list; one thing alone is a list of it."""
        found = self.here if path is None else self.find(path)
        if found is None or found == "":
            return []
        return list(found) if isinstance(found, list | tuple) else [found]

    def holds(self, conditions: Conditions) -> list[bool]:
        """Whether each condition does; `*` is any value but none."""
        told = {path: _told(self.find(path)) for path in conditions}
        return [told[path] in values or ("*" in values and told[path] != "") for path, values in conditions.items()]


class Mapper:
    """Obeys one mapping."""

    def __init__(self, mapping: RecordMapping, context: Context) -> None:
        self._mapping = mapping
        self._context = context

    def items(self, document: Mapping[str, Any], at: datetime, raw: bytes) -> list[Item]:
        """Readings of a document, and what of it is set aside. at: when it arrived, aware UTC."""
        kept = self.kept(raw)
        items: list[Item] = []
        taken = False
        for rule in self._mapping.records:
            for element in Scope(document, document).each(rule.each):
                scope = Scope(element, document)
                if all(scope.holds(rule.when)):
                    taken = True
                    own = kept if rule.each is None else self.kept(_printed(element, self._mapping.private))
                    items += self._made(rule, scope, at, own)
        if not taken and self._mapping.otherwise == "set-aside":
            items.append(Rejected("no rule of the mapping takes it", kept, at))
        return items

    def kept(self, raw: bytes) -> bytes:
        """What of the bytes may be kept where they are set aside."""
        return without_private(raw, self._mapping.private)[:RAW_LIMIT]

    def _made(self, rule: Rule, scope: Scope, at: datetime, raw: bytes) -> Iterator[Item]:
        rejected: list[Rejected] = []
        try:
            reading = self._reading(rule, scope, at, raw, rejected)
        except _Fault as fault:
            yield Rejected(str(fault), raw, at)
            return
        yield reading
        yield from rejected

    def _reading(self, rule: Rule, scope: Scope, at: datetime, raw: bytes, rejected: list[Rejected]) -> Reading:
        told_at = self._at(rule, scope)
        happened = told_at or at
        fields = self._fields(rule.fields, targets(rule.struct), scope, None)
        data = self._data(rule, fields, scope, happened, rejected)
        clock = ClockQuality.SOURCE if told_at else None
        return Reading(data, happened, clock, _identity(rule, scope), raw=raw)

    def _at(self, rule: Rule, scope: Scope) -> datetime | None:
        if rule.at is None:
            return None
        try:
            told = instant(_found(rule.at, scope), rule.at.format, self._context)
        except Misfit as misfit:
            raise _Fault(f"{_place(rule.at, scope)} {misfit}") from None
        if told is None:
            raise _Fault(f"{_place(rule.at, scope)} is blank, and no record is without a time")
        return told

    def _data(
        self, rule: Rule, fields: dict[str, Any], scope: Scope, at: datetime, rejected: list[Rejected]
    ) -> msgspec.Struct:
        struct = rule.struct
        if not issubclass(struct, Transaction):
            return struct(**fields)
        returned = rule.type == "pos.return"
        currency = fields.get("currency") or self._context.currency
        lines = [
            sale_line(told, negative=negative, returned=returned)
            for told, negative in self._parts(rule.lines, SaleLine, scope, currency, at, rejected)
        ]
        tenders = [
            tender(told, negative=negative)
            for told, negative in self._parts(rule.tenders, Tender, scope, currency, at, rejected)
        ]
        return transaction(struct, fields, (lines, tenders), at, self._context)

    def _parts(
        self,
        part: Part | None,
        struct: type[msgspec.Struct],
        scope: Scope,
        currency: str | None,
        at: datetime,
        rejected: list[Rejected],
    ) -> Iterator[tuple[dict[str, Any], bool]]:
        """What is told of each line or tender, and whether it counts backwards."""
        elements = scope.each(part.each) if part else []
        if part and len(elements) > MOST_LINES:
            raise _Fault(f"{part.each or 'the list'} has more than {MOST_LINES} entries")
        for number, element in enumerate(elements):
            row = Scope(element, scope.root)
            if part is None or not all(row.holds(part.when)):
                continue
            try:
                yield (
                    self._fields(part.fields, targets(struct), row, currency),
                    sum(row.holds(part.negative_when)) % 2 == 1,
                )
            except _Fault as fault:
                raw = self.kept(_printed(element, self._mapping.private))
                rejected.append(Rejected(f"{part.each or 'it'}.{number}.{fault}", raw, at))

    def _fields(
        self, sources: Mapping[str, Value], known: Mapping[str, Target], scope: Scope, currency: str | None
    ) -> dict[str, Any]:
        """Every field that has a value. The currency comes first, since amounts may go by it."""
        told: dict[str, Any] = {}
        for name in sorted(sources, key=lambda name: name != "currency"):
            source, target = sources[name], known[name]
            value = self._value(source, target, scope, told.get("currency") or currency or self._context.currency)
            if value is not None:
                told[target.name] = value
            elif target.required:
                raise _Fault(f"{_place(source, scope)} is blank, which is the {name}")
        return told

    def _value(self, source: Value, target: Target, scope: Scope, currency: str | None) -> Any:
        try:
            found = _found(source, scope)
            if source.values:
                found = _meant(source, text(found))
            if source.minor_units is None:
                return fitted(found, target, source.format, self._context)
            amount = decimal(found)
            places = minor_units(currency) if source.minor_units == "currency" else source.minor_units
            return None if amount is None else amount.scaleb(-places)
        except Misfit as misfit:
            raise _Fault(f"{_place(source, scope)} {misfit}") from None


def _found(source: Value, scope: Scope) -> Any:
    """The constant, or the first path's value that is one."""
    if source.value is not None:
        return source.value
    for path in source.path:
        value = scope.find(path)
        if not _blank(value):
            return value
    return None


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(PADDING))


def _meant(source: Value, told: str | None) -> str | None:
    if told is None:
        return None
    meant = source.values.get(told, source.values.get("*"))
    if meant is None:
        raise Misfit("has a value that the mapping's `values` do not name")
    return meant


def _place(source: Value, scope: Scope) -> str:
    """The path to blame: the one that was taken, else the first."""
    paths = source.path or ("the constant",)
    return next((path for path in paths if not _blank(scope.find(path))), paths[0])


def _told(value: object) -> str | None:
    """For comparing: a value as text, None for what is no single value."""
    try:
        return text(value) or ""
    except Misfit:
        return None


def _identity(rule: Rule, scope: Scope) -> str | None:
    if not rule.identity:
        return None
    told = [_told(scope.find(path)) or "" for path in rule.identity]
    return f"{rule.type} {' '.join(told)}" if any(told) else None


def _printed(element: object, private: tuple[str, ...]) -> bytes:
    """An element as JSON, of which nothing private is left."""
    if isinstance(element, Mapping):
        element = {name: value for name, value in element.items() if not is_private(str(name), private)}
    return json.dumps(element, default=str, ensure_ascii=False).encode("utf-8", "surrogateescape")
