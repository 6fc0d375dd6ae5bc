"""`edge-agent discover`: what is plugged in, and what answers at addresses that are named, as YAML to paste.

An entry whose kind is known stands ready; what could be several things stands as a comment. Nothing is opened that a
device could notice, except at the addresses that were named: there a port is tried and a few pages are asked for.
"""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from devices.registry import driver, drivers
from edge_agent.exits import Exit

PRINTER_PORT, HTTP_PORT = 9100, 80
ANSWER_S = 2.0
_MOST_BYTES = 4096
_SCANNERS = re.compile(
    r"(?i)scan|barcode|honeywell|metrologic|symbol|zebra|datalogic|newland|opticon|code.?corp|unitech|mindeo|sunlux"
    r"|netum|youjie|deli|nls-|hid_?keyboard_?emul"
)
_THERMOMETERS = re.compile(r"^(?:10|22|28|3b|42)-[0-9a-f]{12}$")
_SERIAL = "a scanner (scanner-serial), a printer (escpos-tap), a meter (modbus) or a thermometer (ir-thermometer)"


class Found(NamedTuple):
    """One thing. entry: a device entry without its id, None where only a person can tell; said: what is known of it."""

    name: str
    said: str
    entry: dict[str, Any] | None = None


class Ports(NamedTuple):
    """Where hosts are asked."""

    printer: int = PRINTER_PORT
    http: int = HTTP_PORT


def main(hosts: Sequence[str]) -> int:
    """Prints what there is; always 0: nothing found is no failure."""
    print(as_yaml([*plugged_in(Path("/")), *(found for host in hosts for found in at(host, Ports()))]), end="")
    return Exit.DONE


def as_yaml(found: Iterable[Found]) -> str:
    """Entries for a store's `devices`, each accepted by its driver; the rest as comments. Ids are new among them."""
    text = "# What was found. Paste under `devices:`, give ids that say where things are, and look at the guides:\n"
    text += "# `edge-agent drivers NAME`.\ndevices:\n"
    numbers: dict[str, Iterator[int]] = {}
    shown = 0
    for one in found:
        text += f"\n  # {_line(one.said)}\n"
        entry = None if one.entry is None else _accepted(one.name, one.entry, numbers)
        if entry is not None:
            shown += 1
            text += "".join(f"  {line}\n" for line in _entry(entry).splitlines())
    return text if shown else text.replace("\ndevices:\n", "\ndevices: []\n")


def _accepted(name: str, entry: dict[str, Any], numbers: dict[str, Iterator[int]]) -> dict[str, Any] | None:
    """The entry with an id, None when no such driver is installed or it wants more than is known."""
    if entry["driver"] not in drivers():
        return None
    number = next(numbers.setdefault(name, count(1)))
    whole = {"id": f"{name}-{number}", **entry}
    try:
        driver(entry["driver"]).options.model_validate(whole)
    except ValidationError:
        return None
    return whole


def _entry(entry: dict[str, Any]) -> str:
    return yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1000)


def _line(said: str) -> str:
    """What a device tells of itself, as a comment that stays one."""
    return " ".join("".join(char if char.isprintable() else " " for char in said).split())[:200]


# --- plugged in ------------------------------------------------------------------------------------------------------


def plugged_in(root: Path) -> Iterator[Found]:
    """Serial ports and typing devices by id, thermometers on the 1-Wire bus. root: of the file system."""
    yield from _serial(root)
    yield from _typing(root)
    yield from _one_wire(root)


def _serial(root: Path) -> Iterator[Found]:
    for port in _names(root / "dev/serial/by-id") or _names(root / "dev/serial/by-path"):
        path = f"/{port.relative_to(root)}"
        if _SCANNERS.search(port.name):
            said = f"a barcode scanner by its name: {port.name}"
            yield Found("scanner", said, {"driver": "scanner-serial", "port": path, "role": "sale"})
        else:
            yield Found("port", f"a serial port, {_SERIAL}: port: {path}")


def _typing(root: Path) -> Iterator[Found]:
    for device in _names(root / "dev/input/by-id"):
        path = f"/{device.relative_to(root)}"
        if not device.name.endswith("-event-kbd"):
            continue
        if _SCANNERS.search(device.name):
            said = f"a barcode scanner that types, by its name: {device.name}"
            yield Found("scanner", said, {"driver": "scanner-evdev", "input": path, "role": "sale"})
        else:
            yield Found("keyboard", f"a keyboard, or a scanner that types (scanner-evdev): input: {path}")


def _one_wire(root: Path) -> Iterator[Found]:
    probes = [probe.name for probe in _names(root / "sys/bus/w1/devices") if _THERMOMETERS.match(probe.name)]
    if probes:
        said = f"thermometers on the 1-Wire bus: {', '.join(probes)}"
        yield Found("thermometers", said, {"driver": "w1-thermometer"})


def _names(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


# --- at an address ---------------------------------------------------------------------------------------------------


class Page(NamedTuple):
    """What a web server answered. realm: of its challenge, which most cameras write their kind into."""

    server: str
    realm: str
    body: str


def at(host: str, ports: Ports) -> Iterator[Found]:
    """What answers there: a receipt printer, a counting camera, or nothing. Takes a few seconds at most."""
    anything = False
    if _takes_calls(host, ports.printer):
        anything = True
        said = f"{host} takes calls on port {ports.printer}, as receipt printers do: for escpos-tap see its guide, "
        yield Found("printer", said + "which tells how the relay stands between till and printer")
    ask: Callable[[str], Page | None] = lambda path: _asked(host, ports.http, path)  # noqa: E731
    for found in _cameras(host, ask):
        anything = True
        yield found
    if not anything:
        yield Found("nothing", f"{host}: nothing answers on ports {ports.printer} and {ports.http}")


def _cameras(host: str, ask: Callable[[str], Page | None]) -> Iterator[Found]:
    hikvision = ask("/ISAPI/System/deviceInfo")
    if hikvision is None:
        return
    if "DeviceInfo" in hikvision.body or re.search(r"(?i)ip camera|hikvision|^DS-", hikvision.realm):
        said = f"{host} is a Hikvision device: let it post to http://<this box>:<listener port>/push/<id>"
        yield Found("door", said, {"driver": "hikvision-count", "allow_from": [host]})
        return
    dahua = ask("/cgi-bin/magicBox.cgi?action=getDeviceType")
    if dahua and ("type=" in dahua.body[:40] or re.search(r"(?i)^login to|dahua", dahua.realm)):
        yield Found("door", f"{host} is a Dahua device: add user and password_file", _dahua(host))
        return
    axis = ask("/axis-cgi/basicdeviceinfo.cgi")
    if axis and (re.search(r"(?i)axis", axis.realm) or "axis" in axis.server.lower()):
        said = f"{host} is an Axis device: let its counter post to http://<this box>:<listener port>/push/<id>"
        yield Found("door", said, {"driver": "axis-count", "allow_from": [host]})
        return
    yield Found("web", f"{host} has a web server that is none of the cameras known here: {hikvision.server}")


def _dahua(host: str) -> dict[str, Any]:
    return {"driver": "dahua-count", "url": f"http://{f'[{host}]' if ':' in host else host}"}


def _takes_calls(host: str, port: int) -> bool:
    """Connects and hangs up: a printer prints nothing of that."""
    try:
        with socket.create_connection((host, port), ANSWER_S):
            return True
    except OSError:
        return False


def _asked(host: str, port: int, path: str) -> Page | None:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    realm = re.search(r'realm="([^"]*)"', answer.getheader("WWW-Authenticate") or "")
    return Page(answer.getheader("Server") or "", realm[1] if realm else "", body)
