"""Who may push: by address, by name and password, by a word in the address it posts to."""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from collections.abc import Mapping
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import NamedTuple

from devices.options import PushOptions

CHALLENGE = 'Basic realm="store-edge", charset="UTF-8"'
log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """What is answered; reason: for the person who sets the device up."""

    status: HTTPStatus
    reason: str


def plain_address(host: str) -> str:
    """An IPv4 address as such, also where it comes over an IPv6 socket."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def refusal(options: PushOptions, host: str, word: str, headers: Mapping[str, str]) -> Refusal | None:
    """Why this push is not taken; None: it is. word: what follows the device's id in the path.

    Secrets are read anew each time, so that they can be changed without a restart, and compared in constant time.
    """
    if options.allow_from and host not in options.allow_from:
        return Refusal(HTTPStatus.FORBIDDEN, "this address may not post for this device; see allow_from")
    try:
        if options.token_file and not same(word, secret(options.token_file)):
            return Refusal(HTTPStatus.FORBIDDEN, "the address must end with the word in token_file")
        if options.password_file and not _logged_in(options.user, secret(options.password_file), headers):
            return Refusal(HTTPStatus.UNAUTHORIZED, "log in as user, with the password in password_file")
    except OSError as fault:
        log.error("event=push-secret-unreadable device=%s file=%s", options.id, fault.filename)
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the file of its secret cannot be read here")
    return None


def secret(file: Path) -> str:
    """A file's first line."""
    return file.read_text("utf-8", "replace").partition("\n")[0].strip()


def _logged_in(user: str, password: str, headers: Mapping[str, str]) -> bool:
    told_user, told = login(headers)
    return told_user == user and same(told, password)


def login(headers: Mapping[str, str]) -> tuple[str, str]:
    """User and password of basic authentication (RFC 7617), both empty where there is none."""
    scheme, _, told = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = b64decode(told.strip(), validate=True).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return "", ""
    return user, password


def same(shown: str, wanted: str) -> bool:
    """In constant time; nothing is the same as an empty secret."""
    return bool(wanted) and compare_digest(shown.encode(), wanted.encode())
