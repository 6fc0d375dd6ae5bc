"""The relay's command line, without the relay."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def arguments(command: ArgumentParser) -> None:
    """What the relay takes, here and as a command of the agent's."""
    command.add_argument(
        "--listen", metavar="HOST:PORT", default="0.0.0.0:9100",
        help="where tills connect to (%(default)s); left aside when systemd hands the socket over",
    )  # fmt: skip
    command.add_argument("--printer", metavar="HOST:PORT", required=True, help="the receipt printer")
    command.add_argument(
        "--copies", metavar="PATH", type=Path, required=True, help="Unix socket on which the agent reads the copy"
    )
    command.add_argument("--room-mb", metavar="N", type=int, default=16, help="copies kept meanwhile (%(default)s)")
    command.add_argument(
        "--patience-s", metavar="S", type=float, default=3.0,
        help="how long a till waits for a printer that cannot be reached (%(default)s)",
    )  # fmt: skip
