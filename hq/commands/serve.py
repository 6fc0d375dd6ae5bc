"""`edge-hq serve`: the console."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data


def add(commands: Commands) -> None:
    command = commands.add_parser("serve", help="serve the console")
    add_data(command)
    command.add_argument("--host", metavar="ADDRESS", help="where it listens (as chosen at init)")
    command.add_argument("--port", type=int, metavar="N", help="its port (as chosen at init)")
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from hq.console.serve import main
    from hq.data import Data

    settings = Data(args.data).settings()
    return main(args.data, args.host or settings.host, args.port or settings.console_port)
