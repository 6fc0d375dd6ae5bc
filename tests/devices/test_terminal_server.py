"""Serial devices behind a terminal server (RFC 2217) are read as those on a port of the box."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from devices.dlt645.simulator import ADDRESS, Meter
from devices.driver import Item, Reading
from devices.ir_thermometer.simulator import frame
from devices.modbus.simulator import answerer
from devices.scale.simulator import Toledo8217, line
from tests.devices.line import lost, opened, telnetting, until

Reply = Callable[[bytes], bytes]
pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's own


def speaking(said: bytes) -> Reply:
    """A device that speaks as soon as the line is set up."""
    return lambda _: said


DEVICES: dict[str, tuple[Reply, dict[str, Any]]] = {
    "scale": (speaking(line(Decimal("1.234")) + line(Decimal(0))), {}),
    "scale-asked": (Toledo8217(Random(1)).hear, {"protocol": "toledo-8217"}),
    "ir-thermometer": (speaking(frame(36.5)), {"baudrate": 115_200}),
    "scanner-serial": (speaking(b"4006381333931\r"), {"parity": "E", "bytesize": 7}),
    "modbus": (answerer(Random(1)).hear, {"interval_s": 1}),
    "dlt645": (Meter(ADDRESS, Random(1)).hear, {"interval_s": 1}),
}


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_behind_a_terminal_server_is_read(name: str) -> None:
    """Speaking or asked, at any speed and parity; bytes that Telnet escapes come through."""
    reply, settings = DEVICES[name]
    with telnetting(reply) as url:
        device = opened(name.removesuffix("-asked"), port=url, **settings)
        items = until(device, bool)
        device.close()
    assert isinstance(items[0], Reading)


def test_bytes_that_telnet_means_something_by_come_through() -> None:
    """FF in a frame: -0.01 °C of a sensor in the cold."""
    with telnetting(speaking(frame(-0.01, -2.56))) as url:
        device = opened("ir-thermometer", port=url)
        (item, *_) = until(device, bool)
        device.close()
    assert isinstance(item, Reading)
    assert item.raw == frame(-0.01, -2.56)


def test_waiting_does_not_set_the_line_up_again() -> None:
    """The server is told how to set its line when it is opened, and not with every read."""
    told: list[bytes] = []

    def reply(heard: bytes) -> bytes:
        told.append(heard)
        return b""

    with telnetting(reply) as url:
        device = opened("scanner-serial", port=url)
        before = len(told)
        items: list[Item] = []
        for number in range(60):
            items += device.read(0.01 + number / 10_000).items
        device.close()
        assert len(told) - before <= 2  # the last words of opening
    assert items == []


def test_a_terminal_server_that_goes_away_is_a_loss() -> None:
    """And one that is not there says what to check."""
    with telnetting(speaking(frame(36.5))) as url:
        device = opened("ir-thermometer", port=url)
        until(device, bool)
    assert "check the cable" in lost(device)
    device.close()
