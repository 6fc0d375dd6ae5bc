"""systemd's notification socket (sd_notify(3)); without one, nothing happens."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TOLD_EVERY_S = 5.0


def notify(state: str) -> None:
    """Tells systemd a state such as READY=1 or WATCHDOG=1."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall(state.encode())


@contextmanager
def at_work(longest_s: float) -> Iterator[None]:
    """Keeps systemd from taking one long piece of work for a hang, at a start or later, for so many seconds at most."""
    done = threading.Event()

    def tell() -> None:
        for _ in range(int(longest_s / TOLD_EVERY_S)):
            notify(f"WATCHDOG=1\nEXTEND_TIMEOUT_USEC={int(3 * TOLD_EVERY_S * 1e6)}")
            if done.wait(TOLD_EVERY_S):
                return

    teller = threading.Thread(target=tell, name="at-work", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
