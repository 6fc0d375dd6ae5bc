"""The store's devices at work: a thread for each that is read, one listener for all that push, a page for cameras."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from config.store import StoreConfig
from devices.camera.options import Options as Camera
from devices.driver import Context, Driver, Receiver
from devices.glass import Glass
from devices.options import Options, PushOptions
from devices.registry import driver
from edge_agent.clock import Clock
from edge_agent.intake import Intake
from edge_agent.listener import Listener, Pushing
from edge_agent.page.mount import Mount
from edge_agent.page.server import Page
from edge_agent.station import Station
from edge_agent.supervisor import supervise
from edge_agent.web import Limits, Server

LAST_READ_S = 5.0
State = Callable[[str], dict[str, bytes]]
log = logging.getLogger(__name__)


class Crew:
    """Every configured device. state: what a device's readings last committed, by its id."""

    def __init__(self, config: StoreConfig, intake: Intake, state: State, clock: Clock) -> None:
        self._intake = intake
        self._read: list[tuple[Driver, Station]] = []
        self._threads: list[threading.Thread] = []
        pushing: dict[str, Pushing] = {}
        mounts: dict[str, Mount] = {}
        for options in config.devices:
            station = Station(options.id, options.driver, clock)
            context = _context(config, options, state(options.id))
            if config.page and isinstance(options, Camera):
                context = context._replace(glass=(glass := Glass()))
                mounts[options.id] = Mount(options, station, glass, intake)
            device = driver(options.driver).device(options, context)
            if isinstance(options, PushOptions) and isinstance(device, Receiver):
                pushing[options.id] = Pushing(device, options, station, threading.Lock())
            else:
                self._read.append((_driver(device), station))
        address = (config.listener.address, config.listener.port)
        self.page = _page(config, mounts, clock)
        listener = Listener(address, pushing, intake, Limits()) if pushing else None
        self._servers: list[Server] = [server for server in (listener, self.page) if server]
        self.stations: Sequence[Station] = [
            *(station for _, station in self._read),
            *(push.station for push in pushing.values()),
        ]

    @property
    def polled(self) -> list[Station]:
        """Those that a thread of their own reads."""
        return [station for _, station in self._read]

    def start(self, stop: threading.Event) -> None:
        for device, station in self._read:
            work = threading.Thread(
                target=supervise, args=(device, station, self._intake, stop), name=station.id, daemon=True
            )
            work.start()
            self._threads.append(work)
        for server in self._servers:
            server.start()

    def finish(self) -> None:
        """After `stop`: waits for what is being read, and takes no more pushes."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for work in self._threads:
            work.join(LAST_READ_S)


def _page(config: StoreConfig, mounts: Mapping[str, Mount], clock: Clock) -> Page | None:
    """The page, where there is one; tills go on without it."""
    try:
        return Page(config.page, mounts, clock) if config.page else None
    except OSError as fault:
        log.error("event=page-failed reason=%r", fault.strerror)
        return None


def _context(config: StoreConfig, options: Options, state: dict[str, bytes]) -> Context:
    start = config.business_day_start if options.business_day_start is None else options.business_day_start
    return Context(state, options.zone or config.zone, start, config.currency)


def _driver(device: Driver | Receiver) -> Driver:
    if isinstance(device, Driver):
        return device
    raise TypeError(f"{type(device).__name__} has neither open, read and close, nor receive and a push's options")
