"""Why an rtsp address does not open: one question to the camera, without a password (DESCRIBE, RFC 2326)."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

_PORT = 554
_PATIENCE_S = 2.0
_LINE = 64  # bytes of an answer's first line that say its status


def why(source: str, *, login: bool) -> str:
    """A reason that says what to do. source: without user and password; login: whether there are any"""
    place = urlsplit(source)
    if place.scheme != "rtsp":
        return f"{source} does not open; check its address, user and password"
    host, port = place.hostname or "", place.port or _PORT
    try:
        status = _status(source, host, port)
    except OSError:
        return f"nothing answers at {host}:{port}; check the address, and the camera's power and cable"
    if status in ("401", "403"):
        if login:
            return f"{source}: the camera refuses this user or password; check `user` and `password_file`"
        return f"{source}: the camera wants a user and a password; set `user` and `password_file`"
    if status == "404":
        return f"{host}:{port} has no stream {place.path}; see the camera's manual for its rtsp path"
    return f"{source} answers and brings no picture in time; choose H.264 and its small stream in the camera's settings"


def _status(source: str, host: str, port: int) -> str:
    """Such as 401; empty where it is no RTSP that answers."""
    with socket.create_connection((host, port), _PATIENCE_S) as peer:
        peer.settimeout(_PATIENCE_S)
        peer.sendall(f"DESCRIBE {source} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
        words = peer.recv(_LINE).split(None, 2)
    return words[1].decode("ascii", "replace") if len(words) > 1 and words[0].startswith(b"RTSP/") else ""
