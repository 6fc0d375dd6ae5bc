"""The uplink's parts as the store's configuration wants them, and what the agent does on HQ's word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.uplink.dialing import Route
from cloud_sync.uplink.messages import Reply, TimeOfDay
from cloud_sync.uplink.mqtt import Broker
from cloud_sync.uplink.plan import Plan
from cloud_sync.uplink.plan import Rule as PlanRule
from cloud_sync.uplink.proxies import Proxy
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire import heartbeat as wire
from cloud_sync.wire.downlink import Kind, Order
from cloud_sync.wire.heartbeat import Answer
from config.fields import broker_address
from config.link import Hq, Link, Rule
from edge_agent import durable
from edge_agent.buffer.again import Range
from edge_agent.clock import SystemClock
from edge_agent.orders import Outcome
from edge_agent.recorder.desk import Desk
from edge_agent.recorder.messages import Remember
from records import Lane

LOWEST = "lowest_serial"
ROOT_FILE = "hq-root"  # the configured root and the one that followed it, 32 bytes each
KEY = 32
MB = 1_000_000
log = logging.getLogger(__name__)


class LinkClock(SystemClock):
    """zone: the store's."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self._zone = zone

    def time_of_day(self) -> TimeOfDay:
        now = datetime.now(self._zone)
        return TimeOfDay(now.year * 12 + now.month, now.hour * 60 + now.minute)


def brokers(hq: Hq) -> list[Broker]:
    """Every broker of every link, in the order they are tried."""
    return [Broker(*broker_address(url), _route(link)) for link in hq.every_link for url in link.brokers]


def settings(hq: Hq, facts: Mapping[str, int]) -> Settings:
    """facts: what was remembered in earlier lives."""
    ways = tuple(link.name for link in hq.every_link for _ in link.brokers)
    caps = {link.name: link.monthly_mb * MB for link in hq.links if link.monthly_mb is not None}
    return Settings(ways=ways, plan=Plan(tuple(map(_rule, hq.plan)), caps), facts=facts)


def pinned_root(data_dir: Path, configured: Ed25519PublicKey) -> Ed25519PublicKey:
    """HQ's root: the configured one, or the one that followed it."""
    path = data_dir / ROOT_FILE
    kept = path.read_bytes() if path.exists() else b""
    if len(kept) != 2 * KEY or kept[:KEY] != configured.public_bytes_raw():
        return configured
    return Ed25519PublicKey.from_public_bytes(kept[KEY:])


def keep_root(data_dir: Path, configured: Ed25519PublicKey, key: bytes) -> None:
    """From the next start on `key` is pinned, as long as the configuration names the same root as now."""
    durable.replace(data_dir / ROOT_FILE, configured.public_bytes_raw() + key)


def _route(link: Link) -> Route:
    return Route(link.interface, Proxy(link.proxy, link.proxy_login_file) if link.proxy else None)


def _rule(rule: Rule) -> PlanRule:
    lanes = frozenset(Lane[name.upper()] for name in rule.lanes)
    return PlanRule(frozenset(rule.links), lanes, _minute(rule.begins), _minute(rule.ends), rule.kbit_s * 1000 // 8)


def _minute(at: time | None) -> int:
    return 0 if at is None else at.hour * 60 + at.minute


class Obedience:
    """What the agent does on HQ's word beyond receipts.

    key: signs answers; reply: sends one; restart: ends the process in order, to be begun anew
    obey: carries out a command; None where there is nothing to answer yet
    """

    def __init__(
        self, names: tuple[str, str], key: Ed25519PrivateKey, desk: Desk, reply: Callable[[Reply], None],
        restart: Callable[[], None], root_changed: Callable[[bytes], None],
        obey: Callable[[Order], Outcome | None],
    ) -> None:  # fmt: skip
        self._names = names
        self._key = key
        self._desk = desk
        self._reply = reply
        self._restart = restart
        self._root_changed = root_changed
        self._obey = obey
        self._clock = SystemClock()

    def remember_lowest(self, serial: int) -> None:
        self._desk.tell(Remember(LOWEST, serial))

    def remember_root(self, key: bytes) -> None:
        self._root_changed(key)

    def remember(self, name: str, value: int) -> None:
        self._desk.tell(Remember(name, value))

    def restart(self, why: str) -> None:
        log.error("event=restarting why=%r", why)
        self._restart()

    def resend_wanted(self, ranges: tuple[Range, ...]) -> None:
        missing = self._desk.want_again(ranges)
        log.info("event=resend-wanted ranges=%d not_held=%d", len(ranges), len(missing))
        answer = Answer(*self._names, self._clock.wall_us(), not_held=missing)
        self._reply(Reply(wire.sign(answer, self._key)))

    def ordered(self, kind: Kind, order: Order) -> None:
        outcome = self._obey(order) if kind is Kind.COMMAND else None
        place = order.generation, order.counter
        log.info("event=order kind=%s name=%s place=%s outcome=%s", kind.name.lower(), order.name, place, outcome)
        if outcome is not None:
            answer = Answer(*self._names, self._clock.wall_us(), place, outcome.done, outcome.why)
            self._reply(Reply(wire.sign(answer, self._key)))
