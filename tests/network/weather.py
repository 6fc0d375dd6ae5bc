"""Faults of the network inside a namespace of one's own: nftables for what is lost, tc for a slow line.

Everything is on the loopback of the namespace, and only the port before the broker is touched. MTU 1500, as on a line.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def tc(line: str) -> str:
    return run("tc", *line.split())


def prepare() -> None:
    """Brings the namespace's loopback up."""
    run("ip", "link", "set", "lo", "mtu", "1500", "up")
    run("nft", "add", "table", "inet", "weather")
    run("nft", "add chain inet weather in { type filter hook input priority 0; }")


@contextmanager
def filtered(port: int, *rules: str) -> Iterator[Callable[[], int]]:
    """Rules such as `numgen random mod 100 < 20 counter drop` for what goes to {dport} or comes from {sport} the port;
    gives what tells how many packets have met them so far.
    """
    for rule in rules:
        said = rule.replace("{dport}", f"tcp dport {port}").replace("{sport}", f"tcp sport {port}")
        run("nft", f"add rule inet weather in {said}")
    try:
        yield _met
    finally:
        run("nft", "flush", "chain", "inet", "weather", "in")


def _met() -> int:
    listed = json.loads(run("nft", "-j", "list", "chain", "inet", "weather", "in"))
    exprs = [expr for entry in listed["nftables"] if "rule" in entry for expr in entry["rule"]["expr"]]
    return sum(expr["counter"]["packets"] for expr in exprs if "counter" in expr)


@contextmanager
def slow(port: int, rate: str) -> Iterator[Callable[[], int]]:
    """Both directions of the port together at `rate`; gives what tells how often a packet has had to wait so far."""
    tc("qdisc add dev lo root handle 1: htb default 1")
    tc("class add dev lo parent 1: classid 1:1 htb rate 10gbit quantum 60000")
    tc(f"class add dev lo parent 1: classid 1:4 htb rate {rate} burst 3kb quantum 3000")
    for end in ("dport", "sport"):
        tc(f"filter add dev lo parent 1: protocol ip u32 match ip {end} {port} 0xffff flowid 1:4")
    try:
        yield _waited
    finally:
        tc("qdisc del dev lo root")


def _waited() -> int:
    shown = tc("-s class show dev lo").split("class htb 1:4")[1]
    return int(shown.split("overlimits ")[1].split()[0])
