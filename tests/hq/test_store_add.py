from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

import config
from cloud_sync.seal.hpke import RecipientKey
from hq import boxes, certificates, keys
from hq.boxes import registered
from hq.cli import main
from hq.data import Data, free_ports


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """A headquarters that boxes reach at hq.example.com."""
    assert main(["init", "--data", str(tmp_path / "hq"), "--name", "hq.example.com"]) == 0
    return Data(tmp_path / "hq")


def test_the_agent_accepts_the_first_yaml(data: Data) -> None:
    """The bundle's store.yaml loads as it is, and names the broker, the box and files that are there."""
    assert main(["store", "add", "shop-1", "--data", str(data.root), "--timezone", "Asia/Tokyo"]) == 0
    bundle = data.bundles / "shop-1.box-1"
    settings = config.load(bundle / "store.yaml")

    assert (settings.store, settings.box, settings.timezone) == ("shop-1", "box-1", "Asia/Tokyo")
    assert settings.hq.brokers == (f"mqtts://hq.example.com:{data.settings().mqtt_port}",)
    assert settings.hq.recipients == (bundle / "hq-seal.pub", bundle / "escrow.pub")
    assert settings.hq.box_key_file == bundle / "box.key"


def test_the_bundle_holds_headquarters_public_keys(data: Data) -> None:
    """The box pins this root and seals to these keys, and its own key is the registered one."""
    main(["store", "add", "shop-1", "--data", str(data.root)])
    bundle, ring = data.bundles / "shop-1.box-1", keys.load(data)
    (box,) = registered(data)

    assert keys.public_key(bundle / "hq-root.pub") == ring.root
    assert RecipientKey.load(bundle / "hq-seal.pub") == ring.sealing
    assert RecipientKey.load(bundle / "escrow.pub") == ring.escrow
    assert keys.private_key(bundle / "box.key").public_key() == box.public_key()
    assert (bundle / "pseudonym.key").read_bytes() == (data.keys / "pseudonym.key").read_bytes()


def test_the_bundle_is_private_and_holds_no_key_of_headquarters(data: Data, tmp_path: Path) -> None:
    """Its files are 0600, and none of headquarters' private keys is among them."""
    out = tmp_path / "out"
    main(["store", "add", "shop-1", "--data", str(data.root), "--out", str(out)])
    own = {path.read_bytes() for folder in (data.keys, data.offline, data.tls) for path in folder.glob("*.key")}
    shared = {(data.keys / "pseudonym.key").read_bytes()}

    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    assert own & {path.read_bytes() for path in out.iterdir()} == shared


def test_a_headquarters_with_a_websocket_names_it_second(data: Data) -> None:
    """Boxes that are made from then on try it where the port for MQTT does not answer."""
    (port,) = free_ports(1)
    assert main(["init", "--data", str(data.root), "--websocket-port", str(port)]) == 0
    main(["store", "add", "shop-1", "--data", str(data.root)])
    settings = config.load(data.bundles / "shop-1.box-1" / "store.yaml")

    mqtt = f"mqtts://hq.example.com:{data.settings().mqtt_port}"
    assert settings.hq.brokers == (mqtt, f"wss://hq.example.com:{port}/mqtt")


def test_a_name_is_given_once(data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    """A second box of the same name is refused, and the first one's key stays."""
    main(["store", "add", "shop-1", "--data", str(data.root)])
    (before,) = registered(data)
    code = main(["store", "add", "shop-1", "--data", str(data.root)])

    assert code == 1
    assert registered(data) == [before]
    assert "give a replacement another name with --box" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Shop", "a.b", "", "x" * 33, "shop\n", "*", ">"])
def test_a_name_that_topics_cannot_carry_is_refused(data: Data, name: str) -> None:
    """Dots, wildcards, capitals and overlong names never reach the broker's permissions."""
    assert main(["store", "add", name, "--data", str(data.root)]) == 1
    assert main(["store", "add", "shop-1", "--box", name, "--data", str(data.root)]) == 1
    assert registered(data) == []


def test_an_unknown_time_zone_is_refused(data: Data) -> None:
    """A store without a real time zone is not added."""
    assert main(["store", "add", "shop-1", "--data", str(data.root), "--timezone", "Mars/Olympus"]) == 1
    assert registered(data) == []


def test_a_revoked_box_may_not_connect(data: Data) -> None:
    """A revoked box leaves the broker's permissions and stays in the registry; its name is not given again."""
    main(["store", "add", "shop-1", "--data", str(data.root)])
    main(["store", "add", "shop-2", "--data", str(data.root)])
    main(["store", "revoke", "shop-1", "--data", str(data.root)])

    assert boxes.users(data) == ["shop-2.box-1"]
    assert b"shop-1" not in (data.broker / "nats.conf").read_bytes()
    assert main(["store", "add", "shop-1", "--data", str(data.root)]) == 1


def test_the_list_names_every_box(data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a box with its state."""
    main(["store", "add", "shop-1", "--name", "First Street", "--data", str(data.root)])
    main(["store", "add", "shop-2", "--box", "till-pc", "--data", str(data.root)])
    main(["store", "revoke", "shop-2", "--box", "till-pc", "--data", str(data.root)])
    capsys.readouterr()
    main(["store", "list", "--data", str(data.root)])
    first, second = capsys.readouterr().out.splitlines()

    assert first.startswith("shop-1\tbox-1\tFirst Street\t")
    assert first.endswith("may connect")
    assert second.startswith("shop-2\ttill-pc\t")
    assert "revoked" in second


def test_the_registry_reaches_the_tables(data: Data, migrated: str) -> None:
    """Copying writes stores and boxes, and copying again changes what changed."""
    main(["store", "add", "shop-1", "--name", "First Street", "--data", str(data.root)])
    boxes.copy(data, migrated)
    main(["store", "revoke", "shop-1", "--data", str(data.root)])
    boxes.copy(data, migrated)
    with psycopg.connect(migrated) as connection:
        stores = connection.execute("SELECT store, name, timezone FROM store").fetchall()
        rows = connection.execute("SELECT store, box, public_key, revoked_at IS NULL FROM box").fetchall()

    (box,) = registered(data)
    assert stores == [("shop-1", "First Street", "Asia/Shanghai")]
    assert rows == [("shop-1", "box-1", box.key, False)]


def test_init_again_keeps_keys_and_ports_and_adds_a_name(data: Data) -> None:
    """A second init with another name renews the broker's certificate alone."""
    before, ring = data.settings(), keys.load(data)
    authority = (data.tls / "ca.crt").read_bytes()
    assert main(["init", "--data", str(data.root), "--name", "mqtt.example.com"]) == 0
    after = data.settings()

    assert after.names == ("mqtt.example.com", *before.names)
    assert after.mqtt_port == before.mqtt_port
    assert (data.tls / "ca.crt").read_bytes() == authority
    assert certificates.names_of(certificates.load(data.tls, "broker").certificate) == set(after.names)
    assert keys.load(data).sealing == ring.sealing


def test_a_directory_that_others_may_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys are never put where other users can look; the error says what to do."""
    tmp_path.chmod(0o755)

    assert main(["init", "--data", str(tmp_path)]) == 78
    assert "chmod 700" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_headquarters_commands_say_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command on an empty directory ends with 78 and names `edge-hq init`."""
    for command in (["store", "list"], ["store", "add", "shop-1"], ["store", "revoke", "shop-1"]):
        assert main([*command, "--data", str(tmp_path / "none")]) == 78
        assert "edge-hq init" in capsys.readouterr().err
