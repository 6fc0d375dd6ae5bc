"""modbus: slaves on a line or behind TCP are asked in turn, and told when they are silent."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devices.driver import DeviceOffline, Driver, Reading
from devices.modbus.simulator import Slave
from edge_agent.simulate import main as simulate
from records.types import TempAmbient
from tests.devices.line import PATIENCE_S, lost, opened, playing, serving, until
from tests.devices.modbus.bus import answer, celsius, reasons, words


def asking(port: str, **settings: Any) -> Driver:
    return opened("modbus", **{"port": port, "map": "renke", "interval_s": 1, "answer_s": 0.3, **settings})


def test_several_slaves_of_a_bus_are_read_in_turn() -> None:
    """Each by its own map and name; one that is silent is told once and keeps nobody waiting."""
    rooms = {1: Slave(1, lambda *_: words(650, -180)), 3: Slave(3, lambda *_: words(55))}
    slaves = [
        {"address": 1, "name": "freezer"},
        {"address": 2, "name": "nobody"},
        {"address": 3, "name": "fridge", "map": "carel-ir33"},
    ]
    with playing(lambda said: b"".join(room.hear(said) for room in rooms.values())) as line:
        device = asking(line.port, slaves=slaves)
        items = until(device, lambda items: len(celsius(items)) >= 4)
        device.close()

    told = [(i.data.probe, i.data.celsius) for i in items if isinstance(i, Reading) and isinstance(i.data, TempAmbient)]
    assert told[:4] == [("freezer", -18.0), ("fridge", 5.5)] * 2
    assert reasons(items) == ["slave 2 does not answer; check its address, wiring and power"]


def test_a_wrong_slave_and_noise_before_the_answer_do_no_harm() -> None:
    """The question stays open until its own answer comes."""
    with playing(lambda _: b"\xff" + answer(9, words(1, 1)) + answer(1, words(650, -180))) as line:
        device = asking(line.port)
        items = until(device, lambda items: bool(celsius(items)))
        device.close()
    assert celsius(items) == [-18.0]
    assert "an answer of slave 9 to a question to slave 1" in reasons(items)


def test_a_bus_on_which_nobody_answers_is_offline() -> None:
    """With what to check; and so is one that is unplugged, and one that was never there."""
    with playing(lambda _: b"") as line:
        device = asking(line.port)
        assert "check wiring" in lost(device)
        device.close()
        device.open()
        device.close()
    with pytest.raises(DeviceOffline, match="no such port"):
        asking(line.port + "-gone")


def test_simulate_answers_real_questions(tmp_path: Path) -> None:
    """`edge-agent simulate modbus` is a slave on a line: it answers as often as it was told to, then goes."""
    link = tmp_path / "bus"
    play = threading.Thread(
        target=simulate, args=("modbus",), kwargs={"to": str(link), "count": 3, "interval_s": 0, "seed": 1}
    )
    play.start()
    deadline = time.monotonic() + PATIENCE_S
    while not link.is_symlink():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    device = asking(str(link))
    assert len(celsius(until(device, lambda items: len(items) == 3))) == 3
    play.join(PATIENCE_S)
    assert not play.is_alive()
    assert not link.is_symlink()
    device.close()


def test_unplugged_and_back() -> None:
    """A lost port raises; opened again the bus is read again."""
    with playing(Slave(1, lambda *_: words(650, 30)).hear) as line:
        device = asking(line.port)
        until(device, lambda items: bool(celsius(items)))
    assert "check the cable" in lost(device)
    device.close()
    with playing(Slave(1, lambda *_: words(650, 30)).hear) as line:
        back = asking(line.port)
        assert celsius(until(back, lambda items: bool(celsius(items)))) == [3.0]
        back.close()


def mbap(said: bytes, data: bytes, number: int | None = None) -> bytes:
    asked, _, _ = struct.unpack_from(">HHH", said)
    body = said[6:8] + bytes((len(data),)) + data
    return struct.pack(">HHH", asked if number is None else number, 0, len(body)) + body


def test_modbus_tcp_is_read() -> None:
    """An answer to an older question is dropped; the same registers give the same values as on a line."""
    with serving(lambda: lambda said: mbap(said, words(1, 1), 0xEEEE) + mbap(said, words(650, -181))) as port:
        device = asking(f"tcp://127.0.0.1:{port}")
        assert celsius(until(device, lambda items: bool(celsius(items)))) == [-18.1]
        device.close()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n", "does not speak Modbus TCP"),
        (lambda _: b"", "connection is gone"),
        (lambda said: mbap(said, words(1, 1), 0xEEEE), "no slave answers"),
        (lambda said: mbap(said, words(1, 1))[:5], "no slave answers"),
    ],
)
def test_a_server_that_misbehaves_is_offline(reply: Callable[[bytes], bytes], reason: str) -> None:
    """Another protocol, a hang-up, answers to other questions, half an answer: all end in a reason."""
    with serving(lambda: reply) as port:
        device = asking(f"tcp://127.0.0.1:{port}")
        assert reason in lost(device)
        device.close()
    with pytest.raises(DeviceOffline, match="check address"):
        asking(f"tcp://127.0.0.1:{port}")
