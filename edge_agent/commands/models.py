"""`edge-agent models`: the networks that cameras need."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from edge_agent.commands import Commands

FOLDER = Path("/var/lib/store-edge/models")


def add(commands: Commands) -> None:
    command = commands.add_parser("models", help="list or install the networks that cameras need")
    kinds = command.add_subparsers(metavar="list|install", required=True)
    shown = kinds.add_parser("list", help="which there are, and which are installed")
    brought = kinds.add_parser("install", help="bring one, its SHA-256 checked")
    brought.add_argument("name", metavar="NAME", help="its name, such as yolox-nano")
    brought.add_argument("--from", dest="source", metavar="FILE|URL", help="where it is, if not at its pinned address")
    for kind in (shown, brought):
        kind.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER", help="where models lie (%(default)s)")
    shown.set_defaults(work=_list)
    brought.set_defaults(work=_install)


def _list(args: Namespace) -> int:
    from edge_agent.models import listed

    return listed(args.to)


def _install(args: Namespace) -> int:
    from edge_agent.models import install

    return install(args.name, args.source, args.to)
