"""One module a command: `add(commands)` declares its arguments, the work is imported when it runs."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "_SubParsersAction[ArgumentParser]"

DEFAULT_CONFIG = Path("/etc/store-edge/store.yaml")


def add_config(command: ArgumentParser) -> None:
    """The `-c` of every command that needs the store's file."""
    command.add_argument(
        "-c", "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="the store's file (%(default)s)"
    )
