"""Opening the TCP connection to a broker: straight, through a chosen network interface, or through a proxy."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from cloud_sync.uplink.proxies import Proxy, ProxyError

_HEADERS = 52  # bytes of IPv4 and TCP headers with time stamps (RFC 791, 9293, 7323)
_TOTAL, _SEGMENTS = Struct("=Q"), Struct("=II")
_RECEIVED_AT, _SEGMENTS_AT, _SENT_AT = 128, 136, 200  # in struct tcp_info (linux/tcp.h)


@dataclass(frozen=True)
class Route:
    """How a link leaves the box. interface: a network device's name, None for the one the kernel chooses."""

    interface: str | None
    proxy: Proxy | None

    def dial(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection over TCP. Raises OSError."""
        if self.proxy is None:
            return self._open(host, port, timeout_s)
        try:
            with ExitStack() as undone:
                link = undone.enter_context(self._open(*self.proxy.address, timeout_s))
                self.proxy.tunnel(link, host, port)
                undone.pop_all()
                return link
        except OSError as fault:
            raise ProxyError(f"proxy {self.proxy}: {fault.strerror or fault}") from fault

    def _open(self, host: str, port: int, timeout_s: float) -> socket.socket:
        if self.interface is None:
            return socket.create_connection((host, port), timeout_s)
        faults: list[OSError] = []
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with ExitStack() as undone:
                link = undone.enter_context(socket.socket(family, kind, protocol))
                link.settimeout(timeout_s)
                try:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
                    link.connect(address)
                except OSError as fault:
                    faults.append(fault)
                    continue
                undone.pop_all()
                return link
        raise faults[0]


class Bytes(NamedTuple):
    """What a connection carried, with the headers of TCP and IP; what TCP sent again counts again."""

    sent: int
    received: int


def carried(descriptor: int) -> Bytes | None:
    """What the kernel says of a TCP connection (tcp(7), TCP_INFO); None once it is closed."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            raw = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return None
    if len(raw) < _SENT_AT + _TOTAL.size:  # a kernel before 4.19
        return None
    (received,), (sent,) = _TOTAL.unpack_from(raw, _RECEIVED_AT), _TOTAL.unpack_from(raw, _SENT_AT)
    out, in_ = _SEGMENTS.unpack_from(raw, _SEGMENTS_AT)
    return Bytes(sent + out * _HEADERS, received + in_ * _HEADERS)
