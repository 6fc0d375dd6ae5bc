"""Making a headquarters, letting boxes in and shutting them out; the commands and `edge-hq up` share these."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hq import boxes, bundle, certificates, keys, warehouse
from hq.boxes import Box, BoxError
from hq.data import Data, DataError, Failure, Settings, free_ports, private_directory
from hq.embedded.nats import Broker, Listeners
from hq.embedded.postgres import Postgres

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound
LOCAL_NAMES = ("localhost", "127.0.0.1")
RENEW_BEFORE = dt.timedelta(days=90)
_ADVICE = """\
Move {offline} to two safe places without network, and delete it here:
  root.key    certifies headquarters' signing keys; who has it can speak for headquarters to every box
  escrow.key  opens every record of every store; it is the only way in when the sealing key is lost
"""


@dataclass(frozen=True)
class Wishes:
    """What an administrator asks for; None keeps what was chosen before, or takes what is free, of WebSockets none.

    names: by which boxes will reach the broker, the one for their configuration first
    host: where broker and console listen
    """

    names: tuple[str, ...] = ()
    host: str | None = None
    mqtt_port: int | None = None
    console_port: int | None = None
    websocket_port: int | None = None


def init(data: Data, wishes: Wishes) -> Settings:
    """Makes what is missing and keeps what is there. Raises DataError, OSError."""
    private_directory(data.root)
    if data.root.stat().st_mode & 0o077:
        raise DataError(f"{data.root} is open to other users; chmod 700 it, or choose another --data")
    settings = _settings(data, wishes)
    data.save(settings)
    for folder in (data.tls, data.boxes, data.bundles, data.log):
        private_directory(folder)
    _ensure_certificates(data, settings, dt.datetime.now(dt.UTC))
    keys.ensure(data)
    return settings


def offline_advice(data: Data) -> str:
    """What to do with the keys that lie in `offline/`; empty when none do."""
    if data.offline.exists() and any(data.offline.iterdir()):
        return _ADVICE.format(offline=data.offline)
    return ""


def add_box(data: Data, box: Box, key: Ed25519PrivateKey, folder: Path, data_dir: str) -> None:
    """Writes the bundle, registers the box, lets it in at once where the broker runs.

    Raises BoxError, DataError, OSError.
    """
    if (known := boxes.find(data, box.store, box.box)) is not None:
        state = "was revoked" if known.revoked else "exists"
        raise BoxError(f"{box.user} {state}; give a replacement another name with --box")
    bundle.write(data, folder, box, key, data_dir)
    boxes.save(data, box)
    _spread(data)


def new_box(store: str, box: str, name: str, timezone: str, key: Ed25519PrivateKey) -> Box:
    """A box that was never seen, its names checked. Raises BoxError."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BoxError(f"time zone {timezone!r}: use an IANA name such as Asia/Shanghai") from None
    return Box(
        store=boxes.check_name("store", store),
        box=boxes.check_name("box", box),
        name=name,
        timezone=timezone,
        key=key.public_key().public_bytes_raw(),
        added=dt.datetime.now(dt.UTC),
    )


def revoke_box(data: Data, store: str, box: str) -> Box:
    """Shuts a box out, its running session too; what it sent stays. Raises BoxError, DataError."""
    known = boxes.find(data, store, box)
    if known is None:
        raise BoxError(f"{store}.{box} is not registered; edge-hq store list shows who is")
    if known.revoked is None:
        known = msgspec.structs.replace(known, revoked=dt.datetime.now(dt.UTC))
        boxes.save(data, known)
    _spread(data)
    return known


def _spread(data: Data) -> None:
    """Tells broker and database, as far as they run; both learn it at their next start in any case."""
    tell_broker(data)
    if data.password_file.exists():
        with suppress(psycopg.OperationalError, psycopg.errors.UndefinedTable):
            boxes.copy(data, database(data).dsn())


def tell_broker(data: Data) -> bool:
    """Writes the embedded broker's permissions from the registry; True when one runs and was told."""
    server = broker(data)
    server.write_config()
    return server.reload()


def broker(data: Data) -> Broker:
    """The embedded broker of a data directory. Raises DataError."""
    settings = data.settings()
    listeners = Listeners(settings.host, settings.mqtt_port, settings.nats_port, settings.websocket_port)
    return Broker(data.broker, data.tls, listeners, settings.topic_root, lambda: boxes.users(data))


def database(data: Data) -> Postgres:
    """The embedded database of a data directory. Raises DataError."""
    return Postgres(data.database, data.password_file, data.settings().database_port)


def migrate(data: Data) -> None:
    """Brings the running database's tables up to date, the registry in them too. Raises Failure, DataError."""
    if not data.password_file.exists():
        raise Failure(f"{data.root} has no database yet; start it with: edge-hq up --data {data.root}")
    dsn = database(data).dsn()
    try:
        warehouse.migrate(dsn)
        boxes.copy(data, dsn)
    except psycopg.OperationalError as error:
        raise Failure(
            f"the database does not answer; start it with: edge-hq up --data {data.root} ({error})"
        ) from error


def _settings(data: Data, wishes: Wishes) -> Settings:
    old = data.settings() if data.settings_file.exists() else _new_settings()
    reached_at = [wishes.host] if wishes.host and wishes.host not in EVERYWHERE else []
    return msgspec.structs.replace(
        old,
        names=tuple(dict.fromkeys([*wishes.names, *reached_at, *old.names])),
        host=wishes.host or old.host,
        mqtt_port=wishes.mqtt_port or old.mqtt_port,
        console_port=wishes.console_port or old.console_port,
        websocket_port=old.websocket_port if wishes.websocket_port is None else wishes.websocket_port,
    )


def _new_settings() -> Settings:
    mqtt, nats, database, console = free_ports(4)
    return Settings(LOCAL_NAMES, LOCAL_NAMES[1], mqtt, nats, database, console)


def _ensure_certificates(data: Data, settings: Settings, now: dt.datetime) -> None:
    if not (data.tls / "ca.crt").exists():
        certificates.new_authority(now).save(data.tls, "ca")
    authority = certificates.load(data.tls, "ca")
    if _outdated(data, "broker", set(settings.names), now):
        certificates.new_server(authority, settings.names, now).save(data.tls, "broker")
    if _outdated(data, "hq", {certificates.WORKER}, now):
        certificates.new_client(authority, certificates.WORKER, now).save(data.tls, "hq")


def _outdated(data: Data, name: str, names: set[str], now: dt.datetime) -> bool:
    if not (data.tls / f"{name}.crt").exists():
        return True
    certificate = certificates.load(data.tls, name).certificate
    ends = certificate.not_valid_after_utc
    return certificates.names_of(certificate) != names or ends - now < RENEW_BEFORE
