"""`edge-hq store`: let boxes in, list them, shut them out."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hq.commands import Commands, add_data, add_group
from hq.exits import Exit

BOX = "box-1"


def add(commands: Commands) -> None:
    what = add_group(commands, "store", "let boxes in, list them, shut them out")
    _declare_add(what)
    listing = what.add_parser("list", help="every box, one a line")
    add_data(listing)
    listing.set_defaults(work=_list)
    revoke = what.add_parser("revoke", help="shut a box out at once; what it sent stays")
    add_data(revoke)
    revoke.add_argument("store", metavar="STORE", help="the store's name")
    revoke.add_argument("--box", default=BOX, help="the mini-PC's name (%(default)s)")
    revoke.set_defaults(work=_revoke)


def _declare_add(what: Commands) -> None:
    command = what.add_parser("add", help="make a box's keys, certificate and first YAML, and let it in")
    add_data(command)
    command.add_argument("store", metavar="STORE", help="1 to 32 of a-z, 0-9 and -")
    command.add_argument("--box", default=BOX, help="the mini-PC's name; a replacement gets another (%(default)s)")
    command.add_argument("--name", help="the store's name for people (STORE)")
    command.add_argument("--timezone", default="Asia/Shanghai", help="IANA zone of the store (%(default)s)")
    command.add_argument("--out", type=Path, metavar="DIR", help="where the bundle goes (DATA/bundles/STORE.BOX)")
    command.add_argument(
        "--data-dir", default="/var/lib/store-edge", help="where the box will keep its buffer (%(default)s)"
    )
    command.set_defaults(work=_add)


def _add(args: Namespace) -> int:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hq.data import Data
    from hq.headquarters import add_box, new_box

    data = Data(args.data).existing()
    key = Ed25519PrivateKey.generate()
    box = new_box(args.store, args.box, args.name or args.store, args.timezone, key)
    folder = args.out or data.bundles / box.user
    add_box(data, box, key, folder, args.data_dir)
    print(f"{box.user} may connect. Its bundle is in {folder}: bring it to the box and delete it here.")
    return Exit.DONE


def _list(args: Namespace) -> int:
    from hq.boxes import registered
    from hq.data import Data

    for box in registered(Data(args.data).existing()):
        state = f"revoked {box.revoked:%Y-%m-%d}" if box.revoked else "may connect"
        print(f"{box.store}\t{box.box}\t{box.name}\t{box.timezone}\tadded {box.added:%Y-%m-%d}\t{state}")
    return Exit.DONE


def _revoke(args: Namespace) -> int:
    from hq.data import Data
    from hq.headquarters import revoke_box

    box = revoke_box(Data(args.data).existing(), args.store, args.box)
    print(f"{box.user} is shut out since {box.revoked:%Y-%m-%d %H:%M} UTC")
    return Exit.DONE
