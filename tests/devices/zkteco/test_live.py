"""zkteco: a terminal that is asked tells every punch once, whatever happens."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from devices.answer_way import AnswerWay
from devices.driver import DeviceOffline, Driver, Reading
from devices.zkteco.frames import OK, READ, SIZES, Packet, PacketParser, packet
from devices.zkteco.session import scrambled
from devices.zkteco.simulator import SERIAL, Terminal, answerer, messages
from records.types import DeviceHealth, Punch
from tests.devices.line import lost, serving, until
from tests.devices.zkteco.terminal import (
    AT,
    asking,
    fetched,
    local,
    punched,
    punches,
    read,
    reasons,
)


def test_punches_are_told_once() -> None:
    """Over restarts, growing logs and questions that bring nothing new."""
    terminal, state = Terminal([punched(n) for n in range(40)], local(300)), dict[str, bytes]()
    assert len(punches(fetched(terminal, state))) == 40
    assert punches(fetched(terminal, state)) == []
    terminal.log.append(punched(40, "102"))
    (new,) = punches(fetched(terminal, state))
    assert new.person == "102"


def test_a_clock_that_is_set_back_loses_no_punch() -> None:
    """The place in the log counts, not the time."""
    terminal, state = Terminal([punched(n) for n in range(5)], local(300)), dict[str, bytes]()
    fetched(terminal, state)
    terminal.log.append(punched(5, "102", minutes=-600))
    assert [one.person for one in punches(fetched(terminal, state))] == ["102"]


def test_a_log_that_was_cleared_is_told_from_its_beginning() -> None:
    """Also where it has grown beyond where it was; what comes again has the same source_id."""
    terminal, state = Terminal([punched(n) for n in range(5)], local(300)), dict[str, bytes]()
    first = punches(fetched(terminal, state))
    terminal.log = [punched(4), *(punched(n, "102") for n in range(10, 20))]
    again = punches(fetched(terminal, state))
    assert len(again) == 11
    assert again[0].source_id == first[4].source_id
    assert len({one.source_id for one in again}) == 11
    terminal.log = []
    assert punches(fetched(terminal, state)) == []


def test_what_is_not_committed_is_told_again() -> None:
    """A buffer that is full, a crash: the next life begins where the last commit was."""
    terminal = Terminal([punched(n) for n in range(3)], local(300))
    with serving(lambda: terminal.hear) as port:
        device = asking(port, {})
        device.open()
        once = until_punches(device)
        device.close()
        device.open()
        assert until_punches(device) == once
        device.close()
    assert len(once) == 3


def until_punches(device: Driver) -> list[Punch]:
    """Without confirming."""
    for _ in range(1000):
        if found := punches(device.read(0.05).items):
            return found
    raise AssertionError("no punches came")


def test_a_large_log_comes_in_parts() -> None:
    """12,000 punches, 480 kB, in as many questions as the terminal wants, handed over in portions."""
    terminal = Terminal([punched(n, str(n % 50 + 1), n / 50) for n in range(12_000)], local(300))
    assert len(punches(fetched(terminal, {}))) == 12_000


def test_only_the_last_days_of_a_new_terminal_are_told() -> None:
    """What is older is not asked for again in the same life."""
    log = [punched(1, minutes=-60 * 24 * 50), punched(2, minutes=-60 * 24 * 20), punched(3)]
    assert len(punches(fetched(Terminal(log, local(300)), {}))) == 2
    assert len(punches(fetched(Terminal(log, local(300)), {}, history_days=3650))) == 3
    assert punches(fetched(Terminal(log[:1], local(300)), {})) == []


def test_a_wrong_clock_is_told_once_and_when_it_is_right() -> None:
    """With how wrong it is."""
    terminal = Terminal([], local(300 - 12))
    with serving(lambda: terminal.hear) as port:
        device = asking(port)
        device.open()
        (off,) = until(device, bool)
        terminal.clock = local(300)
        (right,) = until(device, bool)
        device.close()
    assert isinstance(off, Reading)
    assert isinstance(right, Reading)
    assert isinstance(off.data, DeviceHealth)
    assert "s behind; set it" in (off.data.reason or "")
    assert right.data == DeviceHealth("up", None)


def test_a_communication_key_is_needed_where_it_is_set(tmp_path: Path) -> None:
    """The right one lets in; a wrong one, or none, says what to do; a bad file too."""
    place = tmp_path / "key"
    place.write_text("123456\n")
    terminal = Terminal([punched(1)], local(300), key=123456)
    assert len(punches(fetched(terminal, {}, key_file=place))) == 1
    with serving(lambda: terminal.hear) as port:
        with pytest.raises(DeviceOffline, match="communication key"):
            asking(port).open()
        place.write_text("none\n")
        with pytest.raises(DeviceOffline, match="first line"):
            asking(port, key_file=place).open()


def test_the_key_is_scrambled_as_terminals_expect() -> None:
    """Worked out by hand from the published description."""
    assert scrambled(0, 0).hex() == "617d3279"


@contextmanager
def behaving(badly: dict[int, bytes]) -> Iterator[int]:
    """A terminal that answers some commands with other bytes."""

    def peer() -> Any:
        terminal = Terminal([punched(n) for n in range(60)], local(300))

        def reply(said: bytes) -> bytes:
            command = int.from_bytes(said[8:10], "little")
            return badly.get(command) or terminal.hear(said)

        return reply

    with serving(peer) as port:
        yield port


@pytest.mark.parametrize(
    ("badly", "reason"),
    [
        ({1000: b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "no ZKTeco answers"),
        ({1000: packet(OK, 7, 999)}, "no ZKTeco answers"),
        ({SIZES: packet(OK, 7, 3, b"x")}, "no ZKTeco answers|does not say how many"),
        ({READ: b"\x50\x50\x82\x7d\xff\xff\x00\x00"}, "no ZKTeco answers"),
    ],
)
def test_terminals_that_misbehave_are_offline(badly: dict[int, bytes], reason: str) -> None:
    """Another protocol, another question's answer, half an answer: each says what to check."""
    with behaving(badly) as port:
        device = asking(port)
        with pytest.raises(DeviceOffline, match=reason):
            opened_and_lost(device)
        device.close()


def opened_and_lost(device: Driver) -> None:
    device.open()
    raise DeviceOffline(lost(device))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (packet(2001, 7, 0), "does not give its punches"),
        (packet(OK, 7, 0, struct.pack("<xI", 0x7FFFFFFF)), "2147483647 bytes"),
        (packet(OK, 7, 0, struct.pack("<xI", 77)), "not known"),
    ],
)
def test_a_log_that_cannot_be_read_says_so(answer: bytes, reason: str) -> None:
    """A refusal, an impossible size, an unknown form."""

    def peer() -> Any:
        terminal = Terminal([punched(n) for n in range(60)], local(300))

        def reply(said: bytes) -> bytes:
            if int.from_bytes(said[8:10], "little") != READ:
                return terminal.hear(said)
            found = PacketParser().feed(answer)[0]
            assert isinstance(found, Packet)
            return packet(found.command, found.session, int.from_bytes(said[14:16], "little"), found.data)

        return reply

    with serving(peer) as port:
        device = asking(port)
        device.open()
        assert reason in lost(device)
        device.close()


def test_where_nothing_listens_it_is_offline() -> None:
    """With what to check; a connection that breaks too."""
    with serving(lambda: lambda _: b"") as port, pytest.raises(DeviceOffline, match="connection is gone"):
        asking(port).open()
    with pytest.raises(DeviceOffline, match="nothing listens there"):
        asking(port).open()


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes; asked over TCP it is a terminal at which people go on punching."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(minutes=9)), 50))
    assert (len(punches(read(said))), reasons(read(said))) == (150, [])
    with AnswerWay(("127.0.0.1", 0)) as way:
        threading.Thread(target=way.answer, args=(answerer(Random(1)), 60), daemon=True).start()
        device = asking(int(way.place.rpartition(":")[2]), timeout_s=60)
        device.open()
        items = until(device, lambda items: len(punches(items)) >= 402)
        device.close()
    assert {one.source_id.split("/")[0] for one in punches(items)} == {SERIAL}
