"""Kinds of values that settings share."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MQTTS_PORT = 8883
WSS_PORT = 443


class Settings(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


_EXAMPLE = f"such as mqtts://mqtt.example.com:{MQTTS_PORT} or wss://mqtt.example.com/mqtt"
_PROXIES = "such as http://proxy.example.com:3128 or socks5://10.0.0.1:1080"


class BrokerAddress(NamedTuple):
    """Where a broker listens. path: of its WebSocket, None where it takes MQTT straight."""

    host: str
    port: int
    path: str | None


def _broker(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("mqtts", "wss"):
        raise ValueError(f"must be a mqtts:// or wss:// address {_EXAMPLE}: the link is always TLS")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must name no user or password; the box shows its certificate (hq.cert_file)")
    if parts.query or parts.fragment or (parts.scheme == "mqtts" and parts.path not in ("", "/")):
        raise ValueError(f"must end after the port, or after the path of a WebSocket, {_EXAMPLE}")
    broker_address(url)
    return url


def broker_address(url: str) -> BrokerAddress:
    """What a broker's URL says; `ValueError` with what it must look like."""
    parts = urlsplit(url)
    host, port = _host_port(url, _EXAMPLE)
    if parts.scheme == "wss":
        return BrokerAddress(host, port or WSS_PORT, parts.path or "/")
    return BrokerAddress(host, port or MQTTS_PORT, None)


def _proxy(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "socks5") or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"must be the address of a proxy {_PROXIES}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must name no user or password; they stand in the file that proxy_login_file names")
    if not _host_port(url, _PROXIES)[1]:
        raise ValueError(f"must name a port, {_PROXIES}")
    return url


def _host_port(url: str, example: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"must have a port from 1 to 65535, {example}") from None
    if not parts.hostname or port == 0:
        raise ValueError(f"must name a host, {example}")
    return parts.hostname, port


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address of this machine such as 127.0.0.1 or 0.0.0.0") from None


BrokerUrl = Annotated[str, AfterValidator(_broker)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
Interface = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,15}$")]
IpAddress = Annotated[str, AfterValidator(_address)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
TopicRoot = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=128)]
