"""How headquarters is reached: brokers, proxies, links beside the first, and what each link may carry when."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from config.fields import BrokerUrl, Interface, ProxyUrl, Settings, TopicRoot
from devices.options import LocalTime, Name

FIRST = "wired"
LaneName = Literal["vital", "normal", "bulk"]


class Link(Settings):
    """Another way to headquarters, tried when no broker answers over the one before; the first is tried again later."""

    name: Name = Field(description="name of the link in heartbeats, status and plan")
    brokers: tuple[BrokerUrl, ...] = Field(
        default=(), description="brokers reached over this link, in the order they are tried; those of `hq` by default"
    )
    interface: Interface | None = Field(
        default=None, description="network device of this link, e.g. wwan0; the system chooses by default"
    )
    proxy: ProxyUrl | None = Field(
        default=None, description="proxy of this link, http://host:port or socks5://host:port"
    )
    proxy_login_file: Path | None = Field(default=None, description="file of one line user:password for the proxy")
    monthly_mb: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="MB a month on a metered link; beyond them it carries the vital lane and heartbeats alone",
    )


class Rule(Settings):
    """What links may carry at a time of day; where several rules meet, the strictest counts."""

    links: tuple[Name, ...] = Field(default=(), description="names of links, `wired` is the first; all by default")
    lanes: tuple[LaneName, ...] = Field(min_length=1, description="vital (sales, cash, alerts), normal, bulk")
    begins: LocalTime | None = Field(
        default=None, description="local time at which the rule begins; it holds all day by default"
    )
    ends: LocalTime | None = Field(default=None, description="local time at which it ends, perhaps on the next day")
    kbit_s: int = Field(ge=0, le=10_000_000, description="kbit a second for each of these lanes; 0 lets nothing pass")

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if (self.begins is None) != (self.ends is None):
            raise ValueError("must name both begins and ends, or neither")
        return self


class Hq(Settings):
    """How headquarters is reached, and the keys by which both sides know each other."""

    brokers: tuple[BrokerUrl, ...] = Field(
        min_length=1,
        description="brokers in the order they are tried, mqtts://host:port or, over WebSocket, wss://host:port/path",
    )
    proxy: ProxyUrl | None = Field(
        default=None, description="proxy before the brokers, http://host:port or socks5://host:port"
    )
    proxy_login_file: Path | None = Field(default=None, description="file of one line user:password for the proxy")
    links: tuple[Link, ...] = Field(default=(), description="links beside the first, which is called `wired`")
    plan: tuple[Rule, ...] = Field(default=(), description="what the links may carry by lane and time of day")
    topic_root: TopicRoot = Field(default="se", description="first levels of every topic, as HQ's broker grants them")
    ca_file: Path = Field(description="certificates (PEM) that may vouch for the broker")
    cert_file: Path = Field(description="the box's TLS certificate (PEM)")
    key_file: Path = Field(description="private key (PEM) of the box's TLS certificate")
    box_key_file: Path = Field(description="the box's Ed25519 private key (PEM), which signs epochs and heartbeats")
    root_key_file: Path = Field(description="HQ's root public key (PEM), by which receipts are believed")
    recipients: tuple[Path, ...] = Field(
        min_length=1,
        description="public keys that can open records: HQ's sealing key, which HQ may order to be another, and last "
        "the escrow key, which stays",
    )
    pseudonym_key_file: Path = Field(description="key that turns people's names and numbers into pseudonyms")

    @model_validator(mode="after")
    def _known_links(self) -> Hq:
        names = [FIRST, *(link.name for link in self.links)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"links: the name {name} is given twice; the first link is called {FIRST}")
        for name in sorted({name for rule in self.plan for name in rule.links} - set(names)):
            raise ValueError(f"plan: there is no link {name}; there is {', '.join(names)}")
        return self

    @property
    def every_link(self) -> tuple[Link, ...]:
        """The first link and the others, each with its brokers."""
        first = Link(name=FIRST, brokers=self.brokers, proxy=self.proxy, proxy_login_file=self.proxy_login_file)
        others = (link.model_copy(update={"brokers": link.brokers or self.brokers}) for link in self.links)
        return (first, *others)
