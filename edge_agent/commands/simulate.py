"""`edge-agent simulate`: a driver's device, made up, in the bytes of its real protocol."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace

from edge_agent.commands import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser("simulate", help="play a driver's device")
    command.add_argument("driver", metavar="DRIVER", help="`edge-agent drivers` lists them")
    command.add_argument(
        "--to",
        metavar="PATH|URL",
        help="folder or address to send to; a serial device makes it a link to its port, or prints the port",
    )
    command.add_argument("--count", type=_positive, default=10, metavar="N", help="messages (%(default)s)")
    command.add_argument("--interval-s", type=_seconds, default=1.0, metavar="S", help="between messages (%(default)s)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed says the same (%(default)s)")
    command.set_defaults(work=_work)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError(f"'{text}' is not a number of seconds")
    return seconds


def _work(args: Namespace) -> int:
    from edge_agent.simulate import main

    return main(args.driver, to=args.to, count=args.count, interval_s=args.interval_s, seed=args.seed)
