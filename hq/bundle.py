"""What a new box is given: its keys, whom it trusts, and a first YAML. Everything private, 0600.

box.key         Ed25519 (PEM), signs epochs and heartbeats
tls.key tls.crt its certificate at the broker; ca.crt vouches for the broker
hq-root.pub     by which receipts are believed
hq-seal.pub escrow.pub   to whom epoch keys are sealed
pseudonym.key   the same 32 bytes for every box of this headquarters
store.yaml      names the files above, relative to itself
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hq import certificates, keys
from hq.boxes import Box
from hq.data import Data, host_port, private_directory, write_private

_COPIES = {
    "hq-root.pub": "root.pub",
    "hq-seal.pub": "seal.pub",
    "escrow.pub": "escrow.pub",
    "pseudonym.key": "pseudonym.key",
}
_YAML = """\
# First configuration of this box. Keep it beside the other files of its bundle; paths are relative to it.
# `edge-agent check FILE` tells every fault, `edge-agent drivers` what can be connected.
store: {store}
box: {box}
timezone: {timezone}
currency: CNY
data_dir: {data_dir}

hq:
  brokers: {brokers}
  topic_root: {topic_root}
  ca_file: ca.crt
  cert_file: tls.crt
  key_file: tls.key
  box_key_file: box.key
  root_key_file: hq-root.pub
  recipients: [hq-seal.pub, escrow.pub]
  pseudonym_key_file: pseudonym.key

devices: []
"""


def write(data: Data, folder: Path, box: Box, key: Ed25519PrivateKey, data_dir: str) -> None:
    """Writes the bundle of `box`, whose private key is `key`; what lies in `folder` under these names is replaced.

    data_dir: where the box will keep its buffer
    Raises DataError, OSError.
    """
    private_directory(folder)
    authority = certificates.load(data.tls, "ca")
    certificates.new_client(authority, box.user, dt.datetime.now(dt.UTC)).save(folder, "tls")
    write_private(folder / "ca.crt", authority.certificate_pem)
    write_private(folder / "box.key", keys.private_pem(key))
    for name, source in _COPIES.items():
        write_private(folder / name, (data.keys / source).read_bytes())
    write_private(folder / "store.yaml", _yaml(data, box, data_dir).encode())


def _yaml(data: Data, box: Box, data_dir: str) -> str:
    settings = data.settings()
    brokers = [f"mqtts://{host_port(settings.names[0], settings.mqtt_port)}"]
    if settings.websocket_port:
        brokers.append(f"wss://{host_port(settings.names[0], settings.websocket_port)}/mqtt")
    values = {
        "store": box.store,
        "box": box.box,
        "timezone": box.timezone,
        "data_dir": data_dir,
        "brokers": brokers,
        "topic_root": settings.topic_root,
    }
    return _YAML.format_map({key: json.dumps(value, ensure_ascii=False) for key, value in values.items()})
