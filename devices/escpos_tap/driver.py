"""escpos-tap: what a till prints, as receipts and openings of the drawer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.escpos_tap.charset import Charset
from devices.escpos_tap.copies import Memory, digest
from devices.escpos_tap.options import LISTEN, RELAY, Options
from devices.escpos_tap.receipt import Assembler, Document, Pulse
from devices.escpos_tap.spread_cards import without_digits, without_spread_cards
from devices.escpos_tap.status import answer
from devices.escpos_tap.template import Template, load, read
from devices.serial_port import SerialPort
from devices.tills import business_day
from records.types import CashEvent, PosReceipt

_STAR = "a Star printer's commands, no ESC/POS: set printer and till to ESC/POS emulation"
_NO_TEXT = "no receipt: check baudrate, parity and wiring, or set encoding and chinese_mode"
_NOISE = ((0, 0.49), (2, 0.25), (8, 0.06))  # more than so many, and than that share of a text: it is none


class _Receipt(NamedTuple):
    """A document that waits a moment for copies of itself. key: what makes another one the same."""

    key: str
    source_id: str
    data: PosReceipt
    at: datetime


class TapDecoder:
    """One line's bytes in, readings out.

    A receipt is handed over when the next one differs or the line falls silent: until then it may be printed again.
    """

    def __init__(self, options: Options, context: Context, memory: Memory, template: Template | None) -> None:
        charset = Charset(options.printer, options.chinese_mode, options.encoding)
        self._assembler = Assembler(charset, reset_ends=options.new_receipt == "cut-or-reset")
        self._context = context
        self._memory = memory
        self._template = template
        self._held: _Receipt | None = None
        self._behind: list[Item] = []  # what came after the held receipt
        self._pulses = 0

    @property
    def settled(self) -> bool:
        """Whether all that was fed has been handed over."""
        return self._held is None and self._assembler.settled

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._assembler.feed(data, at))

    def end(self, at: datetime) -> Sequence[Item]:  # noqa: ARG002 - what ends has the time of its last bytes
        return self._items(self._assembler.end()) + self._release()

    def answers(self) -> bytes:
        """What the printer would have answered to what was fed since the last call."""
        asked, self._assembler.asked = self._assembler.asked, []
        return b"".join(map(answer, asked))

    def _items(self, found: Sequence[Document | Pulse]) -> list[Item]:
        items: list[Item] = []
        for one in found:
            items += self._pulse(one) if isinstance(one, Pulse) else self._document(one)
        return items

    def _pulse(self, pulse: Pulse) -> list[Item]:
        day = business_day(pulse.at, self._context)
        self._pulses += 1
        name = f"-/{day}/drawer-{pulse.at:%H%M%S%f}-{self._pulses}"
        item = Reading(CashEvent(name, "drawer-open", business_day=day), pulse.at)
        if self._held is None:
            return [item]
        self._behind.append(item)
        return []

    def _document(self, document: Document) -> list[Item]:
        fault = _fault(document)
        if fault:
            return [*self._release(), Rejected(fault, without_digits(document.raw), document.at)]
        receipt = self._receipt(document)
        held = self._held
        if held and held.key == receipt.key and self._memory.within(held.at, receipt.at):
            copies = held.data.copies + 1
            self._held = held._replace(data=_copied(held.data, copies))
            return []
        items = self._release()
        self._held = receipt
        return items

    def _receipt(self, document: Document) -> _Receipt:
        text = without_spread_cards(document.text)
        fields: dict[str, object] = {}
        plain = text
        if self._template:
            fields, _, plain = read(self._template, text)
        day = business_day(document.at, self._context)
        if "transaction_id" in fields and "total" in fields:
            key = f"{fields.get('workstation', '-')}/{fields['transaction_id']}/{fields['total']}"
            source_id = f"{fields.get('workstation', '-')}/{day}/{fields['transaction_id']}"
        else:
            key = digest(f"{document.images}\n{plain}")
            source_id = f"-/{day}/{document.at:%H%M%S%f}-{key}"
        return _Receipt(key, source_id, PosReceipt(source_id, text, 0, document.images, fields), document.at)

    def _release(self) -> list[Item]:
        held, self._held = self._held, None
        behind, self._behind = self._behind, []
        if held is None:
            return behind
        seen = self._memory.copies(held.key, held.source_id, held.at, held.data.copies)
        data = PosReceipt(seen.source_id, held.data.text, seen.copies, held.data.images, held.data.fields)
        return [Reading(data, held.at, state=self._memory.state(), raw=held.data.text.encode()), *behind]


def _copied(data: PosReceipt, copies: int) -> PosReceipt:
    return PosReceipt(data.source_id, data.text, copies, data.images, data.fields)


def _fault(document: Document) -> str | None:
    """Why the document is no receipt."""
    if document.star:
        return _STAR
    share = document.noise / max(len(document.text), 1)
    return _NO_TEXT if any(document.noise > count and share > limit for count, limit in _NOISE) else None


def _decoders(options: Options, context: Context) -> Callable[[], TapDecoder]:
    """Makes decoders of one device, which share what was printed before."""
    memory = Memory(context.state, options.copies_s)
    template = load(options.template) if options.template else None
    return lambda: TapDecoder(options, context, memory, template)


def decoder(options: Options, context: Context) -> TapDecoder:
    return _decoders(options, context)()


def device(options: Options, context: Context) -> Driver:
    if options.port.startswith(LISTEN):
        from devices.escpos_tap.printer_port import PrinterPort

        return PrinterPort(options, _decoders(options, context))
    if options.port.startswith(RELAY):
        from devices.escpos_tap.tee import Tee

        return Tee(options, _decoders(options, context), context.state)
    return SerialPort(options, decoder(options, context), options.gap_s)
