"""`edge-agent relay`: becomes the relay, a program that imports nothing of the agent's."""

from __future__ import annotations

import os
import sys
from argparse import Namespace

from edge_agent.commands import Commands
from edge_agent.relay.arguments import arguments


def add(commands: Commands) -> None:
    command = commands.add_parser("relay", help="hand a till's bytes on to its printer, with a copy for the agent")
    arguments(command)
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    told = [
        f"--listen={args.listen}",
        f"--printer={args.printer}",
        f"--copies={args.copies}",
        f"--room-mb={args.room_mb}",
        f"--patience-s={args.patience_s}",
    ]
    os.execv(sys.executable, [sys.executable, "-m", "edge_agent.relay", *told])  # noqa: S606 - our own program
