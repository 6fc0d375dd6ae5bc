"""A TCP proxy before the broker whose ways can be changed while connections stand."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from enum import Enum

PIECE = 16_384
DRIBBLE_S = 0.01


class Way(Enum):
    """pass: as it comes; dribble: a byte at a time; hold: nothing passes, and nobody is told."""

    PASS = 1
    DRIBBLE = 2
    HOLD = 3


class Proxy:
    """Serves on a thread of its own. carried: bytes; dribbled, held: bytes that met those ways; cuts: connections."""

    def __init__(self, target: int) -> None:
        self.way = Way.PASS
        self.carried = self.dribbled = self.held = self.cuts = 0
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.port: int = server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Every connection is reset in mid-stream."""

        def abort() -> None:
            self.cuts += len(self._writers)
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        with suppress(OSError):
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._writers -= pair

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(PIECE):
                await self._give(data, writer)
        finally:
            writer.close()

    async def _give(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        self.carried += len(data)
        if self.way is Way.HOLD:
            self.held += len(data)
        while self.way is Way.HOLD:
            await asyncio.sleep(DRIBBLE_S)
        for place in range(len(data)):
            if self.way is not Way.DRIBBLE:
                writer.write(data[place:])
                break
            self.dribbled += 1
            writer.write(data[place : place + 1])
            await asyncio.sleep(DRIBBLE_S)
        await writer.drain()
