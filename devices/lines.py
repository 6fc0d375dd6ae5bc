"""Lines of a device that talks in text."""

from __future__ import annotations


class Lines:
    """Bytes in, lines out, without their ends. Opens nothing, reads no clock, raises nothing.

    Of a line of more than `longest` bytes the first `longest` + 1 come, as soon as they are there, and no more.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._skips = False  # within a line that is too long

    def feed(self, data: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if whole and self._skips:
            del whole[0]
            self._skips = False
        if self._skips:
            self._rest = b""
        if len(self._rest) > self._longest:
            whole.append(self._rest)
            self._rest, self._skips = b"", True
        return [line[: self._longest + 1] for line in whole]

    def end(self) -> bytes:
        """What is left when nothing more comes: a line without its end, perhaps nothing."""
        rest = b"" if self._skips else self._rest
        self._rest, self._skips = b"", False
        return rest
