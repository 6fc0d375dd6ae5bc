"""w1-thermometer: only what a sensor really measured comes out of the kernel's files."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.simulator import FileWay
from devices.w1_thermometer.simulator import PROBE, messages, text
from records.types import TempAmbient
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import opened, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("w1-thermometer", Context(), **settings), [data], AT)


def celsius(items: list[Item]) -> list[float | None]:
    return [item.data.celsius for item in items if isinstance(item, Reading) and isinstance(item.data, TempAmbient)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


@needs_samples
def test_the_samples_are_read() -> None:
    """A real file, real scratchpads, and the real freezer with its spikes: no excursion whatever the limit's time."""
    assert SHARED
    place = SHARED / "samples/thermometer"
    assert celsius(read((place / "w1_slave_rpi_3937.txt").read_bytes())) == [3.937]

    pads = read((place / "ds18b20_scratchpads.json").read_bytes())
    assert celsius(pads) == [29.375]
    assert reasons(pads) == ["wrong CRC; check cable length, pull-up and power"]

    series = place / "ds18b20_freezer_series_with_spikes.json"
    items = read(series.read_bytes(), interval_s=10, max_c=-12, after_s=0)
    kept = [celsius for celsius in json.loads(series.read_text()) if celsius < 0]
    assert celsius(items) == kept
    assert len(reasons(items)) == 2
    as_files = read(b"".join(map(text, json.loads(series.read_text()))), interval_s=10, max_c=-12, after_s=0)
    for said in (items, as_files):
        told = [
            item.data.excursion for item in said if isinstance(item, Reading) and isinstance(item.data, TempAmbient)
        ]
        assert told == [None] * 18


def test_85_degrees_are_believed_where_they_are_led_up_to() -> None:
    """The power-on value is a legal temperature."""
    assert celsius(read(text(85.0) + text(82.0) + text(85.0))) == [82.0, 85.0]


LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [text(-18), text(-18, good=False), text(4).splitlines(keepends=True)[0], b"\n", b"[", b"[1, 2]"]
        ),
        st.sampled_from([b"28-0316a2799e4f/w1_slave:" + line for line in text(5).splitlines(keepends=True)]),
    ),
    max_size=10,
).map(b"".join)


@given(said=LINES, cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_chunking_does_not_matter(said: bytes, cuts: list[int]) -> None:
    """However the input is sliced, the same comes out."""
    pieces = pieces_of(said, cuts)
    assert fed(decoder_of("w1-thermometer", Context()), pieces, AT) == read(said)


def test_garbage_makes_bounded_rejects() -> None:
    """Neither a line nor a series without end is kept in memory."""
    for junk in (b"x" * 300_000, b"[" + b"1," * 150_000):
        rejects = [item for item in read(junk) if isinstance(item, Rejected)]
        assert 1 <= len(rejects) < 10
        assert len(rejects) == len(read(junk))


def reading(folder: Path, **settings: Any) -> Driver:
    return opened("w1-thermometer", **{"path": folder, "interval_s": 1, **settings})


def test_every_thermometer_of_the_bus_is_read_each_round(tmp_path: Path) -> None:
    """By its own number; other devices of the bus are passed over, and one that vanishes is told once."""
    for name, said in (("28-0316a2799e4f", text(-18)), ("10-000801b5a1c2", text(4.5)), ("29-00000003ffff", b"relay")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w1_slave").write_bytes(said)
    (tmp_path / "w1_bus_master1").mkdir()
    device = reading(tmp_path)
    items = until(device, lambda items: len(items) >= 4)
    told = {(i.data.probe, i.data.celsius) for i in items if isinstance(i, Reading) and isinstance(i.data, TempAmbient)}
    assert told == {("28-0316a2799e4f", -18.0), ("10-000801b5a1c2", 4.5)}
    assert reasons(items) == []

    shutil.rmtree(tmp_path / "10-000801b5a1c2")
    items = until(device, lambda items: len(celsius(items)) >= 3)
    assert reasons(items)[-1] == "10-000801b5a1c2 is no longer on the bus; check its cable"
    assert sum("no longer" in reason for reason in reasons(items)) == 1
    device.close()


def test_a_bus_without_thermometers_is_offline(tmp_path: Path) -> None:
    """Before the first and after the last."""
    with pytest.raises(DeviceOffline, match="pull-up"):
        reading(tmp_path / "none")
    way = FileWay(tmp_path)
    for message in islice(messages(Random(1), AT, timedelta(seconds=1)), 1):
        way.say(message)
    device = reading(tmp_path)
    until(device, lambda items: len(items) == 1)
    shutil.rmtree(tmp_path / PROBE)
    with pytest.raises(DeviceOffline, match="every thermometer is gone"):
        until(device, lambda items: len(items) > 2)


def test_the_simulator_speaks_the_protocol() -> None:
    """What it says decodes, but for the disturbed answers among it."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=30)), 500))
    items = read(said)
    assert len(items) == 500
    assert 470 < len(celsius(items)) < 500
    assert {reason.split(";")[0] for reason in reasons(items)} == {"wrong CRC"}
