"""`edge-hq migrate`: HQ's tables, made or brought up to date."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data
from hq.exits import Exit


def add(commands: Commands) -> None:
    command = commands.add_parser("migrate", help="make HQ's tables or bring them up to date; the database must run")
    add_data(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.data import Data
    from hq.headquarters import migrate

    migrate(Data(args.data).existing())
    return Exit.DONE
