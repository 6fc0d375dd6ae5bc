"""Recipients of epoch keys: HPKE (RFC 9180, single shot) with ML-KEM-768 + X25519, HKDF-SHA256 and AES-256-GCM.

A public key is 1,184 bytes of ML-KEM-768 and 32 of X25519; a private key is the 64-byte ML-KEM seed and 32 of X25519.
Key files hold them in Base64 behind a first line that says what they are.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEM_PUBLIC = 1184
PUBLIC = _KEM_PUBLIC + 32
_KEM_SEED = 64
_PUBLIC_TITLE = "store-edge sealing key 1"
_PRIVATE_TITLE = "store-edge opening key 1"


class KeyFileError(ValueError):
    """A key file is not what it should be."""


class SealError(ValueError):
    """Not sealed for this key, or changed since."""


class RecipientKey(NamedTuple):
    """A public key to which epoch keys are sealed. `key_id`: the first 8 bytes of its SHA-256."""

    raw: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.raw).digest()[:8]

    def seal(self, secret: bytes | bytearray, info: bytes) -> bytes:
        """`secret` for this recipient alone, bound to `info`; 1,168 bytes for a 32-byte secret."""
        public = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.raw[:_KEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(self.raw[_KEM_PUBLIC:]),
        )
        return _SUITE.encrypt(secret, public, info)

    @property
    def works(self) -> bool:
        """Whether something can be sealed for it."""
        try:
            self.seal(bytes(32), b"")
        except ValueError:
            return False
        return True

    def save(self, path: Path) -> None:
        path.write_text(f"{_PUBLIC_TITLE}\n{b64encode(self.raw).decode()}\n")

    @classmethod
    def load(cls, path: Path) -> RecipientKey:
        """The key in a file; `KeyFileError` when it holds something else."""
        return cls(_parse(path.read_bytes(), str(path), _PUBLIC_TITLE, PUBLIC))


class OpeningKey(NamedTuple):
    """The private half: opens what was sealed to `public`."""

    raw: bytes

    @classmethod
    def generate(cls) -> OpeningKey:
        return cls(os.urandom(_KEM_SEED) + X25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> RecipientKey:
        kem, curve = self._halves()
        return RecipientKey(kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw())

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed; `SealError` for another key, another `info` or a changed byte."""
        try:
            return _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(*self._halves()), info)
        except (InvalidTag, ValueError):
            raise SealError("sealed for another key, or changed since") from None

    def save(self, path: Path) -> None:
        """Writes the key, readable by its owner alone."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{_PRIVATE_TITLE}\n{b64encode(self.raw).decode()}\n")

    @classmethod
    def load(cls, path: Path) -> OpeningKey:
        """The key in a file; `KeyFileError` when it holds something else."""
        return cls.parse(path.read_bytes(), str(path))

    @classmethod
    def parse(cls, content: bytes, what: str) -> OpeningKey:
        """The key in a file's content; `KeyFileError` when it holds something else. what: its name for people."""
        return cls(_parse(content, what, _PRIVATE_TITLE, _KEM_SEED + 32))

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        kem = MLKEM768PrivateKey.from_seed_bytes(self.raw[:_KEM_SEED])
        return kem, X25519PrivateKey.from_private_bytes(self.raw[_KEM_SEED:])


def _parse(content: bytes, what: str, title: str, size: int) -> bytes:
    lines = content.decode("ascii", errors="replace").splitlines()
    try:
        raw = b64decode(lines[1], validate=True)
    except (IndexError, Base64Error):
        raw = b""
    if not lines or lines[0] != title or len(raw) != size:
        raise KeyFileError(f"{what}: expected a file that begins with '{title}' and holds one key")
    return raw
