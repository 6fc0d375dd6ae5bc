"""The models' complaints in our words: what is expected, what was found, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from config.hints import did_you_mean

Facts = Mapping[str, Any]

_LONGEST = 40

# Kind of fault -> what is expected, from the facts that come with it.
_EXPECTED: Mapping[str, Callable[[Facts], str]] = {
    "string_type": lambda _: "must be a text",
    "string_pattern_mismatch": lambda facts: f"must match {facts['pattern']}",
    "string_too_short": lambda facts: f"must have at least {facts['min_length']} characters",
    "string_too_long": lambda facts: f"must have at most {facts['max_length']} characters",
    "too_short": lambda facts: f"must have at least {facts['min_length']} entry",
    "too_long": lambda facts: f"must have at most {facts['max_length']} entries",
    "greater_than": lambda facts: f"must be more than {facts['gt']}",
    "greater_than_equal": lambda facts: f"must be at least {facts['ge']}",
    "less_than": lambda facts: f"must be less than {facts['lt']}",
    "less_than_equal": lambda facts: f"must be at most {facts['le']}",
    "multiple_of": lambda facts: f"must be a multiple of {facts['multiple_of']}",
    "literal_error": lambda facts: f"must be {facts['expected']}",
    "enum": lambda facts: f"must be {facts['expected']}",
    "finite_number": lambda _: "must be a finite number",
}

# The same for kinds that share a beginning: int_type, int_parsing, int_from_float…
_EXPECTED_BY_FAMILY = {
    "int": "must be a whole number",
    "float": "must be a number",
    "decimal": "must be a decimal number",
    "bool": "must be true or false",
    "list": "must be a list (`- ` before each entry)",
    "tuple": "must be a list (`- ` before each entry)",
    "set": "must be a list (`- ` before each entry)",
    "frozen": "must be a list (`- ` before each entry)",
    "dict": "must be a group of `key: value` lines",
    "mapping": "must be a group of `key: value` lines",
    "model": "must be a group of `key: value` lines",
    "path": "must be a path",
    "time": "must be a time of day such as 05:30",
    "date": "must be a date such as 2026-11-21",
    "datetime": "must be a time such as 2026-11-21T09:00:00Z",
    "timezone": "must have an offset such as +08:00",
    "url": "must be an address such as https://example.com",
}


def sentence(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    """What to tell about one fault. model: the one that has, or would have, the key; None where there is none."""
    facts = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return _missing(str(error["loc"][-1]), model)
        case "extra_forbidden":
            return _unknown(str(error["loc"][-1]), model)
        case "value_error" | "assertion_error":
            return str(facts["error"])
        case "driver":
            return error["msg"]
        case kind:
            return f"{_expected(kind, facts) or error['msg']}{_found(kind, error['input'], facts)}"


def _missing(key: str, model: type[BaseModel] | None) -> str:
    field = model.model_fields.get(key) if model else None
    return f"is missing: {field.description}" if field and field.description else "is missing"


def _unknown(key: str, model: type[BaseModel] | None) -> str:
    known = list(model.model_fields) if model else []
    return "unknown key" + (did_you_mean(key, known) or (f"; known here: {', '.join(known)}" if known else ""))


def _expected(kind: str, facts: Facts) -> str | None:
    if kind in _EXPECTED:
        return _EXPECTED[kind](facts)
    return _EXPECTED_BY_FAMILY.get(kind.partition("_")[0])


def _found(kind: str, value: object, facts: Facts) -> str:
    match value:
        case dict():
            return ", found a group of `key: value` lines"
        case list() | tuple():
            return ", found an empty list" if not value else ", found a list"
        case None:
            return ", found nothing"
        case bool() | int() | float() if kind == "string_type":
            return f", found {_yaml(value)}; put it in quotes"
        case str():
            near = did_you_mean(value, re.findall(r"'([^']*)'", str(facts.get("expected", ""))))
            return f", found '{_short(value)}'{near}"
        case _:
            return f", found {_short(_yaml(value))}"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
