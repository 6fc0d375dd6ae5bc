"""milesight: thermometers on the same servers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from devices.driver import Context, Item, Reading, Rejected
from records.types import TempAmbient
from tests.devices.milesight.uplinks import NINE, ambient, celsius, frame, read


def test_a_probe_that_is_not_connected_is_set_aside() -> None:
    """An LHT65 says 327.67 °C of it; a DS18B20 that has not measured says 85 °C."""
    for body, reason in (
        (bytes.fromhex("cc2c0a2901dc017fff7fff"), "327.67 °C cannot be true"),
        (bytes.fromhex("0e4103520000 0c0034fffd".replace(" ", "")), "before it has measured"),
    ):
        (reject,) = [item for item in read(body) if isinstance(item, Rejected)]
        assert reason in reject.reason


def test_temperatures_are_judged_like_all_others() -> None:
    """Spikes are set aside, limits make excursions, names are the configuration's; all of it survives a restart."""
    state: dict[str, bytes] = {}

    def push(number: int, tenths: int, minute: int) -> Item:
        settings = {"probes": [{"id": "door", "name": "freezer-1", "max_c": -15}], "after_s": 600}
        (item,) = read(frame(number, celsius(tenths), minute), context=Context(state=dict(state)), **settings)
        state.update({key: value for key, value in item.state.items() if value is not None})
        return item

    cold, spike, warm, still = (push(*told) for told in ((1, -180, 0), (2, 795, 1), (3, -140, 2), (4, -140, 13)))
    assert isinstance(cold, Reading)
    assert cold.data == TempAmbient(-18.0, "freezer-1")
    assert isinstance(spike, Rejected)
    assert "a jump from -18 to 79.5 °C (freezer-1)" in spike.reason
    assert isinstance(warm, Reading)
    assert warm.data == TempAmbient(-14.0, "freezer-1")
    assert isinstance(still, Reading)
    assert still.data == TempAmbient(-14.0, "freezer-1", excursion="high")


def test_kept_temperatures_are_told_at_their_own_time() -> None:
    """They come again with one identity, and stir neither spikes nor excursions of what is measured now."""
    moment = NINE - timedelta(hours=3)
    kept = b"\x20\xce" + int(moment.timestamp()).to_bytes(4, "little") + b"\x02" + celsius(200)[2:]
    items = read(frame(1, celsius(-180)), frame(2, kept), frame(2, kept), frame(3, celsius(-181)))
    assert [told for _, told, _ in ambient(items)] == [-18.0, 20.0, 20.0, -18.1]
    _, first, second, _ = items
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert first.at == moment
    assert first.identity == second.identity is not None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"temperature": 27.2, "humidity": 46.5}, [("door", 27.2, 46.5)]),
        ({"TempC_SHT": 3.5, "Hum_SHT": "81.2", "TempC_DS": -2.25}, [("door", 3.5, 81.2), ("door/2", -2.25, None)]),
        (
            {"TempC1": 1, "TempC2": 2.0, "TempC3": 3.0},
            [("door", 1.0, None), ("door/2", 2.0, None), ("door/3", 3.0, None)],
        ),
        ({"temperature": "n/a"}, []),
    ],
)
def test_temperatures_that_a_server_decoded_are_read(values: dict[str, object], expected: list[object]) -> None:
    """Where the payload is nobody's that is known."""
    document = {"devEUI": "a", "deviceName": "door", "fPort": 77, "fCnt": 1, "data": "AA==", "object": values}
    assert ambient(read(json.dumps(document).encode())) == expected
