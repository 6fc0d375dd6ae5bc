"""Pushes over HTTP as a way in: each body through a decoder.

What cannot be read is set aside and answered 200, since the device would only send it again. Any method is answered:
devices try an address with GET before they post to it.
"""

from __future__ import annotations

from datetime import datetime

from devices.driver import Answer, Decoder, Request


class Pushed:
    """A receiver whose bodies are whole: each is fed and ended as one."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def receive(self, request: Request, at: datetime) -> Answer:
        return Answer([*self._decoder.feed(request.body, at), *self._decoder.end(at)])
