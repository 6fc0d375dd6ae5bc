"""Settings as rows that a person reads, for `edge-agent drivers`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

Schema = Mapping[str, Any]

_KINDS = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "nothing",
    "number": "number",
    "object": "group",
    "string": "text",
}
_FORMATS = {"path": "path", "time": "time of day"}


class Setting(NamedTuple):
    """One line of a reference.

    name: dotted; `<name>` stands for a key that the user chooses
    default: as it would be written in YAML; empty when there is none
    """

    name: str
    kind: str
    default: str
    required: bool
    description: str


def settings(model: type[BaseModel]) -> list[Setting]:
    """Every setting of the model in its own order, those of a group behind the group's name."""
    schema = model.model_json_schema()
    return list(_rows(schema, schema.get("$defs", {}), ""))


def _rows(schema: Schema, known: Schema, prefix: str) -> Iterator[Setting]:
    required = schema.get("required", ())
    for name, own in schema.get("properties", {}).items():
        field = _resolved(own, known)
        is_group = "properties" in field
        default = "" if is_group or own.get("default") is None else _yaml(own["default"])
        if not is_group or name in required:
            yield Setting(prefix + name, _kind(field, known), default, name in required, own.get("description", ""))
        if is_group:
            yield from _rows(field, known, f"{prefix}{name}.")


def _resolved(schema: Schema, known: Schema) -> Schema:
    """Without indirection: a reference's target, and of `X or nothing` the X."""
    if "$ref" in schema:
        return _resolved(known[schema["$ref"].rpartition("/")[2]], known)
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    return _resolved(branches[0], known) if len(branches) == 1 else schema


def _kind(schema: Schema, known: Schema) -> str:
    if "enum" in schema:
        return ", ".join(map(_yaml, schema["enum"]))
    if "const" in schema:
        return _yaml(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(_resolved(part, known), known) for part in schema["anyOf"]))
    kind = _FORMATS.get(schema.get("format", "")) or _KINDS.get(schema.get("type", ""), "any")
    if "items" in schema:
        return f"list of {_kind(_resolved(schema['items'], known), known)}s"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"group of {_kind(_resolved(schema['additionalProperties'], known), known)}s by name"
    return kind + _bounds(schema)


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None or high is not None:
        return f", at least {low}" if high is None else f", at most {high}"
    return f" like `{schema['pattern']}`" if "pattern" in schema else ""


def _yaml(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else json.dumps(value, ensure_ascii=False)
