"""docs/reference/ is written from the code, and a difference is noticed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from records import RECORD_TYPES
from scripts import reference

HEADED = "# x\n"


class Wheel(BaseModel):
    size_mm: int = Field(ge=1, le=900, description="across")


class Cart(BaseModel):
    colour: Literal["red", "blue"] = Field("red", description="of paint | varnish")
    axle: Wheel
    spare: tuple[Wheel, ...] = ()
    note: str | None = None


def test_every_field_of_every_part_has_a_row() -> None:
    """Parts and lists of parts are listed by path, with bounds, choices and defaults."""
    schema = Cart.model_json_schema()

    assert list(reference.fields(schema, schema["$defs"])) == [
        reference.Field("colour", "`red` \\| `blue`", "`red`", "of paint | varnish"),
        reference.Field("axle.size_mm", "integer 1 to 900", None, "across"),
        reference.Field("spare", "list", "", ""),
        reference.Field("spare[].size_mm", "integer 1 to 900", None, "across"),
        reference.Field("note", "text", "", ""),
    ]


def test_every_record_type_and_field_is_listed() -> None:
    """Each record type has its section, with all its own fields."""
    sections = reference.record_types().split("\n## ")[1:]

    assert [section.partition("\n")[0] for section in sections] == list(RECORD_TYPES)
    for section, kind in zip(sections, RECORD_TYPES.values(), strict=True):
        assert [name for name in kind.struct.__struct_encode_fields__ if f"\n| `{name}` |" not in section] == []


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("cart", description="Pushes a cart.")
    commands = made.add_subparsers()
    push = commands.add_parser("push", help="push it along")
    push.add_argument("-f", "--force", type=float, required=True, help="newtons, 100%% of them")
    push.add_argument("where", nargs="+", help="places (%(default)s)")
    return made


def test_every_command_and_argument_is_listed() -> None:
    """A command's page names each subcommand, what it does and what it takes."""
    assert reference.commands(parser()) == (
        "# cart\n\nPushes a cart.\n\n## cart push\n\nPush it along.\n\n"
        "| argument | meaning |\n| --- | --- |\n"
        "| `-f, --force FORCE` | newtons, 100% of them (required) |\n"
        "| `WHERE...` | places (None) |\n"
    )


def test_an_argument_without_help_is_refused() -> None:
    """Nothing can be added to a command without a word on what it does."""
    made = parser()
    made.add_argument("--silent", action="store_true")

    with pytest.raises(SystemExit, match=r"--silent.* has no help text"):
        reference.commands(made)


def test_what_was_written_does_not_drift(tmp_path: Path) -> None:
    """Pages just written are what the code says, and leftovers of earlier pages are gone."""
    (tmp_path / "old.md").write_text(HEADED)
    reference.write(tmp_path, {"new.md": HEADED})

    assert [file.name for file in tmp_path.iterdir()] == ["new.md"]
    assert reference.drift(tmp_path, {"new.md": HEADED}) == ""


@pytest.mark.parametrize("found", [{"new.md": "# y\n"}, {}, {"new.md": HEADED, "old.md": HEADED}])
def test_drift_is_shown(tmp_path: Path, found: dict[str, str]) -> None:
    """A page that was edited, is missing or is left over shows up as a diff."""
    for name, text in found.items():
        (tmp_path / name).write_text(text)

    assert "docs/reference/" in reference.drift(tmp_path, {"new.md": HEADED})
