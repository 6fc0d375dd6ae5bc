"""Bounded reading of binary layouts. Integers are big-endian."""

from __future__ import annotations

from struct import Struct, error
from typing import Any


class WireError(ValueError):
    """The bytes are not what they claim to be; the message says where and why."""


class Reader:
    """A cursor over bytes that never reads past their end."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self.at = 0

    def magic(self, expected: bytes) -> None:
        if self.take(len(expected)) != expected:
            raise WireError(f"{self._what}: does not begin with {expected.decode()}")

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise WireError(f"{self._what}: cut off after {len(self._data)} bytes, {end} expected")
        piece = self._data[self.at : end]
        self.at = end
        return piece

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        try:
            return layout.unpack(self.take(layout.size))
        except error as fault:
            raise WireError(f"{self._what}: {fault}") from fault

    def rest(self) -> bytes:
        return self.take(len(self._data) - self.at)

    def left(self) -> int:
        return len(self._data) - self.at

    def end(self) -> None:
        if self.left():
            raise WireError(f"{self._what}: {self.left()} bytes too many")
