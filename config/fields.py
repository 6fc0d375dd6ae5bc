"""Kinds of values that settings share."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MQTTS_PORT = 8883


class Settings(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_EXAMPLE = f"such as mqtts://mqtt.example.com:{MQTTS_PORT}"


def _broker(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "mqtts":
        raise ValueError(f"must be a mqtts:// address {_EXAMPLE}: the link is always TLS")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must name no user or password; the box shows its certificate (hq.cert_file)")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"must end after the port, {_EXAMPLE}")
    broker_address(url)
    return url


def broker_address(url: str) -> tuple[str, int]:
    """Host and port of a broker's URL; `ValueError` with what it must look like."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"must have a port from 1 to 65535, {_EXAMPLE}") from None
    if not parts.hostname or port == 0:
        raise ValueError(f"must name a host, {_EXAMPLE}")
    return parts.hostname, port or MQTTS_PORT


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address of this machine such as 127.0.0.1 or 0.0.0.0") from None


BrokerUrl = Annotated[str, AfterValidator(_broker)]
IpAddress = Annotated[str, AfterValidator(_address)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
TopicRoot = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=128)]
