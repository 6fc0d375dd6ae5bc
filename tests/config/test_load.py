"""What `config.load` takes, and what it says of what it does not take."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, load
from config.fields import broker_address
from tests.config.least import HQ, STORE, WHOLE

BROKEN = Path(__file__).parent / "broken"

LINES = WHOLE.count("\n")

CASES = {
    "unknown_key": (13, "heartbeat_intervall_s: unknown key; did you mean heartbeat_interval_s?"),
    "wrong_type": (14, "heartbeat_interval_s: must be a whole number, found 'often'"),
    "out_of_range": (15, "epoch.max_age_s: must be at most 3600, found 7200"),
    "duplicate_id": (
        18,
        "devices.1.id: the id 'scanner-1' is taken by the device in line 14; every device has its own",
    ),
    "alias_bomb": (2, "b.0: aliases are not used here; write the value out again"),
    "tab": (14, 'a tab; YAML is indented with spaces (inside "…" a tab is written \\t)'),
    "unknown_driver": (15, "devices.0.driver: unknown driver 'hikvison-count'; did you mean hikvision-count?"),
    "wrong_time_zone": (
        13,
        "timezone: must be an IANA time zone such as Asia/Shanghai; did you mean Asia/Shanghai?",
    ),
    "secret_in_clear": (
        16,
        "devices.0.password: a secret in clear; put it into a file and give its path as password_file",
    ),
    "empty": (
        1,
        "the file says nothing; it needs at least store, box, data_dir and hq: begin with a copy of config/store.yaml",
    ),
}


def faults(tmp_path: Path, text: str | bytes) -> list[str]:
    """What is wrong with `text`, without the file's name."""
    file = tmp_path / "store.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    return [str(fault).removeprefix(str(file)) for fault in caught.value.faults]


@pytest.mark.parametrize("name", CASES)
def test_a_broken_file_is_told_with_line_and_remedy(name: str) -> None:
    """Every broken file is refused at the line that is wrong, with a sentence that says what to do."""
    file = BROKEN / f"{name}.yaml"
    line, message = CASES[name]

    with pytest.raises(ConfigError) as caught:
        load(file)

    assert f"{file}:{line}: {message}" in str(caught.value).splitlines()
    if name != "alias_bomb":
        assert len(caught.value.faults) == 1


def test_every_broken_file_has_its_case() -> None:
    """No broken file lies there without being tried."""
    assert {file.stem for file in BROKEN.iterdir()} == set(CASES)


def test_the_least_file_gets_defaults(tmp_path: Path) -> None:
    """A file with only what is required has the documented defaults, and no devices."""
    file = tmp_path / "store.yaml"
    file.write_text(WHOLE)

    config = load(file)

    assert (config.timezone, config.currency, config.business_day_start) == ("Asia/Shanghai", "CNY", time(0))
    assert (config.listener.address, config.listener.port) == ("127.0.0.1", 8640)
    assert (config.heartbeat_interval_s, config.epoch.max_age_s, config.hq.topic_root) == (60, 3600, "se")
    assert [broker_address(url) for url in config.hq.brokers] == [
        ("mqtt.example.com", 8883, None),
        ("2001:db8::1", 443, None),
    ]
    assert [link.name for link in config.hq.every_link] == ["wired"]
    assert config.devices == ()


def test_relative_paths_begin_at_the_files_folder(tmp_path: Path) -> None:
    """A relative path means the same whichever folder the agent was started in; an absolute one stays."""
    file = tmp_path / "store.yaml"
    file.write_text(WHOLE + "devices:\n  - {id: till, driver: poslog, path: drop}\n")

    config = load(file)

    assert config.data_dir == tmp_path / "data"
    assert config.hq.ca_file == tmp_path / "keys/ca.pem"
    assert config.hq.cert_file == Path("/keys/box.pem")
    assert config.devices[0].model_dump()["path"] == tmp_path / "drop"


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Faults of syntax rules, of models, of drivers and between devices come together, in the order of lines."""
    text = WHOLE + (
        "currency: cny\n"
        "box: box-2\n"
        "listener: {port: 70000, token: x}\n"
        "devices:\n"
        "  - id: Scanner 1\n"
        "    driver: scanner-serial\n"
        "    port: /dev/ttyS9\n"
        "    baudrat: 9600\n"
        "  - id: Scanner 1\n"
        "    driver: nothing-like-it\n"
    )

    assert faults(tmp_path, text) == [
        f":{LINES + 1}: currency: must match ^[A-Z]{{3}}$, found 'cny'",
        f":{LINES + 2}: box: stands here a second time, first in line 2; remove one",
        f":{LINES + 3}: listener.port: must be at most 65535, found 70000",
        f":{LINES + 3}: listener.token: a secret in clear; put it into a file and give its path as token_file",
        f":{LINES + 5}: devices.0.id: must match ^[a-z0-9-]{{1,32}}$, found 'Scanner 1'",
        f":{LINES + 8}: devices.0.baudrat: unknown key; did you mean baudrate?",
        f":{LINES + 9}: devices.1.id: the id 'Scanner 1' is taken by the device in line {LINES + 5}; "
        "every device has its own",
        f":{LINES + 10}: devices.1.driver: unknown driver 'nothing-like-it'; `edge-agent drivers` lists them",
    ]


def test_a_missing_key_is_told_where_its_group_begins(tmp_path: Path) -> None:
    """A missing key is at the line of the group that lacks it, with what it is for."""
    text = (
        STORE
        + HQ.replace("  ca_file: keys/ca.pem\n", "")
        + "devices:\n  - driver: poslog\n    path: /drop\n  - id: x\n"
    )

    assert faults(tmp_path, text) == [
        ":4: hq.ca_file: is missing: certificates (PEM) that may vouch for the broker",
        ":13: devices.0.id: is missing: name of the device in records, logs and heartbeats",
        ":15: devices.1.driver: is missing: which driver reads it; `edge-agent drivers` lists them",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("store: 214", "store: must be a text, found 214; put it in quotes"),
        ("store: true", "store: must be a text, found true; put it in quotes"),
        ("store:", "store: must be a text, found nothing"),
        ("store: {a: b}", "store: must be a text, found a group of `key: value` lines"),
        ("store: [a]", "store: must be a text, found a list"),
        ("store: &x a", "store: anchors are not used here; remove the &name"),
        ("store: !!python/name:os.system a", "store: tags are not used here; remove the !name"),
        ("&x store: a", "store: anchors are not used here; remove the &name"),
        ('store: "-----BEGIN PRIVATE KEY-----"', "store: a key or certificate in clear; put it into a file and give"),
        ("? [a]\n: b", "?: a key must be a plain text"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(tmp_path: Path, line: str, said: str) -> None:
    """The sentence names what is expected and what was found, without a parser's jargon."""
    text = line + "\n" + WHOLE.partition("\n")[2]

    assert any(fault.startswith(f":1: {said}") for fault in faults(tmp_path, text))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mqtt://mqtt.example.com:1883", "must be a mqtts:// or wss:// address"),
        ("mqtts://box:hunter2@mqtt.example.com", "must name no user or password"),
        ("mqtts://:8883", "must name a host"),
        ("mqtts://mqtt.example.com:0", "must name a host"),
        ("mqtts://mqtt.example.com:99999", "must have a port from 1 to 65535"),
        ("mqtts://mqtt.example.com/topic", "must end after the port"),
    ],
)
def test_only_tls_brokers_without_secrets_are_taken(tmp_path: Path, url: str, said: str) -> None:
    """A broker's address that is not TLS, or tells a password, is refused without repeating it."""
    told = faults(tmp_path, WHOLE.replace("mqtts://mqtt.example.com,", f'"{url}",'))

    assert len(told) == 1
    assert told[0].startswith(f":5: hq.brokers.0: {said}")
    assert "hunter2" not in told[0]


@pytest.mark.parametrize("list_", ["[]", "mqtts://mqtt.example.com"])
def test_brokers_are_a_list_with_an_entry(tmp_path: Path, list_: str) -> None:
    """No broker, or one that is not written as a list, is one fault at the list's line."""
    told = faults(tmp_path, STORE + "hq:\n  brokers: " + list_ + "\n" + HQ.split("\n", 2)[2])

    assert len(told) == 1
    assert told[0].startswith(":5: hq.brokers: must ")


@pytest.mark.parametrize("value", ["5", '"05:00+08:00"', '"25:00"', "noon"])
def test_the_business_day_starts_at_a_local_time(tmp_path: Path, value: str) -> None:
    """A bare number, an offset or a time that no clock shows is no start of a business day."""
    (told,) = faults(tmp_path, f"{WHOLE}business_day_start: {value}\n")

    assert told.startswith(f":{LINES + 1}: business_day_start: must be a ")


@pytest.mark.parametrize(
    ("written", "start"), [("05:00", time(5)), ("10:30", time(10, 30)), ("00:00:30", time(0, 0, 30))]
)
def test_a_time_without_quotes_is_a_time(tmp_path: Path, written: str, start: time) -> None:
    """`10:30` is half past ten, not a number to the base of sixty."""
    file = tmp_path / "store.yaml"
    file.write_text(f"{WHOLE}business_day_start: {written}\n")

    assert load(file).business_day_start == start


@pytest.mark.parametrize("name", ["0214", "no", "on", "1e3", "12-30"])
def test_a_name_that_older_yaml_would_change_stays_a_text(tmp_path: Path, name: str) -> None:
    """Store 0214 keeps its nought, and a store called `no` is not false."""
    file = tmp_path / "store.yaml"
    file.write_text(WHOLE.replace("store-1", name))

    assert load(file).store == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            WHOLE + "---\nstore: b\n",
            f":{LINES + 1}: a second document begins; one file holds one store, remove the `---`",
        ),
        ("store: a: b\n", ":1: a second `: ` on the line or a wrong indentation; quote a text with `: `"),
        ("store: a\nbox\ndata_dir: b\n", ":2: neither `key: value` nor a list item; is a colon missing?"),
        ('store: a\nbox: "b\ndata_dir: b\n', ":2: a quote is opened and never closed"),
        ("store: [a\nbox: b\n", ":1: a list in [ ] is not closed, or lacks a comma"),
        ("store: {a: 1\nbox: b\n", ":1: a mapping in { } is not closed, or lacks a comma"),
        ("store: @a\n", ":1: a text may not begin with this character; put it in quotes"),
        ('store: "\\d"\n', ':1: a backslash in "…" begins an escape; use single quotes'),
        ("hq:\n    a: b\n  c: d\n", ":3: the indentation fits no line above; align it with its neighbours"),
        ("store: a\nbox: \x07\n", ":2: the character U+0007 may not stand in a YAML file"),
        (b"store: a\nbox: \xff\n", ":2: is not UTF-8 text; save the file as UTF-8"),
        ("a: " + "[" * 40 + "]" * 40, ":1: nested more than 32 levels deep; make it flatter"),
        ("- a\n" * 20_000, ":20000: more than 20000 keys and values; is it a store's YAML file?"),
        ("# nothing\n", ":1: the file says nothing"),
        ("--- ~\n", ":1: the file says nothing"),
        ("- store: a\n", ":1: must be a group of `key: value` lines, found a list"),
        ("#" * 1_000_001, ": is larger than 1 MB; is it a store's YAML file?"),
    ],
)
def test_what_is_no_settings_file_is_told_at_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    """What cannot be read as one group of settings is one fault, where it is."""
    (told,) = faults(tmp_path, text)

    assert told.startswith(said)


def test_a_file_that_is_absent_or_a_folder_is_a_fault(tmp_path: Path) -> None:
    """A name that leads to no regular file is told like any other fault, and nothing is opened."""
    for path, said in [
        (tmp_path / "absent", "no such file"),
        (tmp_path, "is not a file"),
        (Path("/dev/null"), "is not"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: {said}")


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    """A file saved by an editor on Windows is read, and its faults keep their lines."""
    file = tmp_path / "store.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())

    assert load(file).store == "store-1"
    assert faults(tmp_path, (WHOLE + "curency: CNY\n").replace("\n", "\r\n")) == [
        f":{LINES + 1}: curency: unknown key; did you mean currency?"
    ]


@given(st.one_of(st.text(max_size=200), st.text(alphabet="ab:-[]{}&*!|>\"'#? \n,~%@", max_size=200)))
def test_any_text_is_refused_with_faults_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever is in the file, the answer is a list of faults at lines that the file has."""
    file = tmp_path_factory.mktemp("fuzz") / "store.yaml"
    content = text.encode("utf-8", "surrogatepass")
    file.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(file)

    assert caught.value.faults
    assert all(fault.message for fault in caught.value.faults)
