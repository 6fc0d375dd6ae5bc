"""`edge-agent replay`: captured bytes through a driver's decoder and the cleaning."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from edge_agent.commands import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser("replay", help="print the records that captured bytes decode to")
    command.add_argument("driver", metavar="DRIVER", help="`edge-agent drivers` lists them")
    command.add_argument("files", metavar="FILE", nargs="+", type=Path, help="captures, in order; - is standard input")
    command.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], type=setting, help="a setting")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.add_argument("--hex", action="store_true", help="the captures are written in hexadecimal")
    command.set_defaults(work=_work)


def setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ArgumentTypeError(f"'{text}' is not KEY=VALUE")
    return key, value


def _work(args: Namespace) -> int:
    from edge_agent.replay import main

    return main(args.driver, args.files, dict(args.set), as_json=args.json, as_hex=args.hex)
