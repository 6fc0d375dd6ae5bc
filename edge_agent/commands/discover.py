"""`edge-agent discover`: what is plugged in, as YAML to paste."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, Namespace

from edge_agent.commands import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser("discover", help="print what is plugged in, as device entries to paste")
    command.add_argument(
        "--host",
        metavar="HOST",
        action="append",
        default=[],
        type=_host,
        help="also look at this address for a printer or a counter; may be repeated, no other address is asked",
    )
    command.set_defaults(work=_work)


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", text):
        raise ArgumentTypeError(f"'{text}' is no host name or address")
    return text


def _work(args: Namespace) -> int:
    from edge_agent.discover import main

    return main(args.host)
