"""A terminal's log, and what is read of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.zkteco.frames import DATA, READ, packet
from devices.zkteco.log import HEAD
from devices.zkteco.simulator import Terminal, record
from records.types import Punch
from tests.devices.cases import decoder_of, fed
from tests.devices.line import made, serving

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUESTION = packet(READ, 7, 3, bytes.fromhex("010d000000000000000000"))


def local(minutes: float = 0) -> datetime:
    """Terminals say times without a zone; the tests' are in UTC, a minute after the other."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(hours=5) + timedelta(minutes=minutes)


def naive(*parts: int) -> datetime:
    """A terminal's local time."""
    return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - as terminals say it


def punched(number: int, person: str = "101", minutes: float | None = None, state: int = 0) -> bytes:
    return record(number, person, local(number if minutes is None else minutes), state, 1)


def told(log: bytes) -> bytes:
    return QUESTION + packet(DATA, 7, 3, len(log).to_bytes(HEAD, "little") + log)


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("zkteco", Context(), **settings), [data], AT)


def punches(items: Sequence[Item]) -> list[Punch]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Punch)]


def reasons(items: Sequence[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def asking(port: int, state: dict[str, bytes] | None = None, **settings: Any) -> Driver:
    return made("zkteco", state, **{"host": "127.0.0.1", "port": port, "interval_s": 1, "timeout_s": 0.5, **settings})


def fetched(terminal: Terminal, state: dict[str, bytes], **settings: Any) -> list[Item]:
    """What one agent's life brings: connected, asked once, all of it committed into `state`."""
    with serving(lambda: terminal.hear) as port:
        device = asking(port, state, **settings)
        device.open()
        items: list[Item] = []
        while True:
            taken = device.read(0.01)
            items += taken.items
            if taken.confirm:
                taken.confirm()
            if not punches(taken.items):
                break
        device.close()
    for item in items:
        state.update({key: value for key, value in item.state.items() if value is not None})
    return items
