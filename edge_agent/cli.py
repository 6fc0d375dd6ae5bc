"""The command line of a store's box. Each command is a module in `commands`, which imports its work when it runs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import version

from config import ConfigError
from edge_agent.commands import buffer, check, discover, drivers, models, receipt, relay, replay, run, simulate, status
from edge_agent.exits import Exit

_COMMANDS = (run, check, discover, drivers, models, replay, receipt, simulate, relay, status, buffer)
_CODES = "exit codes: 0 done, 1 failed, 2 usage, 78 configuration"


def parser() -> ArgumentParser:
    """Every command with its arguments; `args.work` is what runs it."""
    top = ArgumentParser("edge-agent", description="Reads a store's devices and keeps every record.", epilog=_CODES)
    top.add_argument("--version", action="version", version=f"edge-agent {version('store-edge')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; usage errors leave through argparse with 2."""
    args = parser().parse_args(argv)
    try:
        return int(args.work(args))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return Exit.CONFIG
