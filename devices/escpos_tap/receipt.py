"""Tokens to documents and drawer pulses: what stands on one piece of paper, and when the drawer was opened.

A document ends with a cut, with `ESC @`, with silence, and where it grows beyond any receipt. What is sent to a
customer display on the same line (`ESC = 2`) is not on the paper.

Images are counted when all of one has come: a raster or stored graphic is one each, strips (`ESC *`, `ESC K`) with no
text between them are one together.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from devices.escpos_tap.charset import LOST, Charset
from devices.escpos_tap.marks import SquareCode, linear, two_dimensional
from devices.escpos_tap.paper import Paper
from devices.escpos_tap.status import ASKING
from devices.escpos_tap.stream import Command, Control, Stray, StreamParser, Text, Token
from devices.tills import RAW_LIMIT

LONGEST = 8000
"""Characters after which the next end of a line ends the document: some 170 lines of 48."""

LONGEST_LINE = 1000
"""Characters beyond that which end it anywhere; together, in any script, less than a record may hold."""

_NUL = 0
_REAL_TIME = ("DLE EOT", "DLE ENQ", "DLE DC4")
_CUTS = {"GS V", "ESC i", "ESC m"}
_FEEDS = {"ESC d", "ESC J", "ESC e", "ESC \f", "GS $", "ESC W"}
_PICTURES = {"GS v", "GS Q", "GS /", "GS D", "FS p"}
_STRIPS = {"ESC *", "ESC K"}
_GRAPHICS_STORE, _GRAPHICS_PRINT, _GRAPHICS_KEPT = (112, 113), (2, 50), (69, 85)
_STAR = {"ESC \x1d", "ESC \x1e"}  # Star's own modes; ESC/POS has neither
_STAR_SURE = 3


class Document(NamedTuple):
    """noise: characters and controls that no receipt holds; star: it is in Star's command set; raw: how it began."""

    text: str
    images: int
    at: datetime
    noise: int
    star: bool
    raw: bytes


class Pulse(NamedTuple):
    """The drawer was opened."""

    at: datetime


class Assembler:
    """Bytes in, documents and pulses out. `asked`: commands so far that want an answer of the printer."""

    def __init__(self, charset: Charset, *, reset_ends: bool) -> None:
        self._reset_ends = reset_ends
        self._parser = StreamParser()
        self._charset = charset
        self._square = SquareCode()
        self._graphics = False  # a graphic waits to be printed
        self._for_display = False
        self._pulsed = False  # the last command was a pulse
        self.asked: list[Command] = []
        self._fresh()

    def _fresh(self) -> None:
        self._paper = Paper()
        self._images = self._noise = self._star = 0
        self._in_strip = False
        self._raw = bytearray()
        self._at: datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is open that later bytes would complete."""
        return self._at is None and not self._parser.amid

    def feed(self, data: bytes, at: datetime) -> list[Document | Pulse]:
        found: list[Document | Pulse] = []
        for token in self._parser.feed(data):
            self._take(token, at, found)
        return found

    def end(self) -> list[Document | Pulse]:
        """Silence, or the end of the input."""
        found: list[Document | Pulse] = []
        if self._at is not None:
            self._flush(self._at)
        self._parser.end()  # a command without its end printed nothing, and a cut closes no more than this does
        self._close(found)
        self._for_display = self._pulsed = False
        return found

    def _take(self, token: Token, at: datetime, found: list[Document | Pulse]) -> None:
        match token:
            case Text(data):
                self._keep_raw(data)
                self._text(data, at, found)
            case Control(code):
                self._keep_raw(bytes([code]))
                self._control(code, at, found)
            case Stray(name):
                self._flush(at)
                self._star += name in _STAR
            case Command(name):
                pulsed = _opens_drawer(token) or (self._pulsed and name in _REAL_TIME)
                self._command(token, at, found)
                self._pulsed = pulsed
                return
        self._pulsed = self._pulsed and token == Control(_NUL)

    def _keep_raw(self, data: bytes) -> None:
        self._raw += data[: RAW_LIMIT - len(self._raw)]

    def _text(self, data: bytes, at: datetime, found: list[Document | Pulse]) -> None:
        """Writes `data`; ends the document at the same byte however the input was cut."""
        while data and not self._for_display:
            room = max(LONGEST + LONGEST_LINE - self._paper.size, 1)
            self._write(self._charset.decode(data[:room]), at)
            data = data[room:]
            if self._paper.size >= LONGEST + LONGEST_LINE:
                self._close(found)

    def _write(self, text: str, at: datetime) -> None:
        if not text:
            return
        self._paper.write(text)
        self._noise += text.count(LOST)
        if not text.isspace():
            self._at = at
            self._in_strip = False

    def _flush(self, at: datetime) -> None:
        self._write(self._charset.flush(), at)

    def _control(self, code: int, at: datetime, found: list[Document | Pulse]) -> None:
        """NUL may stand within a character; any other control ends one."""
        if code == _NUL or self._for_display:
            return
        self._flush(at)
        match code:
            case 0x0A:
                self._paper.feed()
            case 0x0D:
                self._paper.carriage_return()
            case 0x09:
                self._paper.tab()
            case 0x0C:
                self._paper.finish_line()
            case _:
                self._noise += 1
        if self._paper.size > LONGEST and not self._paper.in_line:
            self._close(found)

    def _command(self, command: Command, at: datetime, found: list[Document | Pulse]) -> None:
        name, args = command
        if name in ASKING:
            self.asked.append(command)
        if _opens_drawer(command):
            if not self._pulsed:
                found.append(Pulse(at))
            return
        if name in _REAL_TIME:
            return
        if name == "ESC =":
            self._for_display = args == b"\x02"
        if self._for_display:
            return
        self._flush(at)
        if name in _CUTS and not (name == "ESC i" and args):
            self._close(found)
        elif name == "ESC @":
            if self._reset_ends:
                self._close(found)
            self._charset.reset()
        else:
            self._charset.command(name, args)
            self._layout(name, args)
            self._print(name, args, at)

    def _layout(self, name: str, args: bytes) -> None:
        paper = self._paper
        match name:
            case "ESC $":
                paper.move_to(int.from_bytes(args, "little"))
            case "ESC \\":
                paper.move_by(int.from_bytes(args, "little", signed=True))
            case "ESC D":
                paper.stops = tuple(args.rstrip(b"\0"))
            case "GS !":
                paper.width = (args[0] >> 4 & 7) + 1
            case "ESC !":
                paper.width = 2 if args[0] & 0x20 else 1
            case "ESC d" if args[0] > 1 or (args[0] and not paper.in_line):
                paper.finish_line()
                paper.feed()
            case _ if name in _FEEDS:
                paper.finish_line()

    def _print(self, name: str, args: bytes, at: datetime) -> None:
        mark: str | None = None
        if name in _STRIPS:
            self._picture(at, new=not self._in_strip)
            self._in_strip = True
        elif name in _PICTURES:
            self._picture(at, new=True)
        elif (name == "GS (" and args[:1] == b"L") or (name == "GS 8" and args[:1] == b"L"):
            self._graphic(args[6] if name == "GS 8" else args[4] if len(args) > 4 else 0, at)
        elif name == "GS k":
            mark = linear(args)
        elif name == "GS (" and args[:1] == b"k":
            mark = self._square.command(args)
        elif name == "ESC Z":
            mark = two_dimensional(args)
        if mark is not None:
            self._paper.own_line(mark)
            self._at, self._in_strip = at, False

    def _graphic(self, function: int, at: datetime) -> None:
        if function in _GRAPHICS_STORE:
            self._graphics = True
        elif function in _GRAPHICS_KEPT or (function in _GRAPHICS_PRINT and self._graphics):
            self._graphics = self._graphics and function in _GRAPHICS_KEPT
            self._picture(at, new=True)

    def _picture(self, at: datetime, *, new: bool) -> None:
        self._images += new
        self._in_strip = False
        self._at = at

    def _close(self, found: list[Document | Pulse]) -> None:
        """Ends the document; what printed nothing is none."""
        if self._at is not None:
            star = self._star >= _STAR_SURE
            found.append(Document(self._paper.text, self._images, self._at, self._noise, star, bytes(self._raw)))
        self._fresh()


def _opens_drawer(command: Command) -> bool:
    return command.name == "ESC p" or (command.name == "DLE DC4" and command.args[:1] == b"\x01")
