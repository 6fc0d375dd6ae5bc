"""A UPS: its variables to power, and to what is wrong with it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from devices.driver import Context, Decoder, Driver, Item, Reading, Rejected, Taken
from devices.framing import Noise
from devices.gathered import Gathered
from devices.nut_ups.frames import Found, LineParser, Refusal, Variables
from devices.nut_ups.options import Options
from devices.tcp_client import TcpClient
from records.types import DeviceHealth, Power

_LARGEST = 256 * 1024  # bytes of an answer
_TROUBLES = {
    "LB": "the battery is low",
    "RB": "the battery needs to be replaced",
    "OVER": "it is overloaded",
    "ALARM": "it sounds an alarm",
    "FSD": "it is about to switch off",
    "OFF": "it is switched off",
}
_WHYS = {
    "DATA-STALE": "upsd has heard nothing of the UPS lately; check the UPS's cable and its NUT driver",
    "DRIVER-NOT-CONNECTED": "the UPS's NUT driver is not running; check ups.conf and the UPS's cable",
    "UNKNOWN-UPS": "upsd knows no UPS of that name; see `upsc -l` and set ups",
    "ACCESS-DENIED": "upsd does not let this box ask; see LISTEN in upsd.conf and its firewall",
}


class _Told(NamedTuple):
    """What was last told, and when."""

    on_battery: bool
    troubles: tuple[str, ...]
    at: datetime


class UpsDecoder:
    """Answers, or dumps of `upsc`. report: time after which an unchanged state is told again; None: it always is.

    `refusal`: the last one, until it is set to None.
    """

    def __init__(self, report: timedelta | None) -> None:
        self._report = report
        self._parser = LineParser()
        self._told: _Told | None = None
        self.refusal: str | None = None
        self.listed: Mapping[str, str] | None = None  # the variables of the last answer

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.end() for item in self._of(found, at)]

    def _of(self, found: Found, at: datetime) -> list[Item]:
        if isinstance(found, Noise):
            return [Rejected(found.reason, found.raw, at)]
        if isinstance(found, Refusal):
            self.refusal = found.reason
            return []
        self.listed = found.of
        return self._state(found, at) if any("." in name for name in found.of) else []  # else names of UPSes

    def _state(self, found: Variables, at: datetime) -> list[Item]:
        flags = found.of.get("ups.status", "").split()
        if not {"OL", "OB", "BYPASS", "OFF"} & set(flags):
            said = " ".join(flags) or "nothing"
            return [Rejected(f"ups.status says {said}: neither mains nor battery", found.raw, at)]
        now = _Told("OB" in flags, tuple(flag for flag in _TROUBLES if flag in flags), at)
        before, items = self._told, list[Item]()
        if before is None or before.on_battery != now.on_battery or self._is_due(before, at):
            items.append(Reading(_power(now.on_battery, found.of), at, raw=found.raw))
        else:
            now = now._replace(at=before.at)
        if now.troubles != (before.troubles if before else ()):
            reason = "; ".join(_TROUBLES[flag] for flag in now.troubles)
            items.append(Reading(DeviceHealth("up", reason or None), at, raw=found.raw))
        self._told = now
        return items

    def _is_due(self, before: _Told, at: datetime) -> bool:
        return self._report is None or at - before.at >= self._report


def _power(on_battery: bool, of: Mapping[str, str]) -> Power:
    charge, runtime = _number(of.get("battery.charge")), _number(of.get("battery.runtime"))
    return Power(
        on_battery,
        charge if charge is not None and 0 <= charge <= 100 else None,
        int(runtime) if runtime is not None and 0 <= runtime < 1e9 else None,
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class Ups:
    """Asks upsd every `interval_s`; changes are told at once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._client = TcpClient(options)
        self._decoder = UpsDecoder(timedelta(seconds=options.report_s))
        self._name = options.ups
        self._next = 0.0  # monotonic time of the next question

    def open(self) -> None:
        """Connected, and the UPS's name known."""
        self._decoder.end(_now())
        self._client.open()
        self._next = 0.0
        if not self._options.ups:
            self._name = self._only()

    def read(self, timeout_s: float) -> Taken:
        """An answer's items, or nothing where it is not yet time to ask."""
        wait = self._next - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout_s))
            return Taken()
        items = self._asked(f"LIST VAR {self._name}")
        self._next = time.monotonic() + self._options.interval_s
        return Taken(items)

    def close(self) -> None:
        self._client.close()

    def _only(self) -> str:
        self._asked("LIST UPS")
        names = list(self._decoder.listed or ())
        if len(names) != 1:
            told = ", ".join(names[:8]) or "none"
            raise self._client.offline(f"upsd serves these UPSes: {told}; set ups to the one that is meant")
        return names[0]

    def _asked(self, question: str) -> list[Item]:
        decoder, items, size = self._decoder, list[Item](), 0
        decoder.listed = decoder.refusal = None
        self._client.send(f"{question}\n".encode())
        deadline = time.monotonic() + self._options.timeout_s
        while decoder.listed is None and decoder.refusal is None:
            left = deadline - time.monotonic()
            if left <= 0 or size > _LARGEST:
                raise self._client.offline("what listens there gives no answer of upsd's; check host and port")
            data = self._client.receive(left)
            size += len(data)
            items += decoder.feed(data, _now())
        if decoder.refusal is not None:
            known = _WHYS.get(decoder.refusal)
            raise self._client.offline(known or f"upsd answers {decoder.refusal}")
        return items


def _now() -> datetime:
    return datetime.now(UTC)


def decoder(options: Options, context: Context) -> Decoder:  # noqa: ARG001 - it needs neither
    return Gathered(UpsDecoder(None))


def device(options: Options, context: Context) -> Driver:  # noqa: ARG001 - it needs no surroundings
    return Ups(options)
