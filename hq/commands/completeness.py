"""`edge-hq completeness`: what is missing, counted by stream and lane."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data, add_json


def add(commands: Commands) -> None:
    command = commands.add_parser("completeness", help="count what is stored and what is missing, by stream and lane")
    add_data(command)
    command.add_argument("--store", metavar="STORE", help="one store only")
    add_json(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.completeness import main

    return main(args.data, args.store, args.json)
