"""`edge-hq dead-letters`: what could not be stored, looked at, tried again, thrown away."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from hq.commands import Commands, add_data, add_group, add_json


def add(commands: Commands) -> None:
    what = add_group(commands, "dead-letters", "messages that could not be stored: look at them, try again, throw away")
    listing = _declare(what, "list", "those that nobody settled, one a line")
    listing.add_argument("--store", metavar="STORE", help="one store only")
    listing.add_argument("--all", action="store_true", help="those that were settled too")
    listing.set_defaults(work=_list)
    show = _declare(what, "show", "everything about one but its sealed content")
    show.add_argument("number", type=int, metavar="ID", help="its number in the list")
    show.set_defaults(work=_show)
    redrive = _declare(what, "redrive", "try again, after the key, header or release that was missing has come")
    redrive.add_argument("numbers", type=int, nargs="*", metavar="ID", help="which ones (every open one)")
    redrive.set_defaults(work=_redrive)
    discard = _declare(what, "discard", "throw away for good; who did it and why is kept")
    discard.add_argument("numbers", type=int, nargs="+", metavar="ID", help="which ones")
    discard.add_argument("--why", required=True, metavar="TEXT", help="the reason, for the audit")
    discard.set_defaults(work=_discard)


def _declare(what: Commands, name: str, help_: str) -> ArgumentParser:
    command = what.add_parser(name, help=help_)
    add_data(command)
    add_json(command)
    return command


def _list(args: Namespace) -> int:
    from hq.data import Data
    from hq.letters import print_list

    return print_list(Data(args.data).existing(), args.store, args.all, args.json)


def _show(args: Namespace) -> int:
    from hq.data import Data
    from hq.letters import print_one

    return print_one(Data(args.data).existing(), args.number, args.json)


def _redrive(args: Namespace) -> int:
    from hq.data import Data
    from hq.letters import print_redriven

    return print_redriven(Data(args.data).existing(), args.numbers, args.json)


def _discard(args: Namespace) -> int:
    from hq.data import Data
    from hq.letters import print_discarded

    return print_discarded(Data(args.data).existing(), args.numbers, args.why, args.json)
