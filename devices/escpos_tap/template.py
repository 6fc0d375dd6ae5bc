"""Receipt templates: which line of a receipt is its number, its total, a tender, an item.

A template is YAML with patterns (Python's regular expressions) for one line each; `{money}` and `{quantity}` stand for
what such numbers look like. Lines are matched in Unicode's compatibility form (full-width letters, colons and currency
signs are plain ones) and without box-drawing characters. See README.md for the keys.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from devices.escpos_tap.money import MONEY, QUANTITY, NoAmount, amount

_BOXES = re.compile("[\u2500-\u257f\u2581-\u2595]")
_NUMBERS = ("quantity", "unit_price", "extended_amount")
_WORDS = ("item_id", "name", "unit")
_GROUPS = {*_NUMBERS, *_WORDS}
_FOLDER = "templates"


class TemplateError(ValueError):
    """The template cannot be used; the text says why and what to do."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TenderRule(_Part):
    """kind: as records name it; pattern: with the amount as its group."""

    kind: str
    pattern: Patterns


class LineRules(_Part):
    """Items stand after the first line that matches `after` (from the top without it), until one matches `before`.

    items: each one pattern, or several for as many lines; groups item_id, name, quantity, unit, unit_price,
    extended_amount
    """

    after: Patterns = ()
    before: Patterns = ()
    skip: Patterns = ()
    items: tuple[Patterns, ...] = ()


class Template(_Part):
    """What a template file says."""

    description: str = ""
    decimal: Literal[".", ","] = "."
    transaction_id: Patterns = ()
    workstation: Patterns = ()
    total: Patterns = ()
    change: Patterns = ()
    copy_mark: Patterns = Field((), alias="copy")
    tenders: tuple[TenderRule, ...] = ()
    lines: LineRules = Field(default_factory=LineRules)

    @field_validator("lines")
    @classmethod
    def _named_groups(cls, lines: LineRules) -> LineRules:
        for pattern in (pattern for item in lines.items for pattern in item):
            unknown = compiled(pattern).groupindex.keys() - _GROUPS
            if unknown:
                raise ValueError(f"items: unknown group {sorted(unknown)[0]}; there are {', '.join(sorted(_GROUPS))}")
        return lines


class Mark(NamedTuple):
    """What a line of the receipt was taken for."""

    line: str
    taken_for: str


class Read(NamedTuple):
    """fields: as records hold them; marks: one a line; without_copy: the text without lines that say it is a copy."""

    fields: dict[str, object]
    marks: tuple[Mark, ...]
    without_copy: str


def compiled(pattern: str) -> re.Pattern[str]:
    """With its placeholders filled in; `TemplateError` for a bad one."""
    filled = pattern.replace("{money}", MONEY).replace("{quantity}", QUANTITY)
    try:
        return re.compile(filled)  # re keeps the last few hundred
    except re.error as error:
        raise TemplateError(f"pattern {pattern!r}: {error}") from error


def shipped() -> list[str]:
    """Names of the templates that come with the driver."""
    folder = resources.files(__package__) / _FOLDER
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def load(name: str) -> Template:
    """The shipped template of that name, or that of a file; `TemplateError` for what is neither or is wrong."""
    try:
        data = yaml.safe_load(_source(name))
        template = Template.model_validate(data)
        for pattern in _all_patterns(template):
            compiled(pattern)
    except OSError as error:
        raise TemplateError(
            f"{name}: {error.strerror}; there are {', '.join(shipped())}, or give a file's path"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TemplateError(f"{name}: is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise TemplateError(f"{name}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
    return template


def _source(name: str) -> str:
    if name in shipped():
        return (resources.files(__package__) / _FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return Path(name).read_text(encoding="utf-8")


def _all_patterns(template: Template) -> Iterator[str]:
    lines = template.lines
    for patterns in (template.transaction_id, template.workstation, template.total, template.change):
        yield from patterns
    for patterns in (template.copy_mark, lines.after, lines.before, lines.skip, *lines.items):
        yield from patterns
    for tender in template.tenders:
        yield from tender.pattern


def read(template: Template, text: str) -> Read:
    """What the template finds in a receipt's text."""
    return _Reader(template, text).read()


class _Reader:
    def __init__(self, template: Template, text: str) -> None:
        self._template = template
        self._raw = text.split("\n")
        self._lines = [_BOXES.sub(" ", unicodedata.normalize("NFKC", line)).rstrip() for line in self._raw]
        self._marks = [""] * len(self._lines)
        self._fields: dict[str, object] = {}

    def read(self) -> Read:
        template = self._template
        copies = [place for place, line in enumerate(self._lines) if _match(template.copy_mark, line)]
        for place in copies:
            self._marks[place] = "copy"
        self._word("transaction_id", template.transaction_id)
        self._word("workstation", template.workstation)
        self._amount("total", template.total)
        self._amount("change", template.change)
        self._tenders()
        self._items()
        kept = "\n".join(line for place, line in enumerate(self._raw) if place not in copies)
        return Read(self._fields, tuple(map(Mark, self._raw, self._marks)), kept)

    def _found(self, patterns: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
        """Matches in the order of the patterns, then of the lines."""
        for pattern in patterns:
            for place, line in enumerate(self._lines):
                if found := compiled(pattern).search(line):
                    yield place, found

    def _word(self, name: str, patterns: Sequence[str]) -> None:
        for place, found in self._found(patterns):
            if word := _group(found).strip():
                self._fields[name] = word
                self._mark(place, name)
                return

    def _amount(self, name: str, patterns: Sequence[str]) -> None:
        for place, found in self._found(patterns):
            if (value := self._money(_group(found))) is not None:
                self._fields[name] = value
                self._mark(place, name)
                return

    def _tenders(self) -> None:
        tenders: list[tuple[int, dict[str, str]]] = []
        for rule in self._template.tenders:
            for place, found in self._found(rule.pattern):
                value = self._money(_group(found))
                if value is not None and not self._marks[place]:
                    tenders.append((place, {"kind": rule.kind, "amount": value}))
                    self._mark(place, f"tender {rule.kind}")
        if tenders:
            self._fields["tenders"] = [tender for _, tender in sorted(tenders, key=lambda tender: tender[0])]

    def _items(self) -> None:
        found: list[dict[str, object]] = []
        place, end = self._region()
        while place < end:
            taken, item = self._item(place, end)
            if item:
                found.append({"line": len(found) + 1, **item})
            place += taken
        if found:
            self._fields["lines"] = found

    def _region(self) -> tuple[int, int]:
        rules = self._template.lines
        start = 0
        if rules.after:
            heads = (place for place, line in enumerate(self._lines) if _match(rules.after, line))
            start = next(heads, len(self._lines)) + 1
        ends = (place for place in range(start, len(self._lines)) if _match(rules.before, self._lines[place]))
        return start, next(ends, len(self._lines))

    def _item(self, place: int, end: int) -> tuple[int, dict[str, object]]:
        """The item that begins at `place`, and how many lines it has; one line and nothing where there is none."""
        rules = self._template.lines
        if self._marks[place] or not self._lines[place].strip() or _match(rules.skip, self._lines[place]):
            return 1, {}
        for patterns in rules.items:
            lines = self._lines[place : min(place + len(patterns), end)]
            if len(lines) < len(patterns):
                continue
            matches = [compiled(pattern).search(line) for pattern, line in zip(patterns, lines, strict=True)]
            if all(matches):
                item = self._item_of([match for match in matches if match])
                if item:
                    for offset in range(len(patterns)):
                        self._mark(place + offset, "item" if not offset else "item, goes on")
                    return len(patterns), item
        return 1, {}

    def _item_of(self, matches: Sequence[re.Match[str]]) -> dict[str, object]:
        told = {name: text.strip() for match in matches for name, text in match.groupdict().items() if text}
        item: dict[str, object] = {name: told[name] for name in _WORDS if told.get(name)}
        for name in _NUMBERS:
            if name in told:
                value = self._money(told[name])
                if value is None:
                    return {}
                item[name] = value
        return item

    def _money(self, text: str) -> str | None:
        try:
            return str(amount(text, self._template.decimal))
        except NoAmount:
            return None

    def _mark(self, place: int, taken_for: str) -> None:
        self._marks[place] = self._marks[place] or taken_for


def _match(patterns: Sequence[str], line: str) -> bool:
    return any(compiled(pattern).search(line) for pattern in patterns)


def _group(found: re.Match[str]) -> str:
    return (found[1] if found.re.groups else found[0]) or ""
