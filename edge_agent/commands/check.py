"""`edge-agent check`: every fault of every file at once. Opens no device and no network."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from config import ConfigError, load
from edge_agent.commands import Commands
from edge_agent.exits import Exit


def add(commands: Commands) -> None:
    command = commands.add_parser("check", help="find every fault of store files, touching nothing else")
    command.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a store's YAML file")
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    verdicts = [_is_usable(file) for file in args.files]
    return Exit.DONE if all(verdicts) else Exit.CONFIG


def _is_usable(file: Path) -> bool:
    try:
        config = load(file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return False
    print(f"{file}: ok, store {config.store}, box {config.box}, {len(config.devices)} devices")
    return True
