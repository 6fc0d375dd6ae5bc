"""A scale's bytes to weighings: lines (see `lines`), frames (see `binary`), and labels of several lines.

^KJIK000 … ~P1      a JIK indicator prints: date, time, tare, gross, 0, 0, net twice, pieces
F … A 4 … V1        a TFO1 prints: 4 is the net weight
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from devices.framing import MAX_NOISE, Noise
from devices.scale.binary import LONGEST, Frame, Wrong, frame_at
from devices.scale.lines import Said, State, read

_PIECE = 4096
_LONGEST_LINE = 80
_LONGEST_LABEL = 24  # lines
_BEGINS = (0x01, 0x02, 0x81)
_ENDS = re.compile(rb"[\r\n\x01\x02\x81]")
_RAW_BYTES = re.compile(rb"[A-Z]{2},[A-Z]{2},[\x00-\xff]{2},")  # CAS: the scale's number and its lamps, any bytes
_RAW_HEAD = re.compile(rb"[A-Z]{2},[A-Z]{2},[\x00-\xff]{0,2}")
_BLANK = b" \t\0\x03\x04\x06\r\n"
_MIDDLE = "begins in the middle of a line"


class Weighing(NamedTuple):
    """kg: None where there is no weight to tell, as in an overload."""

    kg: Decimal | None
    state: State
    raw: bytes


class _Kind(NamedTuple):
    """A kind of label: what begins and ends it, and which line has the weight."""

    begin: re.Pattern[bytes]
    end: re.Pattern[bytes]
    weight: Callable[[list[bytes]], bytes]


_LABELS = (
    _Kind(re.compile(rb"\^KJIK\w*"), re.compile(rb"~P\w*"), lambda lines: lines[7] if len(lines) > 7 else b""),
    _Kind(
        re.compile(rb"F +[0-9.]+"),
        re.compile(rb"V1"),
        lambda lines: next((line[1:] for line in lines if line.startswith(b"4 ")), b""),
    ),
)


class _Label(NamedTuple):
    kind: _Kind
    lines: list[bytes]
    raw: bytes


class ScaleParser:
    """Bytes in, weighings and noise out. Opens no port, reads no clock, raises nothing. unit: of bare numbers."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._buffer = b""
        self._noise = bytearray()
        self._why = ""
        self._held: Weighing | None = None  # the first line, which may be the end of a longer one
        self._fresh = True  # nothing whole was heard since the beginning, or since silence
        self._label: _Label | None = None
        self._found: list[Weighing | Noise] = []

    def feed(self, data: bytes) -> list[Weighing | Noise]:
        for start in range(0, len(data), _PIECE):  # bounds what is copied for each line
            self._buffer += data[start : start + _PIECE]
            while self._step(last=False):
                pass
        return self._taken()

    def end(self) -> list[Weighing | Noise]:
        """What is left when nothing more comes: a line without end, half a frame, half a label."""
        while self._step(last=True):
            pass
        half, self._buffer = self._buffer, b""
        self._release()
        self._drop_label()
        if half.strip(_BLANK):
            self._noisy("half a line", half)
        self._tell_noise()
        self._fresh = True
        return self._taken()

    def _taken(self) -> list[Weighing | Noise]:
        found, self._found = self._found, []
        return found

    def _step(self, *, last: bool) -> bool:
        """Takes one line or frame off the buffer; False while none is whole."""
        if not self._buffer:
            return False
        if self._buffer[0] in _BEGINS:
            frame = frame_at(self._buffer[:LONGEST], self._unit, last=last)
            if frame is None:
                return False
            self._frame(frame)
            return True
        end = self._line_end(last=last)
        if end is None:
            return False
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        self._line(line)
        return True

    def _line_end(self, *, last: bool) -> int | None:
        start = 0
        if _RAW_BYTES.match(self._buffer):
            start = 9
        elif not last and len(self._buffer) < 9 and _RAW_HEAD.fullmatch(self._buffer):
            return None
        found = _ENDS.search(self._buffer, start)
        if found is None or found.start() >= _LONGEST_LINE:
            return _LONGEST_LINE if len(self._buffer) >= _LONGEST_LINE else None
        return found.end() if found[0] in b"\r\n" else found.start()

    def _frame(self, frame: Frame) -> None:
        raw, self._buffer = self._buffer[: frame.size or 1], self._buffer[frame.size or 1 :]
        self._release(LONGEST)  # a line before a frame is the end of one
        self._drop_label()
        if isinstance(frame.said, Wrong):
            self._noisy(frame.said.reason or "no frame of a scale that is known; see protocol", raw)
        else:
            self._say(frame.said, raw)

    def _line(self, line: bytes) -> None:
        text = line.rstrip(b"\r\n")
        if self._in_label(text, line):
            return
        if not text.strip(_BLANK):
            return
        self._release(len(line))
        said = read(text.decode("latin-1"), self._unit)
        if said is None:
            self._noisy("no line of a scale that is known; check baudrate, parity and cable", line)
        elif self._fresh and not said.whole:
            self._held = Weighing(said.kg, said.state, line)
        else:
            self._say(said, line)
        self._fresh = False

    def _in_label(self, text: bytes, line: bytes) -> bool:
        begun = next((kind for kind in _LABELS if kind.begin.fullmatch(text)), None)
        if begun:
            self._release()
            self._drop_label()
            self._label = _Label(begun, [], b"")
        label = self._label
        if label is None:
            return False
        if text or line != b"\n":  # the LF of a CR LF is no line
            label.lines.append(text)
        self._label = label._replace(raw=label.raw + line)
        if label.kind.end.fullmatch(text):
            self._end_label(self._label)
        elif len(label.lines) > _LONGEST_LABEL:
            self._drop_label()
        return True

    def _end_label(self, label: _Label) -> None:
        said = read(label.kind.weight(label.lines).decode("latin-1"), self._unit)
        self._fresh, self._label = False, None
        if said is None:
            self._noisy("a label without a weight", label.raw)
        else:
            self._say(said._replace(state="stable"), label.raw)

    def _drop_label(self) -> None:
        label, self._label = self._label, None
        if label:
            self._noisy("a label that was cut off", label.raw)

    def _say(self, said: Said, raw: bytes) -> None:
        self._tell_noise()
        self._fresh = False
        self._found.append(Weighing(said.kg, said.state, raw))

    def _release(self, length: int = 0) -> None:
        """Tells the first line, unless the next, of `length`, shows that it was the end of one."""
        held, self._held = self._held, None
        if held is None:
            return
        if length > len(held.raw):
            self._noisy(_MIDDLE, held.raw)
        else:
            self._tell_noise()
            self._found.append(held)

    def _noisy(self, why: str, raw: bytes) -> None:
        if self._noise and (why != self._why or len(self._noise) + len(raw) > MAX_NOISE):
            self._tell_noise()
        self._why = why
        self._noise += raw

    def _tell_noise(self) -> None:
        noise = bytes(self._noise)
        self._noise.clear()
        if noise:
            self._found.append(Noise(self._why, noise))
