"""milesight: what the makers' own vectors say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.driver import Rejected
from tests.devices.milesight.uplinks import ambient, counts, data, read
from tests.samples import SHARED, needs_samples


def values(case: Any, *names: str) -> list[int]:
    wanted = {f"value.data.{name}" for name in names}
    return [value for key, value in case["expect"] if key in wanted]


WANTED = {  # what a case expects as counts since the last report: in and out
    "IMBuildings_PeopleCounter": (("counterA",), ("counterB",)),
    "milesight_VS121": (("in",), ("out",)),
    "milesight_VS132": (("periodicCounterIn",), ("periodicCounterOut",)),
    "milesight_VS350": (("periodicCountIn",), ("periodicCountOut",)),
    "milesight_VS351": (("periodicCountIn",), ("periodicCountOut",)),
    "yosensi_YO-PeopleCounter": (("leftToRight",), ("rightToLeft",)),
}


@needs_samples
@pytest.mark.parametrize("model", WANTED)
def test_every_vector_decodes_to_what_it_expects(model: str) -> None:
    """Counts of the period are those beside the payload, and cases without any give none."""
    assert SHARED
    place = SHARED / f"samples/door_counter/lorawan_{model}.json"
    found = 0
    for case in json.loads(place.read_text(encoding="utf-8"))["cases"]:
        pairs = list(zip(values(case, *WANTED[model][0]), values(case, *WANTED[model][1]), strict=True))
        assert counts(read(json.dumps(case["input"]).encode())) == pairs
        found += len(pairs)
    assert found


@needs_samples
def test_vectors_of_totals_and_events_decode_to_them() -> None:
    """What is not told as a period is remembered as the total that the vector expects."""
    assert SHARED
    totals = {
        "adeunis_pulse4": ("counterValue", 0),
        "browan_TBDW100": ("count", 0),
        "disruptiveTechnologies_proximityCounter": ("objectPresentCount", 0),
        "dragino_lds02": ("openCounts", 0),
        "elsys_ems-door": ("pulseAbs1", 0),
        "hkt_doorSensor": ("absOpenings", 1),
        "terabee_peopleCountingM": ("fw", 0),
    }
    for model, (name, number) in totals.items():
        place = SHARED / f"samples/door_counter/lorawan_{model}.json"
        case = json.loads(place.read_text(encoding="utf-8"))["cases"][number]
        item, *_ = read(json.dumps(case["input"]).encode())
        remembered = next(value for key, value in item.state.items() if key.startswith("line/") and value)
        assert json.loads(remembered)["total"]["in_"] == values(case, name)[0], model


@needs_samples
def test_every_vector_is_decoded_or_passed_over() -> None:
    """No payload of the samples is set aside, whether it comes in a document or bare."""
    assert SHARED
    files = sorted((SHARED / "samples/door_counter").glob("lorawan_*.json"))
    assert len(files) >= 15
    for file in files:
        for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
            bodies = [json.dumps(case["input"]).encode()]
            bodies += [bytes.fromhex(text)] if (text := case["input"]["data"].get("payloadHex")) else []
            told = [read(body) for body in bodies]
            assert [item for items in told for item in items if isinstance(item, Rejected)] == [], file.name
            assert counts(told[0]) == counts(told[-1])


Warm = tuple[float, float | None]
THERMOMETERS: dict[str, list[list[Warm]]] = {  # temperatures and humidities of each case, a sensor's own first
    "adeunis_temp4": [[(43.5, None), (-10.0, None)]],
    "disruptiveTechnologies_temperature": [[(24.0, None)]],
    "dragino_lht52": [[(22.53, 54.4), (-26.18, None)]],
    "dragino_lht65": [[(26.01, 47.6)]],
    "dragino_lsn50v2-d23": [[(13.0, None), (5.2, None), (-0.3, None)]],
    "milesight_EM320-TH": [[(27.2, 46.5), (30.8, 50.5)]],
    "milesight_EM500-PT100": [[(28.1, None)]],
    "milesight_TS101": [[(26.3, None)]],
    "milesight_TS201": [[(30.8, None)], [(-6.7, None)]],
    "yosensi_YO-RefrigerantMonitor": [[(26.3, 51.0), (27.2, None)]],
}


@needs_samples
@pytest.mark.parametrize("model", THERMOMETERS)
def test_every_thermometer_decodes_to_what_it_expects(model: str) -> None:
    """In a document and as a bare payload, and nothing of it is counted as people."""
    assert SHARED
    cases = json.loads((SHARED / f"samples/thermometer/lorawan_{model}.json").read_text(encoding="utf-8"))["cases"]
    for case, expected in zip(cases, THERMOMETERS[model], strict=True):
        bodies = [json.dumps(case["input"]).encode()]
        bodies += [bytes.fromhex(text)] if (text := case["input"]["data"].get("payloadHex")) else []
        for body in bodies:
            items = read(body)
            assert [(told, humidity) for _, told, humidity in ambient(items)] == expected
            assert data(items) == []
