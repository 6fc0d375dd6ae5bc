"""http-push: posts of who knows the secret become records, once, and secrets within them are nowhere."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Answer, Context, Reading, Receiver, Rejected, Request
from devices.http_push.options import Options
from devices.http_push.simulator import messages
from devices.registry import driver
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.cleaning import quarantine
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.listener import Listener, Pushing
from edge_agent.station import Station
from edge_agent.web import Limits
from records import Lane, Record, to_json
from records.types import PaymentCode
from tests.devices.cases import decoder_of, fed
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import running
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
SHANGHAI = Context(timezone=ZoneInfo("Asia/Shanghai"), currency="CNY")
SALE = b'{"id": "1", "at": "2026-11-21 09:00", "total": "9.90"}'


def receiver(**settings: Any) -> Receiver:
    package = driver("http-push")
    made = package.device(package.options.model_validate({"id": "p", "driver": "http-push", **settings}), SHANGHAI)
    assert isinstance(made, Receiver)
    return made


def post(to: Receiver, body: bytes, method: str = "POST", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return to.receive(Request(method, "/push/p", {}, named, body), AT)


def test_a_post_is_answered_with_its_records() -> None:
    """200 and the body that the sender wants; broken ones too, since they would only come again."""
    answer = post(receiver(answer="<xml>OK</xml>"), SALE)
    assert (answer.status, answer.body, answer.content_type) == (200, b"<xml>OK</xml>", "text/xml")
    assert [type(item) for item in answer.items] == [Reading]
    broken = post(receiver(), b'{"id": ')
    assert (broken.status, [type(item) for item in broken.items]) == (200, [Rejected])
    assert post(receiver(), b"", method="GET").items == []
    assert post(receiver(), SALE, method="GET").items == []


def test_a_shared_secret_is_asked_for(tmp_path: Path) -> None:
    """Without it 401 and nothing is kept; the file may change while the agent runs."""
    (tmp_path / "secret").write_text("s3cret\n")
    to = receiver(secret_file=tmp_path / "secret")
    for shown in ({}, {"x_push_secret": "wrong"}, {"x_push_secret": ""}, {"x_push_secret": "s3cret\u4e00"}):
        answer = post(to, SALE, **shown)
        assert (answer.status, answer.items) == (401, ())
    assert post(to, SALE, x_push_secret="s3cret").status == 200
    (tmp_path / "secret").write_text("other")
    assert post(to, SALE, x_push_secret="s3cret").status == 401
    (tmp_path / "secret").write_text("")
    assert post(to, SALE, x_push_secret="").status == 401
    (tmp_path / "secret").unlink()
    assert post(to, SALE, x_push_secret="s3cret").status == 503


@pytest.mark.parametrize("url", ["", "https://shop.example.com/push/p"])
def test_a_signature_is_checked_over_what_was_posted(tmp_path: Path, url: str) -> None:
    """HMAC of the body, or of the address and the body; in hexadecimal or base64; of another body it is wrong."""
    (tmp_path / "key").write_text("k3y")
    mac = digest(b"k3y", url.encode() + SALE, "sha256")
    for form, shown in (
        ("hex", mac.hex().upper()),
        ("hex", f"sha256={mac.hex()}"),
        ("base64", b64encode(mac).decode()),
    ):
        to = receiver(secret_file=tmp_path / "key", signature=f"hmac-sha256-{form}", header="X-Sign", signed_url=url)
        assert post(to, SALE, x_sign=shown).status == 200
        assert post(to, SALE + b" ", x_sign=shown).status == 401
        assert post(to, SALE, x_sign=sha256(SALE).hexdigest()).status == 401


def test_a_signature_needs_its_key() -> None:
    """The settings say so before anything runs."""
    with pytest.raises(ValidationError, match="needs secret_file"):
        Options.model_validate({"id": "p", "driver": "http-push", "signature": "hmac-sha256-hex"})


def identities(answer: Answer) -> list[str | None]:
    return [item.identity for item in answer.items if isinstance(item, Reading)]


def test_a_repeat_is_told_by_the_sources_own_identity() -> None:
    """The same posted again has the same identity, other content another."""
    to = receiver()
    (first,), (again,) = identities(post(to, SALE)), identities(post(to, SALE + b"\n"))
    (other,) = identities(post(to, SALE.replace(b"9.90", b"9.80")))
    assert first == again
    assert first is not None
    assert first != other


def test_the_simulator_comes_out_once_a_payment() -> None:
    """Approved ones are nothing yet, repeats have one identity."""
    to = receiver(profile="square")
    said = list(islice(messages(Random(2), AT, timedelta(minutes=1)), 200))
    got = [identity for message in said for identity in identities(post(to, message.body))]
    assert len(got) > len(set(got)) > 50


def test_a_post_is_stored_once_however_often_it_comes(tmp_path: Path) -> None:
    """Over a real listener and recorder: answered after the commit, repeats are dropped, changes are kept."""
    clock, station = SystemClock(), Station("p", "http-push", SystemClock())
    options = Options.model_validate({"id": "p", "driver": "http-push"})
    with running(tmp_path, TestBox()) as (desk, recorder):
        pushing = {"p": Pushing(receiver(), options, station, threading.Lock())}
        listener = Listener(("127.0.0.1", 0), pushing, Intake(desk, Cleaning(bytes(32)), clock), Limits())
        listener.start()
        accepted = []
        for body in (SALE, SALE, SALE, SALE.replace(b"9.90", b"9.80"), SALE):
            url = f"http://127.0.0.1:{listener.server_port}/push/p"
            assert requests.post(url, body, timeout=60).status_code == 200
            accepted.append(recorder.status().accepted[Lane.VITAL])
        listener.shutdown()
        listener.server_close()
    assert [count - accepted[0] for count in accepted] == [0, 0, 0, 1, 1]


CODES = ("134605723733336326", "283971647685282846")


@pytest.mark.parametrize("form", ["{}", "{}<", "x{}", "{}{}"])
def test_no_secret_of_a_payment_is_kept(form: str) -> None:
    """Whole, broken or doubled: authorisation code, signature and openid are in no record and nothing set aside."""
    secrets = (*CODES, "0123456789ABCDEF", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    body = (
        f"<xml><auth_code>{CODES[0]}</auth_code><attach>{CODES[1]}</attach><sign><![CDATA[{secrets[2]}]]></sign>"
        f"<openid>{secrets[3]}</openid><out_trade_no>1</out_trade_no><total_fee>1</total_fee>"
        "<time_start>20261121083012</time_start></xml>"
    )
    answer = post(receiver(profile="wechat"), form.replace("{}", body).encode())
    assert answer.items
    for item in answer.items:
        record = Record("p", item.at, item.data) if isinstance(item, Reading) else quarantine(item, "p")
        told = repr(record).encode() + to_json(record)
        if isinstance(item, Reading):
            assert item.data == PaymentCode("wechat")
        else:
            told += item.raw.replace(CODES[1].encode(), b"")  # in a free text: cleaning takes it out
        assert [secret for secret in secrets if secret.encode() in told] == []


@given(body=st.binary(max_size=300), profile=st.sampled_from(["plain", "square", "wechat"]))
def test_any_body_is_answered(body: bytes, profile: str) -> None:
    """Whatever is posted, nothing raises."""
    assert post(receiver(profile=profile), body).status == 200


NAMES = st.sampled_from(["id", "at", "lines", "tenders", "qty", "data", "object", "payment", "total_money", "status"])
LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


@given(value=VALUES)
def test_any_json_is_answered(value: Any) -> None:
    """Whatever stands where a name is looked for, nothing raises."""
    for profile in ("plain", "square"):
        assert post(receiver(profile=profile), json.dumps(value).encode()).status == 200


@needs_samples
def test_a_real_micropay_request_is_a_payment_code() -> None:
    """Its code, signature and shop's attachment appear nowhere."""
    assert SHARED
    body = (SHARED / "samples/pos_pay/wechat_micropay_request_2021a.xml").read_bytes()
    (item,) = fed(decoder_of("http-push", SHANGHAI, profile="wechat"), [body], AT)
    assert isinstance(item, Reading)
    assert (item.data, f"{item.at:%Y-%m-%dT%H:%M:%SZ}") == (PaymentCode("wechat"), "2021-08-23T01:40:12Z")
    told = repr(item).encode()
    assert b"134605723733336326" not in told
    assert b"7F5CF196D7C89666" not in told
