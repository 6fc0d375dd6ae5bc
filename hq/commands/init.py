"""`edge-hq init`: a headquarters' keys, certificates and choices."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from hq.commands import Commands, add_data
from hq.exits import Exit

if TYPE_CHECKING:
    from hq.headquarters import Wishes


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "init", help="make the data directory, its keys and certificates; keeps what is there"
    )
    add_data(command)
    add_wishes(command)
    command.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="name or address by which boxes reach the broker"
    )
    command.set_defaults(work=_work)


def add_wishes(command: ArgumentParser) -> None:
    """What `init` and `up` may be asked for; it is kept for later starts."""
    command.add_argument("--host", metavar="ADDRESS", help="where broker and console listen (127.0.0.1)")
    command.add_argument("--mqtt-port", type=int, metavar="N", help="port for boxes (a free one)")
    command.add_argument(
        "--websocket-port",
        type=int,
        metavar="N",
        help="port for boxes over a WebSocket, 0 for none (none)",
    )
    command.add_argument("--console-port", type=int, metavar="N", help="port of the console (a free one)")


def wishes(args: Namespace, names: list[str]) -> Wishes:
    from hq.headquarters import Wishes

    return Wishes(tuple(names), args.host, args.mqtt_port, args.console_port, args.websocket_port)


def _work(args: Namespace) -> int:
    from hq.data import Data, host_port
    from hq.headquarters import init, offline_advice, tell_broker

    data = Data(args.data)
    settings = init(data, wishes(args, args.name))
    tell_broker(data)
    print(f"headquarters in {data.root}; boxes reach it at mqtts://{host_port(settings.names[0], settings.mqtt_port)}")
    print(offline_advice(data), end="")
    return Exit.DONE
