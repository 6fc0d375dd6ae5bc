"""`edge-hq ingest`: one worker that takes records from the broker into the database."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data


def add(commands: Commands) -> None:
    command = commands.add_parser("ingest", help="take records from the broker into the database; any number may run")
    add_data(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.ingest import main

    return main(args.data)
