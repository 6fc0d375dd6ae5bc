"""`python -m edge_agent.relay`: see the package."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from devices.escpos_tap.tee_frames import GREETING
from edge_agent.relay.arguments import arguments
from edge_agent.relay.copies import listening
from edge_agent.relay.ring import Ring
from edge_agent.relay.work import Shared, live

_FIRST_HANDED = 3  # sd_listen_fds(3)
_WAITING = 32
_USAGE = 2


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("edge-agent relay", description="Hands a till's bytes on to its printer.")
    arguments(parser)
    args = parser.parse_args(argv)
    try:
        printer = _address(args.printer)
        listener, handed = _listener(args.listen)
        copies = listening(args.copies)
    except (OSError, ValueError) as error:
        print(f"relay: {error}", file=sys.stderr)
        return _USAGE if isinstance(error, ValueError) else 1
    ring = Ring(max(args.room_mb, 1) << 20)
    live(Shared(listener, copies, ring, os.urandom(GREETING), printer, args.patience_s, handed))
    return 0


def _address(text: str) -> tuple[str, int]:
    """HOST:PORT, the host looked up now: a relay that works must not wait for a name server."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"'{text}' is not HOST:PORT")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return str(found[0][4][0]), int(found[0][4][1])


def _listener(text: str) -> tuple[socket.socket, bool]:
    """The socket that tills connect to, and whether systemd handed it over."""
    if os.environ.get("LISTEN_FDS") == "1" and os.environ.get("LISTEN_PID") == str(os.getpid()):
        listener = socket.socket(fileno=_FIRST_HANDED)
        listener.setblocking(False)
        return listener, True
    address = _address(text)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.create_server(address, family=family, backlog=_WAITING)
    listener.setblocking(False)
    return listener, False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
