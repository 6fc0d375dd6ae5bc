"""Runs inside the virtual machine, with its Python alone: drops a till's files, and tells which of them were taken.

    guest_feeder.py FEED DROP PORT

FEED: the files, in the order of their names; DROP: the folder that the agent empties; PORT: the serial port to tell it
on, one name a line. `feed=FIRST-LAST` on the kernel's command line says which of the files this life drops.
"""

import os
import sys
import termios
import time
import tty
from pathlib import Path

AT_ONCE = 20
LOOK_S = 0.02


def drop(file: Path, folder: Path) -> None:
    """A whole file under its name, on the disk before the agent sees it, and the agent's own."""
    hidden, owner = folder / f".{file.name}", folder.stat()
    with hidden.open("wb") as copy:
        copy.write(file.read_bytes())
        copy.flush()
        os.fsync(copy.fileno())
    os.chown(hidden, owner.st_uid, owner.st_gid)
    hidden.rename(folder / file.name)


def main(feed: str, folder: str, port: str) -> None:
    line = os.open(port, os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(line)

    def say(what: str) -> None:
        os.write(line, f"{what}\n".encode())
        termios.tcdrain(line)

    said = Path("/proc/cmdline").read_text().partition("feed=")[2].split()[0]
    first, last = map(int, said.split("-"))
    left = sorted(Path(feed).iterdir())[first:last]
    for torn in Path(folder).glob(".*"):  # by a cut while it was copied
        torn.unlink()
    waiting = set(os.listdir(folder))
    say("begun")
    while left or waiting:
        while left and len(waiting) < AT_ONCE:
            drop(left[0], Path(folder))
            waiting.add(left.pop(0).name)
        for name in sorted(waiting - set(os.listdir(folder))):
            say(name)
            waiting.discard(name)
        time.sleep(LOOK_S)
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
