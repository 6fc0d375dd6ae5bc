"""The command line of headquarters. Each command is a module in `commands`, which imports its work when it runs."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import version

from hq.commands import (
    backup,
    completeness,
    dead_letters,
    export,
    ingest,
    init,
    keys,
    migrate,
    orders,
    serve,
    store,
    up,
)
from hq.data import DataError, Failure
from hq.exits import Exit

_COMMANDS = (up, init, store, migrate, ingest, serve, completeness, dead_letters, orders, export, keys, backup)
_CODES = "exit codes: 0 done, 1 failed, 2 usage, 78 configuration"


def parser() -> ArgumentParser:
    """Every command with its arguments; `args.work` is what runs it."""
    top = ArgumentParser("edge-hq", description="Takes every store's records in, once, and shows them.", epilog=_CODES)
    top.add_argument("--version", action="version", version=f"edge-hq {version('store-edge')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code; usage errors leave through argparse with 2."""
    args = parser().parse_args(argv)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of every TLS link that the broker closes
    try:
        return int(args.work(args))
    except DataError as error:
        print(f"edge-hq: {error}", file=sys.stderr)
        return Exit.CONFIG
    except Failure as error:
        print(f"edge-hq: {error}", file=sys.stderr)
        return Exit.FAILED
