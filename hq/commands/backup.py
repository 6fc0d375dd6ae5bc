"""`edge-hq backup` and `edge-hq restore`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hq.commands import Commands, add_data
from hq.exits import Exit


def add(commands: Commands) -> None:
    make = commands.add_parser("backup", help="write database, keys and registry into a new directory")
    add_data(make)
    make.add_argument("place", type=Path, metavar="DIR", help="where to; must not exist yet")
    make.set_defaults(work=_backup)
    back = commands.add_parser("restore", help="make the headquarters of a backup; what stores still hold comes again")
    add_data(back)
    back.add_argument("place", type=Path, metavar="DIR", help="what edge-hq backup made")
    back.set_defaults(work=_restore)


def _backup(args: Namespace) -> int:
    from hq.backup import backup
    from hq.data import Data

    backup(Data(args.data).existing(), args.place)
    print(f"backup of {args.data} in {args.place}; keep it where nobody reads it: it opens every record")
    return Exit.DONE


def _restore(args: Namespace) -> int:
    from hq.backup import restore
    from hq.data import Data

    settings = restore(Data(args.data), args.place)
    print(f"restored into {args.data}, generation {settings.generation}; start it with: edge-hq up --data {args.data}")
    print("What stores sent since the backup is taken from the broker again and asked for; see edge-hq completeness.")
    return Exit.DONE
