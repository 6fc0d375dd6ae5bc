"""modbus: whatever a bus carries, the right answer to the right question becomes the right value."""

from __future__ import annotations

import json
import struct
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, Reading, Rejected
from devices.framing import MAX_NOISE
from devices.modbus.frames import crc, question
from devices.modbus.register_map import MAPS, RegisterMap, shipped
from devices.modbus.simulator import Slave, cold_room, frame, messages
from devices.registry import driver
from records.types import DoorCount, Energy, TempAmbient
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.modbus.bus import ASK, AT, answer, celsius, read, reasons, words
from tests.samples import SHARED, needs_samples


@needs_samples
def test_captured_frames_are_read() -> None:
    """Every real frame is a frame when its CRC is right and noise when it is not; the answer in three pieces is one."""
    assert SHARED
    rows = json.loads((SHARED / "samples/thermometer/modbus_rtu_frames.json").read_text())
    by_hex = {row["hex"].replace(" ", "").lower(): row for row in rows}
    for text, row in by_hex.items():
        told = reasons(read(bytes.fromhex(text)))
        assert ("wrong CRC or half a frame" in told) is not row["crc_ok"], row

    request, response = "010300000002c40b", "0103040292ff9b5a3d"
    (item,) = read(bytes.fromhex(request + response))
    assert isinstance(item, Reading)
    assert item.data == TempAmbient(-10.1, "1", 65.8)

    pieces = next(row["chunks"] for row in rows if "chunks" in row)
    soil = {"title": "t", "values": [{"kind": "celsius", "address": 25205, "scale": 0.1, "type": "uint16"}]}
    device = decoder_of("modbus", Context(), map=soil)
    items = fed(device, [bytes.fromhex("040362750 00c4bf8".replace(" ", "")), *map(bytes.fromhex, pieces)], AT)
    assert celsius(items) == [48.8]

    to_all = bytes.fromhex("0003007300017400" + "0103020029799a")
    assert reasons(read(to_all)) == ["an answer of slave 1 to a question to slave 0"]


TRAFFIC = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [
                ASK,
                answer(1, words(650, -40)),
                answer(2, words(650, -40)),
                answer(1, words(650, -40))[:5],
                frame(b"\x01\x83\x02"),
                frame(b"\x01\x06\x00\x3c\x02\x59"),
                frame(b"\x01\x10\x00\x00\x00\x01\x02\x00\x07"),
                b"\x01\x03",
                bytes(300),
            ]
        ),
    ),
    max_size=10,
).map(b"".join)


@given(bus=TRAFFIC, cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_chunking_does_not_matter(bus: bytes, cuts: list[int]) -> None:
    """However the port slices the traffic, the same comes out."""
    pieces = pieces_of(bus, cuts)
    assert fed(decoder_of("modbus", Context(), map="renke"), pieces, AT) == read(bus)


@given(before=st.binary(max_size=40))
def test_an_answer_behind_any_noise_is_found(before: bytes) -> None:
    """Resynchronising never skips a frame, unless the noise itself is frames."""
    found = celsius(read(before + ASK + answer(1, words(650, -40))))
    assert found[-1:] == [-4.0]


def test_garbage_makes_few_and_bounded_rejects() -> None:
    """Noise is set aside in stretches, not byte by byte."""
    rejects = [item for item in read(Random(4).randbytes(1 << 18)) if isinstance(item, Rejected)]
    assert 60 < len(rejects) < 90
    assert max(len(item.raw) for item in rejects) == MAX_NOISE


def test_every_shipped_map_is_one() -> None:
    """Each reads what its own questions ask for, in the shapes that it names."""
    assert {"renke", "xy-md", "carel-ir33", "danfoss-ekc202b", "eliwell-idplus", "sdm120", "dtsu666"} <= set(shipped())
    for name in shipped():
        given = decoder_of("modbus", Context(), map=name)
        kinds = RegisterMap.model_validate(load(name))
        assert kinds.title
        bus = b"".join(
            question(1, *block) + answer(1, bytes(2 * block.number), block.function) for block in kinds.blocks()
        )
        assert len(fed(given, [bus], AT)) == len({value.probe for value in kinds.values})


def load(name: str) -> Any:
    import yaml

    return yaml.safe_load((MAPS / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "order", "data", "expected"),
    [
        ("float32", "high-first", struct.pack(">f", 12.5), "12.500"),
        ("float32", "low-first", struct.pack(">f", 12.5)[2:] + struct.pack(">f", 12.5)[:2], "12.500"),
        ("uint32", "low-first", words(1, 2), "131073.000"),
        ("uint64", "high-first", words(0, 0, 1, 0), "65536.000"),
        ("int32", "high-first", words(0, 7), "7.000"),
    ],
)
def test_numbers_have_shapes(kind: str, order: str, data: bytes, expected: str) -> None:
    """A value is read in its type and word order."""
    meter = {"title": "m", "values": [{"kind": "kwh", "address": 7, "type": kind, "words": order}]}
    (item,) = read(question(1, 3, 7, len(data) // 2) + answer(1, data), map=meter)
    assert isinstance(item, Reading)
    assert item.data == Energy(Decimal(expected), "1")


def test_an_energy_that_is_no_number_is_set_aside() -> None:
    """A float can be none."""
    nan = struct.pack(">f", float("nan"))
    assert reasons(read(question(1, 4, 342, 2) + answer(1, nan, 4), map="sdm120")) == [
        "1 says an energy that is no number"
    ]


def test_totals_become_increases_across_a_restart() -> None:
    """What the last answer left is where the next start goes on; a wrap is no reset and a reset no wrap."""
    state: dict[str, bytes] = {}
    told: list[DoorCount] = []
    for came, went in [(65530, 10), (5, 12), (7, 13), (1, 0), (40000, 0), (10, 1)]:
        values = [{"kind": "in", "address": 0, "type": "uint16"}, {"kind": "out", "address": 1, "type": "uint16"}]
        device = decoder_of("modbus", Context(state), map={"title": "c", "values": values})
        (item,) = fed(device, [ASK + answer(1, words(came, went))], AT)
        assert isinstance(item, Reading)
        assert isinstance(item.data, DoorCount)
        state |= {key: value for key, value in item.state.items() if value is not None}
        told.append(item.data)

    assert [(d.in_, d.out, d.resumed, d.gap) for d in told] == [
        (0, 0, False, True),
        (11, 2, False, False),
        (2, 1, False, False),
        (1, 0, True, False),
        (39999, 0, False, False),
        (10, 1, True, False),
    ]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([{"kind": "in", "address": 0, "type": "uint32"}], "side by side"),
        ([{"kind": "in", "address": 0}, {"kind": "out", "address": 9}], "side by side"),
        ([], "at least 1"),
        ([{"kind": "in", "address": 0, "type": "float32"}, {"kind": "out", "address": 2}], "whole numbers"),
    ],
)
def test_a_map_that_cannot_work_is_refused(values: list[dict[str, Any]], match: str) -> None:
    """Counts of one moment come in one answer."""
    with pytest.raises(ValidationError, match=match):
        read(b"", map={"title": "t", "values": values})


def test_maps_are_found_by_name_or_file(tmp_path: Path) -> None:
    """A near name is offered, a file is read, and the line is set as the map's devices are delivered."""
    with pytest.raises(ValidationError, match="did you mean renke"):
        read(b"", map="rencke")
    with pytest.raises(ValidationError, match="No such file"):
        read(b"", map=str(tmp_path / "none.yaml"))
    (tmp_path / "own.yaml").write_text(
        "title: own\nbaudrate: 19200\nparity: E\nvalues: [{kind: celsius, address: 3}]\n"
    )
    options = driver("modbus").options.model_validate
    entry = {"id": "m", "driver": "modbus", "port": "x", "map": str(tmp_path / "own.yaml")}
    assert vars(options(entry))["baudrate"] == 19200
    assert vars(options({**entry, "baudrate": 9600}))["baudrate"] == 9600
    assert vars(options(entry))["parity"] == "E"


def test_the_simulator_speaks_the_protocol() -> None:
    """All that is said on the simulated bus is a reading."""
    bus = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=1)), 200))
    assert len(celsius(read(bus))) == 200
    assert Slave(1, cold_room(Random(1))).hear(question(1, 3, 5, 1)) == frame(b"\x01\x83\x02")
    assert Slave(1, cold_room(Random(1))).hear(question(2, 3, 0, 2)) == b""


def test_crc_is_that_of_the_specification() -> None:
    """The CRC of the frame in the specification's annex."""
    assert crc(bytes((2, 7))) == bytes((0x41, 0x12))
