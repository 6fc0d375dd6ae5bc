"""Faults of the network inside a namespace of one's own: nftables for what is lost, tc for a slow line.

Everything is on the loopback of the namespace, and only the port before the broker is touched. MTU 1500, as on a line.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
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
def filtered(port: int, *rules: str) -> Iterator[list[int]]:
    """Rules such as `numgen random mod 100 < 20 drop` for what goes to {dport} or comes from {sport} the port; gives
    the packets that met them, once it is over.
    """
    met: list[int] = []
    for rule in rules:
        said = rule.replace("{dport}", f"tcp dport {port}").replace("{sport}", f"tcp sport {port}")
        run("nft", f"add rule inet weather in {said}")
    try:
        yield met
    finally:
        listed = json.loads(run("nft", "-j", "list", "chain", "inet", "weather", "in"))
        exprs = [expr for entry in listed["nftables"] if "rule" in entry for expr in entry["rule"]["expr"]]
        met += [expr["counter"]["packets"] for expr in exprs if "counter" in expr]
        run("nft", "flush", "chain", "inet", "weather", "in")


@contextmanager
def slow(port: int, rate: str) -> Iterator[list[int]]:
    """Both directions of the port together at `rate`; gives the packets that went through."""
    sent: list[int] = []
    tc("qdisc add dev lo root handle 1: htb default 1")
    tc("class add dev lo parent 1: classid 1:1 htb rate 10gbit quantum 60000")
    tc(f"class add dev lo parent 1: classid 1:4 htb rate {rate} burst 3kb quantum 3000")
    for end in ("dport", "sport"):
        tc(f"filter add dev lo parent 1: protocol ip u32 match ip {end} {port} 0xffff flowid 1:4")
    try:
        yield sent
    finally:
        shown = tc("-s class show dev lo").split("class htb 1:4")[1]
        sent.append(int(shown.split(" pkt")[0].rsplit(" ", 1)[1]))
        tc("qdisc del dev lo root")
