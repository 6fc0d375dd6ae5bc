"""The daemon's parts and their threads: one a device, recorder, cutter, uplink, listener, and the ticker in main."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from random import SystemRandom
from typing import Any

import msgspec

from cloud_sync.seal.hpke import RecipientKey
from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.hearing import Pin
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import NewParcels, Say
from cloud_sync.uplink.mqtt import MqttLink, Tls
from cloud_sync.uplink.run import Loop
from cloud_sync.wire.topics import Address
from config.store import StoreConfig
from edge_agent import linking
from edge_agent.buffer import BufferError
from edge_agent.buffer_answers import CHECK_S, BufferAnswers, limits_of
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock, boot_id
from edge_agent.crew import Crew
from edge_agent.exits import Exit
from edge_agent.intake import Intake
from edge_agent.keys import Keys
from edge_agent.memory import give_back
from edge_agent.mirror import MirrorStation, told
from edge_agent.notify import notify
from edge_agent.orders import Orders
from edge_agent.pulse import Pulse, Self
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.epochs import BoxSeal, microseconds
from edge_agent.recorder.messages import EndEpoch, Remember
from edge_agent.recorder.mirroring import FILE as MIRROR
from edge_agent.recorder.mirroring import Mirroring
from edge_agent.recorder.opening import open_buffer
from edge_agent.recorder.shell import RecorderThread
from edge_agent.silence.watchman import Watchman
from edge_agent.standstill import Hanging
from edge_agent.station import Station
from edge_agent.ticker import Loops, Ticker
from edge_agent.window import Window, line

SESSION = "session"
LAST_WORDS_S = 5.0
log = logging.getLogger(__name__)


class Daemon:
    """One agent's life: `run` returns its exit code."""

    def __init__(self, config: StoreConfig, keys: Keys, config_hash: str) -> None:
        self._config = config
        self._keys = keys
        self._clock = SystemClock()
        self.desk = Desk()
        self._inbox = Inbox()
        self._stop = threading.Event()
        self._failed = False
        self._orders = Orders(config.data_dir, keys.recipients, self.desk.leave, self._seal_to)
        now, boot = self._clock.now(), boot_id()
        self._seal = BoxSeal(config.store, config.box, boot, keys.box, self._orders.recipients)
        folder = config.buffer.mirror
        mirror = None if folder is None else folder / MIRROR
        self._opened = open_buffer(config.data_dir, config.store, config.box, self._seal, now.wall, mirror)
        self.desk.mirror = None if folder is None else Mirroring(folder, self._opened.view.transaction)
        self._me = Self(
            config.store, config.box, boot, keys.box, config.data_dir, config_hash, config.heartbeat_interval_s, now
        )

    def run(self, stop: threading.Event) -> int:
        """Until `stop`, or until a part without which nothing works has failed."""
        self._stop = stop
        recorder = self._recorder()
        recording = self._start("recorder", recorder.run)
        intake = Intake(self.desk, Cleaning(self._keys.pseudonym), self._clock)
        crew = Crew(self._config, intake, lambda id_: self.desk.ask(lambda buffer: buffer.state(id_)), self._clock)
        uplink = self._uplink()
        mirror, kept_up = self._keep_mirror(intake)
        pulse = self._pulse([*crew.stations, *mirror], recorder, uplink)
        watchman = Watchman(self._config, crew.stations, self.desk)
        crew.start(stop)
        loop = self._loop(uplink, pulse)
        sending = self._start("uplink", lambda: loop.run(stop))
        window = Window(self._config.data_dir, {"status": lambda _: [line(_plain(pulse))], **self._answers().all})
        window.start()
        give_back()
        notify("READY=1")
        log.info("event=started devices=%d stream=%s", len(crew.stations), self._opened.identity.stream.hex())
        loops = [("recorder", recorder.turns), ("uplink", lambda: loop.beats)]
        with suppress(BufferError):
            self._ticker(pulse, watchman, Hanging(crew.polled, intake), intake, loops).run(stop)
        notify("STOPPING=1")
        window.shutdown()
        crew.finish()
        sending.join(LAST_WORDS_S)
        recorder.stop()
        recording.join()
        kept_up()
        return Exit.FAILED if self._failed else Exit.DONE

    def _start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """A thread without which the agent is of no use: when it ends early, the agent ends and is started anew."""

        def guarded() -> None:
            try:
                work()
            finally:
                if not self._stop.is_set():
                    log.error("event=part-failed part=%s", name)
                    self._fail()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _recorder(self) -> RecorderThread:
        config, opened = self._config, self._opened
        core = Recorder(opened.identity, opened.view, self._seal, Policy(epoch_s=config.epoch.max_age_s))
        limits = limits_of(config.buffer)
        recorder = RecorderThread(opened.buffer, core, self.desk, self._clock, self._seal, limits)
        self.desk.on_cut = lambda: self._inbox.offer(NewParcels())
        recorder.start(opened.reason, opened.gaps)
        return recorder

    def _keep_mirror(self, intake: Intake) -> tuple[list[Station], Callable[[], None]]:
        """The mirror as a station, where there is one, and what ends it once the recorder has ended."""
        mirroring = self.desk.mirror
        if mirroring is None:
            return [], lambda: None
        station, ended = MirrorStation(mirroring, intake, self._clock), threading.Event()
        thread = threading.Thread(target=mirroring.run, args=(self.desk.ask, ended), name="mirror", daemon=True)
        thread.start()

        def end() -> None:
            ended.set()
            thread.join(LAST_WORDS_S)

        return [station], end

    def _answers(self) -> BufferAnswers:
        config = self._config
        return BufferAnswers(
            self.desk.ask,
            config.store,
            config.box,
            self._seal.public,
            limits_of(config.buffer),
            self._clock,
            CHECK_S,
            self._changed,
            lambda: told(self.desk.mirror) if self.desk.mirror else None,
        )

    def _changed(self) -> None:
        """The buffer took something in beside its transactions."""
        self.desk.on_cut()
        if self.desk.mirror:
            self.desk.mirror.compare()

    def _uplink(self) -> Uplink:
        fingerprint = sha256(self._keys.box.public_key().public_bytes_raw()).digest()
        facts = self._opened.view.facts
        root = linking.pinned_root(self._config.data_dir, self._keys.root)
        pin = Pin(root, fingerprint, facts.get(linking.LOWEST, 0))
        return Uplink(pin, linking.settings(self._config.hq, facts), SystemRandom())

    def _loop(self, uplink: Uplink, pulse: Pulse) -> Loop:
        hq = self._config.hq
        tls = Tls(hq.ca_file, hq.cert_file, hq.key_file)

        def will() -> bytes:
            signed = pulse.will()
            self.desk.tell(Remember(SESSION, pulse.session))
            return signed

        address = Address(hq.topic_root, self._config.store, self._config.box)
        clock = linking.LinkClock(self._config.zone)
        link = MqttLink(address, linking.brokers(hq), tls, will, self._inbox, clock)
        return Loop(uplink, self._inbox, link, self.desk, self._obedience(), clock)

    def _obedience(self) -> linking.Obedience:
        return linking.Obedience(
            names=(self._config.store, self._config.box),
            key=self._keys.box,
            desk=self.desk,
            reply=self._inbox.offer,
            restart=self._fail,
            root_changed=lambda key: linking.keep_root(self._config.data_dir, self._keys.root, key),
            obey=self._orders.obey,
        )

    def _seal_to(self, recipients: list[RecipientKey]) -> None:
        """From the next epoch on, which begins at once."""
        self._seal.recipients[:] = recipients
        self.desk.tell(EndEpoch())

    def _fail(self) -> None:
        """Ends this life in order; systemd begins another."""
        self._failed = True
        self._stop.set()

    def _pulse(self, stations: list[Station], recorder: RecorderThread, uplink: Uplink) -> Pulse:
        """Sessions rise for ever: over restarts by the file, over a lost file by the clock."""
        seconds = microseconds(self._clock.now().wall) // 1_000_000
        session = max(self._opened.view.facts.get(SESSION, 0), seconds)
        return Pulse(self._me, self._clock, stations, recorder.status, lambda: uplink.figures, session)

    def _ticker(self, pulse: Pulse, watchman: Watchman, hanging: Hanging, intake: Intake, loops: Loops) -> Ticker:
        agent = Station("agent", "agent", self._clock)
        interval = float(self._config.heartbeat_interval_s)
        return Ticker(
            pulse, watchman, hanging, intake, agent, self._clock, interval, loops,
            lambda said: self._inbox.offer(Say(said)),
        )  # fmt: skip


def _plain(pulse: Pulse) -> dict[str, Any]:
    """The full heartbeat for people, ids in hex, and how the link is."""
    said: dict[str, Any] = msgspec.to_builtins(pulse.state(full=True), builtin_types=(bytes,))
    for name in ("stream", "epoch", "boot"):
        said[name] = said[name].hex()
    said.pop("earlier", None)
    said["link"] = pulse.figures()._asdict()
    return said
