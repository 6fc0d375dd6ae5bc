"""A serial port brings what its decoder makes of it, and a loss leaves nothing behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from devices.driver import DeviceOffline, Item, Reading, Rejected
from devices.ir_thermometer.simulator import frame
from devices.registry import driver
from devices.simulator import Message, PtyWay
from records.types import Scan
from tests.devices.line import last_words, opened, until


@pytest.fixture
def line() -> Iterator[PtyWay]:
    way = PtyWay()
    yield way
    way.close()


def scans(items: list[Item]) -> list[str]:
    return [item.data.code for item in items if isinstance(item, Reading) and isinstance(item.data, Scan)]


def test_a_thousand_codes_come_in_order(line: PtyWay) -> None:
    """Whatever the line's pace, every code is read once, in its order."""
    device = opened("scanner-serial", port=line.port)
    codes = [f"ITEM-{number:05d}" for number in range(1000)]
    brought: list[str] = []
    for start in range(0, 1000, 100):
        line.write("".join(f"{code}\r" for code in codes[start : start + 100]).encode())
        brought += scans(until(device, lambda items: len(items) == 100))

    assert brought == codes
    device.close()


def test_unplugged_in_mid_frame_and_back(line: PtyWay) -> None:
    """Half a frame is set aside at the loss; it never joins what another plug brings."""
    first = PtyWay()
    device = opened("ir-thermometer", port=first.port)
    first.write(frame(36.5) + frame(36.6)[:5])
    items = until(device, lambda items: len(items) == 1)
    first.close()
    left, reason = last_words(device)
    device.close()

    items += left
    assert [type(item) for item in items] == [Reading, Rejected]
    assert items[1].raw == frame(36.6)[:5]
    assert first.port in reason
    assert "check" in reason

    again = opened("ir-thermometer", port=line.port)
    line.write(frame(36.6)[5:] + frame(36.7))
    back = until(again, lambda items: len(items) == 2)
    assert [type(item) for item in back] == [Rejected, Reading]
    again.close()


def test_a_lost_port_stays_lost_until_opened_again() -> None:
    """After the last items every read says offline; close may come twice."""
    way = PtyWay()
    device = opened("scanner-serial", port=way.port)
    way.write(b"CODE-1\rCOD")
    until(device, lambda items: len(items) == 1)
    way.close()
    left, _ = last_words(device)

    assert [type(item) for item in left] in ([], [Rejected])  # none where the silence came before the loss
    with pytest.raises(DeviceOffline):
        device.read(0)
    device.close()
    device.close()


@pytest.mark.parametrize(("bytesize", "parity"), [(7, "E"), (8, "E"), (7, "N")])
def test_a_simulated_line_has_no_parity(line: PtyWay, bytesize: int, parity: str) -> None:
    """A pseudo-terminal stands in for any line, opened as often as one likes."""
    for code in ("FIRST", "AGAIN"):
        device = opened("scanner-serial", port=line.port, bytesize=bytesize, parity=parity)
        line.write(f"{code}\r".encode())
        assert scans(until(device, lambda items: len(items) == 1)) == [code]
        device.close()


def test_silence_ends_a_code_without_suffix(line: PtyWay) -> None:
    """A scanner that sends nothing behind a code is heard all the same."""
    device = opened("scanner-serial", port=line.port, suffix="none", gap_s=0.05)
    line.write(b"6901234567892")
    assert scans(until(device, lambda items: len(items) == 1)) == ["6901234567892"]
    line.write(b"96385074")
    assert scans(until(device, lambda items: len(items) == 1)) == ["96385074"]
    device.close()


def test_a_port_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    """The message names the port and where to look."""
    with pytest.raises(DeviceOffline, match=r"nothing-here: .*by-id"):
        opened("scanner-serial", port=str(tmp_path / "nothing-here"))
    with pytest.raises(DeviceOffline, match="carrier-pigeon"):
        opened("scanner-serial", port="carrier-pigeon://loft")


def test_a_port_in_use_is_refused(line: PtyWay) -> None:
    """Two programs on one port would each get half of it."""
    device = opened("scanner-serial", port=line.port)
    with pytest.raises(DeviceOffline, match="another program"):
        opened("scanner-serial", port=line.port)
    device.close()


def test_a_serial_server_is_a_port_too() -> None:
    """`socket://` reads a device behind an Ethernet adapter."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        device = opened("scanner-serial", port=f"socket://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        peer.sendall(b"CODE-1\rCODE-2\r")
        assert scans(until(device, lambda items: len(items) == 2)) == ["CODE-1", "CODE-2"]
        peer.close()
        _, reason = last_words(device)
    assert "socket://" in reason
    device.close()


@pytest.mark.parametrize("name", ["scanner-serial", "ir-thermometer"])
def test_a_simulated_device_is_read_over_its_line(name: str, line: PtyWay) -> None:
    """Decoder, port and simulator agree on the protocol."""
    device = opened(name, port=line.port)
    said: list[Message] = list(islice(driver(name).messages(Random(5), datetime.now(UTC), timedelta(seconds=1)), 50))
    for message in said:
        line.say(message)
    assert len(until(device, lambda items: len(items) >= 50)) == 50
    device.close()
