"""`edge-hq orders`: what boxes were told to do, and telling one to open a new stream."""

from __future__ import annotations

from argparse import Namespace

from hq.commands import Commands, add_data, add_group, add_json


def add(commands: Commands) -> None:
    what = add_group(commands, "orders", "what boxes were told to do and what they answered; give an order")
    listing = what.add_parser("list", help="every order, the newest last, and whether it was obeyed")
    add_data(listing)
    add_json(listing)
    listing.add_argument("--store", metavar="STORE", help="one store only")
    listing.set_defaults(work=_list)
    fresh = what.add_parser("new-stream", help="have a box go on in a new stream, as after a disk that was copied")
    add_data(fresh)
    fresh.add_argument("store", metavar="STORE", help="its store")
    fresh.add_argument("box", metavar="BOX", help="its name")
    fresh.set_defaults(work=_new_stream)


def _list(args: Namespace) -> int:
    from hq.data import Data
    from hq.ordering import print_list

    return print_list(Data(args.data).existing(), args.store, args.json)


def _new_stream(args: Namespace) -> int:
    from hq.data import Data
    from hq.ordering import new_stream

    made = new_stream(Data(args.data).existing(), args.store, args.box)
    again = "" if made else " already"
    print(f"{args.store} {args.box} is{again} told; edge-hq orders list says when it has done it.")
    return 0
