"""`edge-agent receipt`: what a receipt template reads of a printer's captured bytes, line by line."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from edge_agent.commands import Commands
from edge_agent.commands.replay import setting


def add(commands: Commands) -> None:
    command = commands.add_parser("receipt", help="show what a receipt template reads of captured prints")
    command.add_argument("files", metavar="FILE", nargs="+", type=Path, help="captures; - is standard input")
    command.add_argument(
        "--template", metavar="NAME|FILE", required=True, help="a shipped template, or a file of yours"
    )
    command.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], type=setting, help="a setting")
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from edge_agent.receipt import main

    return main(args.files, args.template, dict(args.set))
