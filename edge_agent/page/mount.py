"""One camera as the page has it: what it sees, how it stands, the count beside it, the picture for headquarters."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Literal

import msgspec

from devices.camera.options import Options
from devices.glass import Glass, Shown
from edge_agent.intake import Intake
from edge_agent.page.audit import Audit, error_pct
from edge_agent.recorder.desk import Submission
from edge_agent.station import Station
from records import Record
from records.types import Audit as Told
from records.types import CameraStill, CountAudit

STATE = ".page"  # no device's id begins with a dot
KEPT = 30  # lines of earlier counts that are shown again
LEFT_S = 900.0  # a count of which no page hears so long is none
LOOKING_S = 3600.0  # looks within so long are told once
PICTURE_S = 5.0
STILL_S = 60.0  # between two that go to headquarters
STILL_MOST = 48 * 1024


class Refused(Exception):
    """Why what was asked for is not done."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page asks for. id: of a tap, so that one that comes again counts once"""

    do: Literal["start", "tap", "undo", "end", "drop"]
    line: str = ""
    inward: bool = True
    id: str = ""


class Mount:
    """Used by one request at a time but for `look`, which waits."""

    def __init__(self, options: Options, station: Station, glass: Glass, intake: Intake) -> None:
        self.options, self.lock = options, threading.Lock()
        self._station, self._glass, self._intake = station, glass, intake
        self._audit: Audit | None = None
        self._ending: Future[None] | None = None
        self._heard = 0.0
        self._earlier: list[CountAudit] | None = None
        self._size: tuple[int, int] | None = None
        self._looked: dict[str, float] = {}
        self._still_at = float("-inf")

    def look(self, who: str) -> Shown:
        """The camera's next picture. That somebody looks is recorded, once an hour."""
        up = self._station.state == "up"
        if not up or (shown := self._glass.look(PICTURE_S)) is None:
            raise Refused(self._station.reason or "the camera brings no picture now")
        self._size = shown.width, shown.height
        now = self._intake.clock.now().mono
        if now - self._looked.get(who, float("-inf")) >= LOOKING_S:
            self._looked = {who: at for who, at in self._looked.items() if now - at < LOOKING_S} | {who: now}
            self._keep([Told(who, "camera.view")], {})
        return shown

    def told(self) -> dict[str, Any]:
        """Everything but the picture, for the page."""
        self._settle()
        now, options = self._intake.clock.now(), self.options
        if self._audit and now.mono - self._heard > LEFT_S:
            self._audit = None
        self._heard = now.mono
        state, reason = self._station.standing
        running = self._audit
        return {
            "id": options.id,
            "state": state,
            "reason": reason,
            "size": self._size,
            "lines": options.lines,
            "zones": {name: list(zip(told[::2], told[1::2], strict=True)) for name, told in options.zones.items()},
            "still": options.still,
            "audit": running
            and {
                "since": running.since,
                "seconds": int((now.wall - running.since).total_seconds()),
                "lines": _compared(running.lines(self._glass.counts(), now.wall)),
            },
            "earlier": _compared(sorted(self._past(), key=lambda line: line.to, reverse=True)),
        }

    def do(self, order: Order) -> Future[None] | None:
        """Done once the future is; `Refused` where there is nothing to do it with."""
        self._settle()
        now = self._intake.clock.now()
        if order.do == "start" and self._audit is None:
            self._audit, self._heard = Audit(self.options.lines, self._glass.counts(), now.wall), now.mono
        if self._audit is None:
            raise Refused("no count is running; start one")
        match order.do:
            case "tap":
                self._audit.tap(order.id, order.line, inward=order.inward)
            case "undo":
                self._audit.undo()
            case "drop":
                self._audit = None
            case "end":
                return self._end(self._audit.end(self._glass.counts(), now.wall))
        return None

    def _end(self, lines: list[CountAudit]) -> Future[None]:
        if self._ending is None:
            earlier = [*self._past(), *lines][-KEPT:]
            self._ending = self._keep(lines, {self.options.id: msgspec.json.encode(earlier)})
        return self._ending

    def _settle(self) -> None:
        """A count is over once it is on disk; where there was no room it can be ended again, with the same figures."""
        if self._ending and self._ending.done():
            if self._ending.exception() is None:
                self._audit = self._earlier = None
            self._ending = None

    def still(self, who: str) -> Future[None]:
        """One picture goes to headquarters, with the word that it did and who asked."""
        if not self.options.still:
            raise Refused("this camera sends no picture; `still: true` among its settings would let it")
        now = self._intake.clock.now().mono
        if now - self._still_at < STILL_S:
            raise Refused(f"one picture in {STILL_S:.0f} s; try again in {STILL_S - (now - self._still_at):.0f} s")
        shown = self.look(who)
        if len(shown.jpeg) > STILL_MOST:
            raise Refused(f"a picture of {len(shown.jpeg)} bytes; at most {STILL_MOST} are sent")
        self._still_at = now
        sent = CameraStill(b64encode(shown.jpeg).decode(), shown.width, shown.height)
        return self._keep([sent, Told(who, "camera.still", f"{len(shown.jpeg)} bytes of jpeg")], {})

    def _keep(self, told: Iterable[msgspec.Struct], state: dict[str, bytes | None]) -> Future[None]:
        """All of it in one transaction; the future fails with `BufferFull` where there is no room."""
        now = self._intake.clock.now()
        records = [Record(self.options.id, now.wall, one, int(now.mono * 1000), now.quality) for one in told]
        return self._intake.desk.submit(Submission(STATE, records, [None] * len(records), state, waits=True))

    def _past(self) -> list[CountAudit]:
        if self._earlier is None:
            kept = self._intake.desk.ask(lambda buffer: buffer.state(STATE)).get(self.options.id)
            self._earlier = msgspec.json.decode(kept, type=list[CountAudit]) if kept else []
        return self._earlier


def _compared(lines: Iterable[CountAudit]) -> list[dict[str, Any]]:
    """Each with its errors, in % of what was tapped."""
    return [
        msgspec.to_builtins(line)
        | {
            "error_in": error_pct(line.counted_in, line.tapped_in),
            "error_out": error_pct(line.counted_out, line.tapped_out),
        }
        for line in lines
    ]
