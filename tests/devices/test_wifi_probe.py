"""wifi-probe: devices nearby are counted in groups of ten or more; no address is ever kept, told or written."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, Item, Reading, Receiver, Rejected, Request
from devices.registry import driver
from devices.wifi_probe.frames import heard_in
from devices.wifi_probe.simulator import messages, report
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from records import to_json
from records.types import WifiPresence
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
OWN = [f"50:98:b8:00:01:{n:02x}" for n in range(40)]
MADE_UP = [f"{first:02x}:76:9f:00:02:{n:02x}" for first in (0x92, 0x02, 0x06, 0xFE) for n in range(40)]
MAC = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))


def body(macs: Sequence[str]) -> bytes:
    return report(list(macs), Random(1))


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("wifi-probe", Context(), **{"enabled": True, **settings}), [data], AT)


def counts(items: Sequence[Item]) -> list[int]:
    return [item.data.count for item in items if isinstance(item, Reading) and isinstance(item.data, WifiPresence)]


class Probe:
    """A receiver that is posted to."""

    def __init__(self, context: Context = Context(), **settings: Any) -> None:  # noqa: B008 - it is immutable
        package = driver("wifi-probe")
        chosen = package.options.model_validate({"id": "w", "driver": "wifi-probe", "enabled": True, **settings})
        device = package.device(chosen, context)
        assert isinstance(device, Receiver)
        self.device = device

    def post(self, data: bytes, minute: float) -> list[Item]:
        answer = self.device.receive(Request("POST", "/push/w", {}, {}, data), AT + timedelta(minutes=minute))
        assert answer.status == 200
        return list(answer.items)


STREAM = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.lists(MAC, max_size=20).map(body),
        st.sampled_from([body(OWN[:12]), body(OWN)[:90], b'{"data": 7}', b'{"data": [1, {"mac": 3}]}', b"[]"]),
    ),
    max_size=6,
).map(b"".join)


@given(stream=STREAM, cuts=st.lists(st.integers(0, 9000), max_size=8))
def test_chunking_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However reports come in, the same devices are counted."""
    pieces = pieces_of(stream, cuts)
    assert fed(decoder_of("wifi-probe", Context(), enabled=True), pieces, AT) == read(stream)


@given(macs=st.lists(MAC, max_size=60))
def test_only_addresses_of_their_own_are_counted(macs: list[str]) -> None:
    """Each once, and only where there are ten; made-up ones and groups never."""
    own = {mac for mac in macs if not int(mac[:2], 16) & 3}
    assert counts(read(body(macs) + body(macs))) == ([len(own)] if len(own) >= 10 else [])


def test_made_up_addresses_are_told_apart() -> None:
    """A hundred of them make nobody; written with other separators or letters an address is the same."""
    assert counts(read(body(MADE_UP))) == []
    assert counts(read(body([*OWN[:10], *MADE_UP]))) == [10]
    assert counts(read(body([*OWN[:10], *(mac.upper().replace(":", "-") for mac in OWN[:10])]))) == [10]


def test_it_is_off_unless_it_is_switched_on() -> None:
    """An entry alone counts nobody, and sets nothing aside; a threshold below ten is refused."""
    assert read(body(OWN) + b"noise" * 2000, enabled=False) == []
    probe = Probe(enabled=False)
    assert [probe.post(body(OWN), minute) for minute in (0, 20, 40)] == [[], [], []]
    assert (
        driver("wifi-probe").options.model_validate({"id": "w", "driver": "wifi-probe"}).model_dump()["enabled"]
        is False
    )
    with pytest.raises(ValidationError, match="greater than or equal to 10"):
        Probe(least=9)


def test_an_interval_is_told_by_the_first_report_after_it() -> None:
    """Devices are counted together for a quarter of an hour; groups under ten leave no trace."""
    probe = Probe()
    assert probe.post(body(OWN[:8]), 1) == []
    assert probe.post(body(OWN[5:14]), 14) == []
    (told,) = probe.post(body(OWN[:9]), 16)
    assert isinstance(told, Reading)
    assert (told.data, told.at) == (WifiPresence(14, 900), AT + timedelta(minutes=15))
    assert probe.post(body(OWN[:20]), 31) == []  # nine were too few
    assert counts(probe.post(b'{"data": []}', 100)) == [20]
    assert probe.post(b'{"data": []}', 200) == []


def test_far_away_devices_do_not_count() -> None:
    """Below the threshold; one that says no strength does."""
    rows = [{"mac": mac, "rssi": rssi} for mac, rssi in zip(OWN, ["-50"] * 9 + ["-91"] * 9 + [None] * 3, strict=False)]
    said = json.dumps({"data": rows}).encode()
    assert counts(read(said, min_rssi=-80)) == [12]
    assert counts(read(said)) == [21]


def test_a_form_is_read_too() -> None:
    """Some probes post the report as a form's field."""
    probe = Probe()
    probe.post(b"data=" + quote_plus(body(OWN[:12])).encode(), 0)
    assert counts(probe.post(body([]), 20)) == [12]


def values(probe: Probe) -> tuple[bytes, set[bytes]]:
    """The key and the values that are in memory; there is no other way to show that they go."""
    presence = probe.device._presence  # type: ignore[attr-defined]
    return presence._key, set(presence._there)


def test_key_and_values_are_thrown_away_daily() -> None:
    """At local midnight, in the middle of an interval too: what was there before can be recognised by nobody."""
    probe = Probe(Context(timezone=ZoneInfo("Asia/Shanghai")), interval_s=86_400)
    probe.post(body(OWN[:12]), 0)
    before = values(probe)
    assert counts(probe.post(body(OWN[:12]), 60 * 7 + 1)) == [12]  # 00:01 in Shanghai
    after = values(probe)
    assert before[0] != after[0]
    assert len(before[1]) == len(after[1]) == 12
    assert not before[1] & after[1]


@given(macs=st.lists(MAC, min_size=1, max_size=30), cut=st.integers(0, 3000))
def test_no_address_is_in_anything_that_is_written(macs: list[str], cut: int) -> None:
    """Whole reports, broken ones, noise with addresses in it: neither records, state, rejects nor logs hold one."""
    said = body(macs)
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        probe = Probe()
        items = [*read(said + said[:cut] + ",".join(macs).encode()), *probe.post(said[:cut], 0), *probe.post(said, 20)]
        items += probe.post(quote_plus(said).encode(), 40)
    finally:
        logging.getLogger().removeHandler(handler)
    lines = heard + [written(item) for item in items]
    plain = re.sub("[^0-9a-f]", "", "".join(lines).lower())
    assert not [mac for mac in macs if mac.replace(":", "") in plain and len(set(mac)) > 4]


def written(item: Item) -> str:
    kept = clean(item, "w", Policy(bytes(32)), Moment(AT)) if isinstance(item, Reading) else item
    line = to_json(quarantine(kept, "w") if isinstance(kept, Rejected) else kept).decode()
    identity = item.identity if isinstance(item, Reading) else ""
    return f"{line} {dict(item.state)} {item.raw!r} {identity}"


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes: some devices have their own address, more make one up."""
    said = [message.body for message in islice(messages(Random(3), AT, timedelta(seconds=5)), 50)]
    heard = [one for text in said for one in heard_in(json.loads(text)) or []]
    assert len(heard) == 1500
    assert 0.5 < sum(one.made_up for one in heard) / len(heard) < 0.8
    (count,) = counts(read(b"".join(said)))
    assert count > 20


@needs_samples
def test_a_real_report_names_nobody() -> None:
    """Seven devices with addresses of their own are too few to be told; a made-up one is told apart."""
    assert SHARED
    said = (SHARED / "samples/wifi_probe/datasky_ds006_report.json").read_bytes()
    heard = heard_in(json.loads(said))
    assert heard is not None
    assert [one.made_up for one in heard] == [False, False, False, True, False, False, False, False]
    assert read(said) == []
