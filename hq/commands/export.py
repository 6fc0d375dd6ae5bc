"""`edge-hq export`: stored records as JSON lines."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data


def add(commands: Commands) -> None:
    command = commands.add_parser("export", help="print stored records, one JSON object a line")
    add_data(command)
    command.add_argument("--store", metavar="STORE", help="one store only")
    command.add_argument("--type", action="append", default=[], metavar="TYPE", help="these record types only")
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.export import main

    return main(args.data, args.store, args.type)
