"""`edge-hq up`: everything on one machine."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data
from hq.commands.init import add_wishes, wishes


def add(commands: Commands) -> None:
    command = commands.add_parser("up", help="run broker, database, ingest and console; makes what is missing")
    add_data(command)
    add_wishes(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.data import Data
    from hq.up import up

    return up(Data(args.data), wishes(args, []))
