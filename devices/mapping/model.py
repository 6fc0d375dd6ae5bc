"""What a mapping may say, checked against the record types before anything is read.

    records:
      - type: pos.sale
        each: data.payments          # where the records stand; left out: the document is one
        when: {status: COMPLETED}
        at: created_at
        fields:
          transaction_id: id
          total: {path: money.amount, minor_units: currency}
        lines:
          each: items
          fields: {item_id: sku, quantity: qty, extended_amount: amount}

A path is names between dots, a number where it goes into a list, `$.` before it to begin at the document. Where several
stand in a list, the first that has a value is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, Self

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from devices.mapping.private import is_private
from devices.mapping.targets import SOURCES, Target, parts, targets
from records import RECORD_TYPES

StructType = type[msgspec.Struct]


def _scalar(value: object) -> object:
    """YAML's bare numbers and yes or no as the text that they are in a document."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _known(name: str) -> str:
    if name not in SOURCES:
        near = get_close_matches(name, SOURCES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f": {', '.join(SOURCES)}"
        raise ValueError(f"must be a record type that a source can speak of{hint}")
    return name


def _dotted(path: str) -> str:
    if not all(step.strip() for step in path.split(".")):
        raise ValueError("must be names with dots between them, such as payment.amount")
    return path


Path = Annotated[str, BeforeValidator(_scalar), AfterValidator(_dotted)]
Text = Annotated[str, BeforeValidator(_scalar)]
Conditions = dict[Path, Annotated[tuple[Text, ...], BeforeValidator(_listed)]]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(_Part):
    """Where a field's value comes from, and how it is read. A bare text is its path."""

    path: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = Field(
        (), description="where it stands; of several the first that has a value"
    )
    value: Text | None = Field(None, description="a constant instead of a path")
    minor_units: Annotated[int, Field(ge=0, le=4)] | Literal["currency"] | None = Field(
        None, description="decimal places by which a whole amount is divided, 2 for cents; currency: as it has"
    )
    values: dict[Text, Text] = Field({}, description="what stands there: what it means; `*` for all others")
    format: str | None = Field(None, description="of a time: strptime's directives, epoch-s or epoch-ms")
    optional: bool = Field(False, description="of a database: the column may be missing")

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        if bool(self.path) == (self.value is not None):
            raise ValueError("needs either path or value")
        if self.format is not None and "%" not in self.format and self.format not in ("epoch-s", "epoch-ms"):
            raise ValueError("format must be strptime's directives such as %Y-%m-%d %H:%M:%S, or epoch-s or epoch-ms")
        return self


def _whole(value: object) -> object:
    return {"path": value} if isinstance(value, str | int | list | tuple) else value


Source = Annotated[Value, BeforeValidator(_whole)]


class Part(_Part):
    """Lines or tenders."""

    each: Path | None = Field(None, description="the list in which they stand; left out: the record itself is one")
    when: Conditions = Field({}, description="which of them count: path: value, or a list of values, `*` for any")
    negative_when: Conditions = Field(
        {}, description="amounts and quantities are negative when one holds; two that hold cancel out"
    )
    fields: dict[str, Source] = Field(description="field of the record: where its value stands")


class Rule(_Part):
    """What makes a record of one type."""

    type: Annotated[str, AfterValidator(_known)] = Field(description="the record's type")
    each: Path | None = Field(None, description="where the records stand; left out: the document is one")
    when: Conditions = Field({}, description="path: value, or a list of values, `*` for any; all must hold")
    at: Source | None = Field(None, description="the source's own time of the event; left out: when it arrived")
    identity: tuple[Path, ...] = Field((), description="paths that tell an event that is sent again")
    fields: dict[str, Source] = Field(description="field of the record: where its value stands")
    lines: Part | None = Field(None, description="lines of a transaction")
    tenders: Part | None = Field(None, description="payments of a transaction")

    @property
    def struct(self) -> StructType:
        return RECORD_TYPES[self.type].struct

    @model_validator(mode="after")
    def _fits_the_record_type(self) -> Self:
        faults = [*_faults(self.struct, self.fields, ()), *self._part_faults()]
        if faults:
            raise ValidationError.from_exception_data("mapping", [_detail(loc, message) for loc, message in faults])
        return self

    def _part_faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        known = parts(self.struct)
        for name, part in (("lines", self.lines), ("tenders", self.tenders)):
            if part is None:
                continue
            if name in known:
                yield from _faults(known[name], part.fields, (name,))
            else:
                yield (name,), f"a {self.type} has none; remove it"


class RecordMapping(_Part):
    """From a source's documents to records."""

    format: Literal["json", "xml", "form"] = Field("json", description="how documents are written")
    records: tuple[Rule, ...] = Field(min_length=1, description="rules; every one that fits a document makes records")
    otherwise: Literal["set-aside", "drop"] = Field(
        "set-aside", description="what happens to a document that no rule takes"
    )
    private: tuple[str, ...] = Field((), description="names whose values are never kept, beside the usual ones")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> Self:
        for path in self.paths():
            if is_private(path.rpartition(".")[2], self.private):
                raise ValueError(f"{path} is a secret or a person's account, which no record keeps; map another value")
        return self

    def paths(self) -> Iterator[str]:
        """Every path from which a value is kept."""
        for rule in self.records:
            yield from rule.identity
            fields = [*rule.fields.values(), *([rule.at] if rule.at else [])]
            for part in (rule.lines, rule.tenders):
                fields += part.fields.values() if part else []
            for value in fields:
                yield from value.path


def _faults(
    struct: type[msgspec.Struct], fields: Mapping[str, Value], place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    known = targets(struct)
    for name, value in fields.items():
        here = (*place, "fields", name)
        target = known.get(name)
        if target is None:
            near = get_close_matches(name, known, n=1)
            yield here, f"no such field{f'; did you mean {near[0]}?' if near else ': ' + ', '.join(known)}"
        elif message := _misfit(value, target):
            yield here, message
    for name, target in known.items():
        if target.required and name not in fields:
            yield (*place, "fields", name), f"{name} is missing: say where its value stands"


def _misfit(value: Value, target: Target) -> str | None:
    if value.minor_units is not None and target.kind != "decimal":
        return "minor_units is for amounts"
    if value.format is not None and target.kind not in ("time", "day"):
        return "format is for times and days"
    wrong = [said for said in value.values.values() if target.choices and said not in target.choices]
    if target.choices and value.value is not None and value.value not in target.choices:
        wrong.append(value.value)
    return f"must be one of {', '.join(target.choices)}, not {wrong[0]}" if wrong else None


def _detail(loc: tuple[str, ...], message: str) -> InitErrorDetails:
    error = PydanticCustomError("value_error", "{error}", {"error": message})
    return InitErrorDetails(type=error, loc=loc, input=None)
