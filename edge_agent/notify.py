"""systemd's notification socket (sd_notify(3)); without one, nothing happens."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Tells systemd a state such as READY=1 or WATCHDOG=1."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.sendall(state.encode())


def watchdog_s() -> float | None:
    """Seconds within which systemd wants to hear WATCHDOG=1; None when it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC")
    return int(microseconds) / 1e6 if microseconds else None
