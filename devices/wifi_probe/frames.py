"""Reports of DataSky's probes and their like.

    {"id": "00f40f9a", "data": [{"mac": "50:98:b8:8b:fd:76", "rssi": "-89", "range": "77.4", "router": "…"}, …]}

Numbers come as text; some send the report as the field `data` of a form. An address whose first byte has bit 1 set was
made up by the device, and changes: it tells nobody apart. Bit 0 is of groups. Sources: DataSky's protocol description,
IEEE 802-2014 (8.4).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs

_MAC = re.compile(r"([0-9A-Fa-f]{2})[:-]?" * 5 + r"([0-9A-Fa-f]{2})")
_MADE_UP, _GROUP = 2, 1
_RSSI = re.compile(r" *-?[0-9]{1,3} *")


class Heard(NamedTuple):
    """A device nearby. made_up: its address is, so that it cannot be counted; rssi: dBm, None where it is not said."""

    mac: bytes
    rssi: int | None
    made_up: bool


def heard_in(document: Any) -> list[Heard] | None:
    """The devices of a report; None where it is none. What is no address is passed over."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        return None
    return [heard for row in rows if (heard := _heard(row))]


def unwrapped(body: bytes) -> bytes:
    """The report in a form; or the body as it is."""
    if not body.startswith(b"data="):
        return body
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=16).get("data", [""])[0].encode()


def _heard(row: Any) -> Heard | None:
    told = row.get("mac") if isinstance(row, dict) else None
    found = _MAC.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return None
    mac = bytes.fromhex("".join(found.groups()))
    return None if mac[0] & _GROUP else Heard(mac, _rssi(row.get("rssi")), bool(mac[0] & _MADE_UP))


def _rssi(told: Any) -> int | None:
    if isinstance(told, str) and _RSSI.fullmatch(told):
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) else None
