"""`edge-agent drivers`: which there are, and how one is set up."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib import resources

from config.device import options_of
from config.reference import settings
from devices.registry import DriverPackage, driver, drivers
from edge_agent.commands import Commands
from edge_agent.exits import Exit


def add(commands: Commands) -> None:
    command = commands.add_parser("drivers", help="list the drivers, or show one's guide, sample and settings")
    command.add_argument("driver", metavar="NAME", nargs="?", help="the driver to show")
    command.set_defaults(work=_work)


def _work(args: Namespace) -> int:
    return _list() if args.driver is None else _show(args.driver)


def _list() -> int:
    width = max(map(len, drivers()), default=0)
    for name, package in drivers().items():
        print(f"{name:<{width}}  {_headline(_text(package, 'README.md'), name)}".rstrip())
    return Exit.DONE


def _show(name: str) -> int:
    try:
        options = options_of(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    print(_text(driver(name), "README.md").rstrip())
    print(f"\n## sample.yaml\n\n{_text(driver(name), 'sample.yaml').rstrip()}\n\n## Settings\n")
    for item in settings(options):
        default = "required" if item.required else f"default {item.default}" if item.default else "optional"
        print(f"{item.name}: {item.kind}; {default}\n    {item.description}")
    return Exit.DONE


def _text(package: DriverPackage, file: str) -> str:
    """A file of the driver's folder; empty where another distribution's driver, or its folder, has none."""
    try:
        return (resources.files(package.package) / file).read_text(encoding="utf-8")
    except (ImportError, OSError):
        return ""


def _headline(text: str, name: str) -> str:
    """The first line without its mark and the name that stands before it anyway."""
    first = next(_lines(text), "no guide")
    return first.lstrip("# ").removeprefix(f"{name}").lstrip(" :—–-") or first.lstrip("# ")


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
