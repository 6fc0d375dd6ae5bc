"""One module a command: `add(commands)` declares its arguments, the work is imported when it runs."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "_SubParsersAction[ArgumentParser]"

DEFAULT_DATA = Path("/var/lib/store-edge-hq")


def add_data(command: ArgumentParser) -> None:
    """The `--data` of every command."""
    command.add_argument(
        "--data", type=_absolute, default=DEFAULT_DATA, metavar="DIR", help="headquarters' data directory (%(default)s)"
    )


def add_json(command: ArgumentParser) -> None:
    """The `--json` of every command that answers people in lines."""
    command.add_argument("--json", action="store_true", help="JSON instead of lines")


def add_group(commands: Commands, name: str, help_: str) -> Commands:
    """A command that has commands of its own."""
    group = commands.add_parser(name, help=help_)
    return group.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _absolute(text: str) -> Path:
    return Path(text).resolve()
