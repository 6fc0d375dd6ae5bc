"""`edge-agent buffer`: what the buffer holds, whether it is whole, and ways out of it and into it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from edge_agent.commands import Commands, add_config


def add(commands: Commands) -> None:
    command = commands.add_parser("buffer", help="look into the buffer, running or not")
    asked = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _one(asked, "status", "lanes, unsent batches, bytes, and hours until it is full")
    _one(asked, "verify", "check every row, batch and epoch header, and name what is damaged")
    export = _one(asked, "export", "write what headquarters does not have into a file, sealed as it is")
    export.add_argument("file", type=Path, metavar="FILE", help="the file to write; it must not exist")
    salvage = _one(asked, "salvage", "take in what a set-aside buffer file still holds")
    salvage.add_argument("file", type=Path, metavar="FILE", help="the set-aside file (*.damaged-*)")
    salvage.add_argument("--dry-run", action="store_true", help="only tell what it holds")


def _one(asked: Commands, name: str, what: str) -> ArgumentParser:
    command = asked.add_parser(name, help=what)
    add_config(command)
    command.add_argument("--json", action="store_true", help="one JSON object")
    command.set_defaults(work=_work, asked=name)
    return command


def _work(args: Namespace) -> int:
    from edge_agent import buffer_command

    name = "look" if args.asked == "salvage" and args.dry_run else args.asked
    command = buffer_command.Command(args.config, args.json, getattr(args, "file", None))
    return buffer_command.run(getattr(buffer_command, name), command)
