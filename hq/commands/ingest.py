"""`edge-hq ingest`: one worker that takes records from the broker into the database."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hq.commands import Commands, add_data


def add(commands: Commands) -> None:
    command = commands.add_parser("ingest", help="take records from the broker into the database; any number may run")
    add_data(command)
    command.add_argument(
        "--file", type=Path, metavar="FILE", help="take in what `edge-agent buffer export` wrote, and end"
    )
    command.add_argument(
        "--mqtt",
        metavar="URL",
        help="read from the MQTT broker at mqtts://HOST:PORT by a shared subscription, instead of the embedded broker",
    )
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    if args.file is not None:
        from hq import carried

        return carried.main(args.data, args.file)
    from hq.ingest import main

    return main(args.data, args.mqtt)
