"""`edge-hq keys`: what signs, opens and is pinned; changing it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from hq.commands import Commands, add_data, add_group, add_json
from hq.exits import Exit

if TYPE_CHECKING:
    from hq.data import Data

_RESTART = "Restart edge-hq up (or its workers): they read the keys when they start."


def add(commands: Commands) -> None:
    what = add_group(commands, "keys", "headquarters' keys: list, renew, replace")
    listing = what.add_parser("list", help="every key by its public half; nothing secret")
    add_data(listing)
    add_json(listing)
    listing.set_defaults(work=_list)
    signer = _with_root(what, "new-signer", "a fresh key to sign with, under the next serial; needs the root")
    signer.add_argument("name", choices=["receipt", "operations"], help="which of the two")
    signer.add_argument(
        "--above", type=int, default=0, metavar="SERIAL", help="a serial that was used and may be forgotten here"
    )
    signer.set_defaults(work=_new_signer)
    lowest = _with_root(what, "raise-lowest", "end every signing key below a serial, for ever; needs the root")
    lowest.add_argument("serial", type=int, help="the lowest serial that boxes still accept")
    lowest.set_defaults(work=_raise_lowest)
    root = _with_root(what, "succeed-root", "a new root, named by the old one; needs the old one")
    root.set_defaults(work=_succeed_root)
    sealing = what.add_parser("new-sealing", help="a fresh sealing key, not yet announced: back it up first")
    add_data(sealing)
    sealing.set_defaults(work=_new_sealing)
    announce = what.add_parser("announce", help="have boxes seal to a key of which a backup was verified")
    add_data(announce)
    announce.add_argument("key_id", metavar="ID", help="the key's id, 16 hexadecimal digits")
    announce.add_argument(
        "--backup", type=Path, required=True, metavar="PATH", help="what edge-hq backup made, or a copy of its file"
    )
    announce.set_defaults(work=_announce)


def _with_root(what: Commands, name: str, help_: str) -> ArgumentParser:
    command = what.add_parser(name, help=help_)
    add_data(command)
    command.add_argument("--root", type=Path, metavar="FILE", help="the root's private key (DATA/offline/root.key)")
    return command


def _list(args: Namespace) -> int:
    from hq.data import Data
    from hq.key_list import main

    return main(Data(args.data).existing(), args.json)


def _new_signer(args: Namespace) -> int:
    from hq.rotation import new_signer

    proof = new_signer(_data(args), args.name, args.above, _root(args))
    print(f"the {args.name} key has serial {proof.serial} now. {_RESTART}")
    return Exit.DONE


def _raise_lowest(args: Namespace) -> int:
    from hq.rotation import raise_lowest

    raise_lowest(_data(args), args.serial, _root(args))
    print(f"boxes that hear of it refuse keys below serial {args.serial}. {_RESTART}")
    return Exit.DONE


def _succeed_root(args: Namespace) -> int:
    from hq.rotation import succeed_root

    place = succeed_root(_data(args), _root(args))
    print(f"the new root is {place}: move it to two safe places without network, and delete it here.")
    print(f"Keep the old one until every box was seen since. {_RESTART}")
    return Exit.DONE


def _new_sealing(args: Namespace) -> int:
    from hq.rotation import new_sealing

    key_id = new_sealing(_data(args)).hex()
    print(f"sealing key {key_id} is made; nobody seals to it yet. {_RESTART}")
    print(f"Then: edge-hq backup DIR, and: edge-hq keys announce {key_id} --backup DIR")
    return Exit.DONE


def _announce(args: Namespace) -> int:
    from hq.announcing import announce

    boxes = announce(_data(args), args.key_id, args.backup)
    print(f"{args.key_id} is announced: {boxes} boxes are told, new ones get it with their bundle.")
    return Exit.DONE


def _data(args: Namespace) -> Data:
    from hq.data import Data

    return Data(args.data).existing()


def _root(args: Namespace) -> Path:
    return Path(args.root) if args.root else _data(args).offline / "root.key"
