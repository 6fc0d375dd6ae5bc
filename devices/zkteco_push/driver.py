"""Punches that time clocks push, and the answers that they wait for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from devices.driver import Answer, Context, Decoder, Item, Receiver, Rejected, Request
from devices.gathered import Gathered
from devices.punch_log import Log
from devices.zkteco_push.frames import Found, LineParser, Terminal, Unreadable
from devices.zkteco_push.options import Options

_STAMP = "stamp/"
_SERIAL = re.compile(r"[A-Za-z0-9]{1,32}")
_STAMP_TEXT = re.compile(r"[0-9]{1,20}")
_NOT_WANTED = {"OPERLOG", "ATTPHOTO", "OPTIONS", "USERINFO", "FINGERTMP", "FACE", "BIODATA", "BIOPHOTO", "USERPIC"}
_OPTIONS = """GET OPTION FROM: {serial}
Stamp={stamp}
ATTLOGStamp={stamp}
OpStamp=9999
OPERLOGStamp=9999
ATTPHOTOStamp=9999
ErrorDelay=30
Delay=10
TransTimes=00:00;12:00
TransInterval=1
TransFlag=TransData AttLog
Realtime=1
Encrypt=0
{zone}"""


class PunchDecoder:
    """Bodies of pushes, or captured requests with their bodies."""

    def __init__(self, options: Options, context: Context) -> None:
        self._log = Log("", context.timezone, options.direction)
        self._parser = LineParser()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.end() for item in self._of(found, at)]

    def of(self, serial: str) -> PunchDecoder:
        """What follows is of the terminal of that serial number."""
        self._log = self._log._replace(serial=serial)
        return self

    def _of(self, found: Found, at: datetime) -> list[Item]:
        if isinstance(found, Terminal):
            self.of(found.serial)
            return []
        if isinstance(found, Unreadable):
            return [Rejected(found.reason, b"", at)]
        return [self._log.reading(found, {})]


class PunchReceiver:
    """Any number of terminals. A punch is acknowledged once it is on disk, as all pushes are."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._stamps = {
            key.removeprefix(_STAMP): value.decode("ascii", "replace")
            for key, value in context.state.items()
            if key.startswith(_STAMP)
        }
        self._last: dict[str, str] = {}  # stamps of batches that may not be on disk yet
        self._strange: set[str] = set()  # tables that were told to be unknown

    def receive(self, request: Request, at: datetime) -> Answer:
        """What a terminal asks or tells; 403: it is none of those that may."""
        serial = request.query.get("SN", "")
        if not _SERIAL.fullmatch(serial) or not self._options.knows(serial):
            return Answer(status=403, body=b"this terminal's serial number is not in serials\n")
        verb = request.path.rpartition("/")[2].removesuffix(".aspx")
        if verb == "cdata" and request.method == "GET":
            return Answer(body=self._greeting(serial, at).encode())
        if verb == "cdata":
            return self._told(serial, request, at)
        return Answer(body=b"OK")  # getrequest: no commands; devicecmd, ping: nothing to say

    def _greeting(self, serial: str, at: datetime) -> str:
        """Asks for punches alone, from the last on; a zone of whole hours lets it keep its clock by ours."""
        offset = self._context.timezone.utcoffset(at.replace(tzinfo=None))
        hours = offset.total_seconds() / 3600 if offset is not None else 0.5
        zone = f"TimeZone={hours:.0f}\n" if hours.is_integer() else ""
        return _OPTIONS.format(serial=serial, stamp=self._stamps.get(serial, "0"), zone=zone)

    def _told(self, serial: str, request: Request, at: datetime) -> Answer:
        table = request.query.get("table", "").upper()
        lines = len([line for line in request.body.splitlines() if line.strip() not in (b"", b"ATTLOG")])
        answer = Answer(body=f"OK: {lines}".encode())
        if table == "ATTLOG":
            return answer._replace(items=self._punches(serial, request, at))
        if table in _NOT_WANTED or table in self._strange or len(self._strange) >= len(_NOT_WANTED):
            return answer
        self._strange.add(table)
        reason = f"table {table[:20]} is not read; set the terminal to push attendance (T&A PUSH)"
        return answer._replace(items=[Rejected(reason, b"", at)])

    def _punches(self, serial: str, request: Request, at: datetime) -> list[Item]:
        decoder = PunchDecoder(self._options, self._context).of(serial)
        items = [*decoder.feed(request.body, at), *decoder.end(at)]
        stamp = request.query.get("Stamp", "")
        if not items or not _STAMP_TEXT.fullmatch(stamp):
            return items
        last = self._last.get(serial)
        if last not in (None, stamp):
            self._stamps[serial] = str(last)  # it goes on only after it was told that the batch before is on disk
        self._last[serial] = stamp
        return [*items[:-1], msgspec.structs.replace(items[-1], state={f"{_STAMP}{serial}": stamp.encode()})]


def decoder(options: Options, context: Context) -> Decoder:
    return Gathered(PunchDecoder(options, context))


def device(options: Options, context: Context) -> Receiver:
    return PunchReceiver(options, context)
