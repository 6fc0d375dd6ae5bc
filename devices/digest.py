"""Answers to an HTTP authentication challenge: digest (RFC 7616, and RFC 2617 without `qop`) and basic (RFC 7617)."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
_PARAMETER = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))\s*,?')
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "MD5": lambda text: hashlib.md5(text, usedforsecurity=False).hexdigest(),  # what devices ask for
    "SHA-256": lambda text: hashlib.sha256(text).hexdigest(),
}


class Login(NamedTuple):
    """Who asks."""

    user: str
    password: str


def challenges(headers: Iterable[str]) -> dict[str, dict[str, str]]:
    """`WWW-Authenticate` headers: parameters by scheme, names in lower case; of two digests that with SHA-256."""
    found: dict[str, dict[str, str]] = {}
    for header in headers:
        scheme = _SCHEME.match(header)
        if not scheme:
            continue
        parts = _PARAMETER.finditer(header, scheme.end())
        told = {part[1].lower(): part[2] if part[2] is not None else part[3] for part in parts}
        name = scheme[1].lower()
        if name not in found or told.get("algorithm", "").upper() == "SHA-256":
            found[name] = told
    return found


def basic(login: Login) -> str:
    """The password in clear, in base64."""
    return "Basic " + b64encode(f"{login.user}:{login.password}".encode()).decode()


def digest(challenge: Mapping[str, str], login: Login, method: str, uri: str, cnonce: str, count: int) -> str | None:
    """The `Authorization` header that answers `challenge`; None where it asks for what is not known here.

    cnonce: fresh random text; count: how often its `nonce` has been used, this time included
    """
    name = challenge.get("algorithm", "MD5").upper()
    hashed = _HASHES.get(name.removesuffix("-SESS"))
    nonce, realm = challenge.get("nonce"), challenge.get("realm", "")
    offered = [word.strip().lower() for word in challenge.get("qop", "").split(",") if word.strip()]
    if hashed is None or nonce is None or (offered and "auth" not in offered):
        return None
    secret = hashed(f"{login.user}:{realm}:{login.password}".encode())
    if name.endswith("-SESS"):
        secret = hashed(f"{secret}:{nonce}:{cnonce}".encode())
    asked = hashed(f"{method}:{uri}".encode())
    used = f"{count:08x}:{cnonce}:auth:" if offered else ""
    response = hashed(f"{secret}:{nonce}:{used}{asked}".encode())
    told = f'username="{_quoted(login.user)}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}"'
    if "algorithm" in challenge:
        told += f", algorithm={challenge['algorithm']}"
    if "opaque" in challenge:
        told += f', opaque="{challenge["opaque"]}"'
    return f"Digest {told}" + (f', qop=auth, nc={count:08x}, cnonce="{cnonce}"' if offered else "")


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)
