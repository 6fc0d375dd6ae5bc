"""`edge-agent status`: what the running daemon says of itself."""

from __future__ import annotations

from argparse import Namespace

from edge_agent.commands import Commands, add_config


def add(commands: Commands) -> None:
    command = commands.add_parser("status", help="ask the running agent how it is")
    add_config(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from edge_agent.status import main

    return main(args.config)
