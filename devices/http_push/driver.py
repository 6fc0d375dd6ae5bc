"""http-push: documents that another system posts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest

import msgspec

from devices.driver import Answer, Context, Decoder, Item, Reading, Receiver, Request
from devices.http_push.options import Options
from devices.mapping.decoder import MappedDecoder

_SENT = ("POST", "PUT")


class PushReceiver:
    """Posts of one system. What cannot be read is set aside and answered 200, since it would only come again."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context

    def receive(self, request: Request, at: datetime) -> Answer:
        """Any other method is a probe of the address. 401: not who it should be; 503: our own key cannot be read."""
        if request.method not in _SENT:
            return self._answer([])
        try:
            known = self._knows_the_secret(request)
        except OSError:
            return Answer(status=503, body=b"the file that secret_file names cannot be read here\n")
        if not known:
            name = self._options.header
            return Answer(status=401, body=f"{name} is missing or wrong; see secret_file and signature\n".encode())
        mapped = decoder(self._options, self._context)
        return self._answer([_told_once(item) for item in [*mapped.feed(request.body, at), *mapped.end(at)]])

    def _answer(self, items: Sequence[Item]) -> Answer:
        body = self._options.answer.encode()
        return Answer(items, body=body, content_type="text/xml" if body.startswith(b"<") else "text/plain")

    def _knows_the_secret(self, request: Request) -> bool:
        """Read anew each time, so that a secret can be changed without a restart. Compared in constant time."""
        chosen = self._options
        if chosen.secret_file is None:
            return True
        secret = chosen.secret_file.read_bytes().strip()
        shown = request.headers.get(chosen.header.lower(), "").strip().encode("utf-8", "replace")
        if chosen.signature == "none":
            return bool(secret) and compare_digest(shown, secret)
        mac = hmac_digest(secret, chosen.signed_url.encode() + request.body, "sha256")
        if chosen.signature == "hmac-sha256-base64":
            return bool(secret) and compare_digest(shown, b64encode(mac))
        return bool(secret) and compare_digest(shown.lower().removeprefix(b"sha256="), mac.hex().encode())


def _told_once(item: Item) -> Item:
    """A transaction that is posted again unchanged is a repeat; one that changed is told, and headquarters compares."""
    source_id = getattr(item.data, "source_id", None) if isinstance(item, Reading) else None
    if not isinstance(item, Reading) or source_id is None or item.identity is not None:
        return item
    said = sha256(msgspec.json.encode(item.data)).hexdigest()[:32]
    return msgspec.structs.replace(item, identity=f"{source_id} {said}")


def decoder(options: Options, context: Context) -> Decoder:
    return MappedDecoder(options.record_mapping, options.encoding, context)


def device(options: Options, context: Context) -> Receiver:
    return PushReceiver(options, context)
