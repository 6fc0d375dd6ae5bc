"""`edge-agent run`: the daemon."""

from __future__ import annotations

from argparse import Namespace

from edge_agent.commands import Commands, add_config


def add(commands: Commands) -> None:
    command = commands.add_parser("run", help="read the devices, keep and send their records until stopped")
    add_config(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    from edge_agent.run import main

    return main(args.config)
