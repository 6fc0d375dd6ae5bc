"""`edge-hq keys list`: every key of headquarters by its public half."""

from __future__ import annotations

from hashlib import sha256

from cloud_sync.seal.hpke import OpeningKey, RecipientKey
from hq import keys
from hq.data import Data, pretty
from hq.exits import Exit


def main(data: Data, as_json: bool) -> int:
    """Prints them. Raises DataError, WireError, KeyFileError."""
    found = listed(data)
    if as_json:
        print(pretty(found).decode(), end="")
        return Exit.DONE
    for one in found:
        print("\t".join(str(value) for value in one.values()))
    return Exit.DONE


def listed(data: Data) -> list[dict[str, object]]:
    """key: what it is for; id: the first 8 bytes of its public half's SHA-256; state: in words."""
    root = keys.public_key(data.keys / "root.pub").public_bytes_raw()
    sealing = RecipientKey.load(data.keys / "seal.pub")
    links = keys.links(data)
    found: list[dict[str, object]] = [_row("root", root, f"pinned, after {len(links)} successions")]
    for name, one in keys.certificates(data).items():
        found.append(_row(name, one.key, f"serial {one.serial}, boxes refuse below {one.lowest}"))
    for path in sorted(data.keys.glob("seal-*.key"), key=lambda path: path.stat().st_mtime_ns):
        public = OpeningKey.load(path).public
        state = "announced" if public == sealing else "opens only: retired, or not yet announced"
        found.append(_row("sealing", public.raw, state))
    found.append(_row("escrow", RecipientKey.load(data.keys / "escrow.pub").raw, "its private half is offline"))
    return found


def _row(name: str, raw: bytes, state: str) -> dict[str, object]:
    return {"key": name, "id": sha256(raw).digest()[:8].hex(), "state": state}
