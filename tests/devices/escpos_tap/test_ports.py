"""The ways in: a serial line that is listened to, a port that is a printer, the relay's copy."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.driver import Context, DeviceOffline, Driver, Reading, Rejected, Taken
from devices.escpos_tap.printer_port import PrinterPort
from devices.escpos_tap.tee import STATE, Tee
from devices.escpos_tap.tee_frames import ANSWER, CLOSED, DATA, HEADER, LOST, Frame, packed, unpacked
from devices.registry import driver
from devices.simulator import PtyWay
from records.types import PosReceipt
from tests.devices.escpos_tap.tapped import receipts
from tests.devices.line import PATIENCE_S, until

SALE = b"\x1b@" + "合计 12.00\n".encode("gb18030") + b"\x1dV\x00"
RUN = b"relay-01"
NOON = 1_763_000_000_000_000


def made(port: str, state: dict[str, bytes] | None = None, **settings: object) -> Driver:
    package = driver("escpos-tap")
    options = package.options.model_validate(
        {"id": "t", "driver": "escpos-tap", "port": port, "gap_s": 0.2, **settings}
    )
    device = package.device(options, Context(state=state or {}))
    assert isinstance(device, Driver)
    return device


def test_a_serial_line_is_listened_to_and_never_spoken_on() -> None:
    """Receipts come out; a status request on the line gets no answer from here."""
    line = PtyWay()
    device = made(line.port)
    device.open()
    line.write(b"\x10\x04\x01" + SALE)
    assert [one.text for one in receipts(until(device, receipts))] == ["合计 12.00"]
    line.close()


@pytest.fixture
def port() -> Iterator[PrinterPort]:
    device = made("listen://127.0.0.1:0")
    assert isinstance(device, PrinterPort)
    device.open()
    yield device
    device.close()


def asked(port: PrinterPort, request: bytes, length: int) -> bytes:
    with socket.create_connection(port.address) as till:
        till.sendall(request)
        till.settimeout(0.02)
        answer, deadline = b"", time.monotonic() + PATIENCE_S
        while len(answer) < length and time.monotonic() < deadline:
            port.read(0.02)
            try:
                answer += till.recv(64)
            except TimeoutError:
                continue
        return answer


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"\x10\x04\x01", b"\x12"),
        (b"\x10\x04\x04", b"\x12"),
        (b"\x1dr1", b"\x00"),
        (b"\x1da\xff", b"\x10\x00\x00\x00"),
        (b"\x1bv", b"\x00"),
        (b"\x1d(H\x06\x0000ABCD", b"\x37\x22ABCD\x00"),
        (b"text\n\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04", b"\x12\x12\x12\x12"),
        (b"\x1d\x49\x42", b"_store-edge\x00"),
    ],
)
def test_status_requests_are_answered(port: PrinterPort, request_: bytes, answer: bytes) -> None:
    """As a printer with paper and a shut cover, by the fixed bits of each kind of answer."""
    assert asked(port, request_, len(answer)) == answer


def test_a_request_within_an_image_is_dots(port: PrinterPort) -> None:
    """Only the one behind the image is answered."""
    assert asked(port, b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01\x1dr1", 1) == b"\x00"


def test_tills_may_print_at_the_same_time(port: PrinterPort) -> None:
    """Each connection is a line of its own; its end is the end of what it printed."""
    with socket.create_connection(port.address) as one, socket.create_connection(port.address) as two:
        for place in range(0, 12, 3):
            one.sendall(b"first till 1"[place : place + 3])
            two.sendall(b"second one 2"[place : place + 3])
            port.read(0.05)
    found = receipts(until(port, lambda items: len(items) == 2))
    assert {one.text for one in found} == {"first till 1", "second one 2"}


def test_a_port_in_use_says_what_to_do(port: PrinterPort) -> None:
    """As a device that is offline, to be tried again."""
    second = made(f"listen://127.0.0.1:{port.address[1]}")
    with pytest.raises(DeviceOffline, match="another program listens there"):
        second.open()


class FakeRelay:
    """The relay's end of the socket, for what a real one does only when it is killed at the right moment."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._agent: socket.socket | None = None

    def accept(self, run: bytes = RUN) -> None:
        self._agent, _ = self._listener.accept()
        self._agent.sendall(run)
        self._agent.settimeout(PATIENCE_S)

    def say(self, *frames: Frame) -> None:
        assert self._agent
        self._agent.sendall(b"".join(map(packed, frames)))

    def answered(self) -> int:
        assert self._agent
        return int(ANSWER.unpack(self._agent.recv(ANSWER.size, socket.MSG_WAITALL))[0])

    def close(self) -> None:
        for one in (self._agent, self._listener):
            if one:
                one.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[FakeRelay]:
    fake = FakeRelay(tmp_path / "copies.sock")
    yield fake
    fake.close()


def connected(relay: FakeRelay, folder: Path, state: dict[str, bytes] | None = None, run: bytes = RUN) -> Tee:
    """A tee that has been greeted; the connection waits in the listener until it is accepted."""
    import threading

    device = made(f"relay://{folder / 'copies.sock'}", state)
    assert isinstance(device, Tee)
    greeter = threading.Thread(target=relay.accept, args=(run,))
    greeter.start()
    device.open()
    greeter.join(PATIENCE_S)
    return device


def frame(sequence: int, data: bytes, connection: int = 1, kind: bytes = DATA, after_s: float = 0) -> Frame:
    return Frame(kind, connection, sequence, NOON + int(after_s * 1e6), data)


def test_frames_come_back_as_they_were() -> None:
    """Whole or not at all."""
    told = packed(frame(7, b"data"))
    assert unpacked(told, 0) == (frame(7, b"data"), len(told))
    assert unpacked(told[:-1], 0) is None
    assert unpacked(told[: HEADER.size - 1], 0) is None


def test_a_copy_is_answered_only_when_all_of_it_is_stored(relay: FakeRelay, tmp_path: Path) -> None:
    """Half a receipt is not; then the frame that ended it is, and with it those before."""
    device = connected(relay, tmp_path)
    relay.say(frame(1, SALE[:8]), frame(2, SALE[8:]), frame(3, b"", kind=CLOSED))
    taken = Taken()
    deadline = time.monotonic() + PATIENCE_S
    while not taken.items:
        assert time.monotonic() < deadline
        taken = device.read(0.05)
    assert [one.text for one in receipts(taken.items)] == ["合计 12.00"]
    assert taken.confirm
    taken.confirm()
    assert relay.answered() == 3


def test_frames_that_are_stored_are_not_taken_again(relay: FakeRelay, tmp_path: Path) -> None:
    """After a restart between commit and answer the relay sends them again; they say nothing new."""
    device = connected(relay, tmp_path)
    relay.say(frame(1, SALE), frame(2, b"", kind=CLOSED))
    (one,) = until(device, receipts)
    device.close()
    again = connected(relay, tmp_path, {key: value for key, value in one.state.items() if value})
    relay.say(frame(1, SALE), frame(2, b"", kind=CLOSED), frame(3, b"new\n\x1dV\x00", 2), frame(4, b"", 2, CLOSED))
    assert [one.text for one in receipts(until(again, receipts))] == ["new"]
    assert STATE in one.state


def test_another_run_of_the_relay_counts_anew(relay: FakeRelay, tmp_path: Path) -> None:
    """Its first frames are no repeats of the last run's."""
    device = connected(relay, tmp_path, {STATE: RUN + ANSWER.pack(900)}, run=b"relay-02")
    relay.say(frame(1, SALE), frame(2, b"", kind=CLOSED))
    assert len(until(device, receipts)) == 1


def test_silences_of_the_past_part_receipts(relay: FakeRelay, tmp_path: Path) -> None:
    """What was printed hours apart without a cut arrives in one go after an absence, and is two receipts."""
    device = connected(relay, tmp_path)
    relay.say(frame(1, b"morning\n"), frame(2, b"evening\n", after_s=30_000))
    items = until(device, lambda items: len(items) == 2)
    assert [item.data.text for item in items if isinstance(item, Reading) and isinstance(item.data, PosReceipt)] == [
        "morning",
        "evening",
    ]
    times = [item.at for item in items]
    assert (times[1] - times[0]).total_seconds() == 30_000


def test_what_the_relay_had_no_room_for_is_said(relay: FakeRelay, tmp_path: Path) -> None:
    """With how much it was."""
    device = connected(relay, tmp_path)
    relay.say(frame(1, ANSWER.pack(12345), 0, LOST))
    (item,) = until(device, len)
    assert isinstance(item, Rejected)
    assert "12345 bytes" in item.reason


def test_an_absent_relay_is_offline_with_what_to_check(tmp_path: Path) -> None:
    """And one that goes away is offline again."""
    with pytest.raises(DeviceOffline, match="is the relay running"):
        made(f"relay://{tmp_path}/none.sock").open()
