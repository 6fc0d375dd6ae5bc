"""Writes docs/reference/ from the code, so that commands, settings and record types are stated once.

Both pydantic and msgspec say what they hold as JSON Schema; one renderer here turns either into tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from difflib import unified_diff
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

import edge_agent.cli
import hq.cli
from cloud_sync.wire.downlink import SHAPES
from cloud_sync.wire.heartbeat import KINDS
from config.store import StoreConfig
from devices.options import Options
from devices.registry import BUILT_IN, driver
from records import RECORD_TYPES

PLACE = Path(__file__).resolve().parent.parent / "docs" / "reference"
HEAD = "<!-- Written by scripts/docs from the code; change it there. -->\n\n"

Schema = Mapping[str, Any]

_FORMATS = {
    "date": "date",
    "decimal": "decimal",
    "path": "path",
    "time": "time of day",
}
_PLAIN = {"boolean": "yes or no", "integer": "integer", "number": "number", "string": "text", "object": "map"}
_OTHER = (argparse._SubParsersAction, argparse._HelpAction)


class Field(NamedTuple):
    """One row of a table. `path`: dotted, `[]` after what is a list; default: None when the field is required."""

    path: str
    kind: str
    default: str | None
    meaning: str


def fields(schema: Schema, defs: Schema, prefix: str = "") -> Iterator[Field]:
    """Every field that a schema of an object names, those of its parts after the part they belong to."""
    for name, given in schema.get("properties", {}).items():
        part = _resolved(given, defs)
        path = f"{prefix}{name}"
        default = _default(given) if name not in schema.get("required", ()) else None
        item = _resolved(part.get("items", {}), defs)
        if "properties" in part:
            yield from fields(part, defs, f"{path}.")
        else:
            yield Field(path, _kind(part, defs), default, given.get("description", ""))
            yield from fields(item, defs, f"{path}[].")


def _resolved(schema: Schema, defs: Schema) -> Schema:
    """Without references, and without the null that an optional value may be."""
    if "$ref" in schema:
        return _resolved(defs[schema["$ref"].rpartition("/")[2]], defs)
    real = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    return _resolved(real[0], defs) if len(real) == 1 else schema


def _kind(schema: Schema, defs: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return " \\| ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        item = _resolved(schema.get("items", {}), defs)
        return "list" if "properties" in item else f"list of {_kind(item, defs)}"
    named = _FORMATS.get(schema.get("format", "")) or _PLAIN.get(schema.get("type", ""), "any")
    return named + _bounds(schema) + (f" like `{_cell(schema['pattern'])}`" if "pattern" in schema else "")


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low} to {high}"
    return f" from {low}" if low is not None else f" to {high}" if high is not None else ""


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value in (None, "", [], {}) else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def settings(model: type[StoreConfig] | type[Options], common: Set[str] = frozenset()) -> str:
    """A table of what a model of the configuration takes, without what is `common` to many."""
    schema = model.model_json_schema()
    rows = (
        (f"`{field.path}`", field.kind, "required" if field.default is None else field.default, _cell(field.meaning))
        for field in fields(schema, schema.get("$defs", {}))
        if field.path not in common
    )
    return table(["setting", "value", "default", "meaning"], rows)


def configuration() -> str:
    text = "# A store's configuration\n\nOne YAML file a store; `edge-agent check` reads it as the agent does.\n\n"
    text += settings(StoreConfig) + "\nWhat else a device entry takes depends on its `driver`.\n"
    for name in sorted(BUILT_IN):
        text += f"\n## {name}\n\n{settings(driver(name).options, Options.model_fields.keys())}"
    return text


def _times(struct: type[msgspec.Struct]) -> set[str]:
    """The fields that hold a time: msgspec's schema names the format only of a time that must have an offset."""
    return {
        field.encode_name for field in msgspec.structs.fields(struct) if datetime in (field.type, *get_args(field.type))
    }


def _anything(_: type) -> dict[str, Any]:
    """A value that the record type leaves open."""
    return {"title": "any"}


def record_types() -> str:
    text = "# Record types\n\nDecimals are strings in JSON; times are RFC 3339 in UTC; what is absent is unknown.\n"
    for kind in sorted(RECORD_TYPES.values(), key=lambda kind: kind.id):
        schema = msgspec.json.schema(kind.struct, schema_hook=_anything)
        defs = schema["$defs"]
        own = _resolved(schema, defs)
        text += f"\n## {kind.name}\n\n"
        text += f"Lane {kind.lane.name.lower()}, wire number {kind.id}, version {kind.version}.\n\n"
        text += f"{own['description']}\n\n" if "description" in own else ""
        times = _times(kind.struct)
        rows = (
            (f"`{f.path}`", "time" if f.path in times else f.kind, "required" if f.default is None else "")
            for f in fields(own, defs)
        )
        text += table(["field", "value", ""], rows)
    return text


def schemas(shapes: Mapping[str, type[msgspec.Struct]], title: str) -> str:
    """A JSON Schema (2020-12) whose `$defs` hold every shape and what it is made of; `properties` name the shapes.

    Bytes are MessagePack's binary on the wire and Base64 where JSON shows them.
    """
    refs, defs = msgspec.json.schema_components(
        list(shapes.values()), schema_hook=_anything, ref_template="#/$defs/{name}"
    )
    for part in defs.values():
        if "description" in part:
            part["description"] = cleandoc(part["description"])
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": dict(zip(shapes, refs, strict=True)),
        "$defs": defs,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def record_schemas() -> str:
    kinds = sorted(RECORD_TYPES.values(), key=lambda kind: kind.id)
    return schemas({kind.name: kind.struct for kind in kinds}, "What a record of each type holds in data")


def wire_schemas() -> str:
    said = {kind.name.lower(): shape for shape, kind in KINDS.items()}
    down = {kind.name.lower(): shape for kind, shape in SHAPES.items()}
    return schemas({**said, **down}, "Bodies of what boxes say and of what headquarters sends down")


def commands(parser: argparse.ArgumentParser) -> str:
    """A page of a command and all its subcommands; the same whichever Python formats it."""
    return "\n\n".join(_command(parser, "#", parser.description)) + "\n"


def _command(parser: argparse.ArgumentParser, level: str, summary: str | None) -> Iterator[str]:
    yield f"{level} {parser.prog}"
    if summary:
        yield summary[0].upper() + summary[1:].removesuffix(".") + "."
    plain = [
        action for action in parser._actions if not isinstance(action, _OTHER) and action.help != argparse.SUPPRESS
    ]
    if plain:
        yield table(["argument", "meaning"], ((_argument(action), _meaning(action)) for action in plain)).rstrip()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield from _command(command, "##", command.description or helps.get(name))


def _argument(action: argparse.Action) -> str:
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices is not None else action.dest.upper()
    )
    value = "" if action.nargs == 0 else value if isinstance(value, str) else " ".join(value)
    value += "..." if action.nargs in ("*", "+") else ""
    return f"`{_cell(', '.join(action.option_strings) + ' ' + value)}`"


def _meaning(action: argparse.Action) -> str:
    if not action.help:
        raise SystemExit(f"docs: {_argument(action)} has no help text; say there what it does")
    text = _cell(action.help % vars(action))
    return text + (" (required)" if action.required and action.option_strings else "")


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {
        "configuration.md": HEAD + configuration(),
        "edge-agent.md": HEAD + commands(edge_agent.cli.parser()),
        "edge-hq.md": HEAD + commands(hq.cli.parser()),
        "record-types.md": HEAD + record_types(),
        "record-types.schema.json": record_schemas(),
        "wire.schema.json": wire_schemas(),
    }


def _files(place: Path) -> list[Path]:
    return [file for file in place.iterdir() if file.suffix in (".md", ".json")]


def write(place: Path, wanted: Mapping[str, str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for stale in _files(place):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (place / name).write_text(text, "utf-8")


def drift(place: Path, wanted: Mapping[str, str]) -> str:
    """What differs between the files and the code, as a diff; empty when nothing does."""
    found = {file.name: file.read_text("utf-8") for file in _files(place)}
    return "".join(
        line
        for name in sorted(found.keys() | wanted.keys())
        for line in unified_diff(
            found.get(name, "").splitlines(keepends=True),
            wanted.get(name, "").splitlines(keepends=True),
            f"docs/reference/{name}",
            "from the code",
        )
    )


def main() -> int:
    arguments = argparse.ArgumentParser(prog="docs", description="Writes docs/reference/ from the code.")
    arguments.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    if not arguments.parse_args().check:
        write(PLACE, pages())
        return 0
    difference = drift(PLACE, pages())
    sys.stdout.write(difference)
    if difference:
        print("docs: docs/reference/ is not what the code says; run scripts/docs", file=sys.stderr)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
