"""Tags that put their readings into service data, by the service's number.

Sources: the makers' or firmwares' own descriptions (BTHome, ATC_MiThermometer, b-parasite), what readers of these tags
have published, and advertisements with known readings.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from devices.ble_thermometer.advert import Advert, Said, Tag, number

_MI_ENCRYPTED, _MI_ADDRESS, _MI_CAPABILITY, _MI_OBJECT = 0x08, 0x10, 0x20, 0x40
_MI_IO = 0x20
_BTHOME_ENCRYPTED = 1

# Bytes of each BTHome object, by its number, up to the first that is not known
_BTHOME_SIZES = {
    **dict.fromkeys(
        (0x00, 0x01, 0x09, *range(0x0F, 0x12), *range(0x15, 0x30), 0x3A, 0x46, *range(0x57, 0x5A), 0x60), 1
    ),
    **dict.fromkeys(
        (0x02, 0x03, 0x06, 0x07, 0x08, 0x0C, 0x0D, 0x0E, 0x12, 0x13, 0x14, 0x3C, 0x3D, 0x3F, 0x40, 0x41), 2
    ),
    **dict.fromkeys((0x43, 0x44, 0x45, *range(0x47, 0x4B), 0x51, 0x52, 0x56, 0x5A, *range(0x5D, 0x60), 0x61, 0xF0), 2),
    **dict.fromkeys((0x04, 0x05, 0x0A, 0x0B, 0x42, 0x4B, 0xF2), 3),
    **dict.fromkeys((0x3E, *range(0x4C, 0x51), 0x55, 0x5B, 0x5C, 0xF1), 4),
}
_BTHOME_CELSIUS = {0x02: 0.01, 0x45: 0.1, 0x57: 1.0, 0x58: 0.35}
_BTHOME_HUMIDITY = {0x03: 0.01, 0x2E: 1.0}


def _mi(data: bytes, _: Advert) -> Tag | None:
    """MiBeacon: control, product, counter, then as the control says address, capability, one object."""
    if len(data) < 5:
        return None
    control, place, address = data[0], 5, ""
    if control & _MI_ADDRESS:
        address, place = data[5:11][::-1].hex(), 11
    if control & _MI_ENCRYPTED:
        return Tag("mi", address=address, fault="is encrypted; flash a firmware that is not, or read it by its gateway")
    if control & _MI_CAPABILITY:
        place += 1 + 2 * bool(data[place : place + 1] and data[place] & _MI_IO)
    if not control & _MI_OBJECT or len(data) < place + 3:
        return Tag("mi", address=address)
    kind, size = int.from_bytes(data[place : place + 2], "little"), data[place + 2]
    value = data[place + 3 :]
    if len(value) < size:
        return Tag("mi", address=address, fault="is cut off")
    return Tag("mi", tuple(_mi_object(kind, value[:size])), address)


def _mi_object(kind: int, value: bytes) -> Iterator[Said]:
    match kind, len(value):
        case 0x1004, 2:
            yield Said(number(value, 0, 0.1))
        case 0x1006, 2:
            yield Said(None, number(value, 0, 0.1, signed=False))
        case 0x100D, 4:
            yield Said(number(value, 0, 0.1), number(value, 2, 0.1, signed=False))
        case 0x4C01, 4:
            yield Said(round(struct.unpack("<f", value)[0], 4))


def _environment(data: bytes, _: Advert) -> Tag | None:
    """0x181A, which several firmwares use; they differ in length."""
    match len(data):
        case 6 if data[4] <= 100:
            return Tag("pvvx", (Said(number(data, 0, 0.01), number(data, 2, 0.01, signed=False)),))
        case 13:
            said = Said(number(data, 6, 0.1, order="big"), float(data[8]))
            return Tag("atc", (said,), data[:6].hex())
        case 15:
            said = Said(number(data, 6, 0.01), number(data, 8, 0.01, signed=False))
            return Tag("pvvx", (said,), data[:6][::-1].hex())
        case 16 | 18 if data[0] >> 4 in (1, 2):  # b-parasite, by version
            scale = 0.001 if data[0] >> 4 == 1 else 0.01
            humidity = number(data, 6, 100 / 65535, order="big", signed=False)
            return Tag("b-parasite", (Said(number(data, 4, scale, order="big"), humidity),), data[10:16].hex())
    return None


def _bthome(data: bytes, _: Advert) -> Tag | None:
    """BTHome version 2: objects, each a number and as many bytes as it has."""
    if not data or data[0] >> 5 != 2:
        return None
    if data[0] & _BTHOME_ENCRYPTED:
        return Tag("bthome", fault="is encrypted; switch encryption off in its app")
    celsius: list[float] = []
    humidity: list[float] = []
    place = 1
    while place < len(data) and (size := _BTHOME_SIZES.get(data[place])) and place + size < len(data):
        kind = data[place]
        if kind in _BTHOME_CELSIUS:
            celsius.append(number(data, place + 1, _BTHOME_CELSIUS[kind], size=size))
        elif kind in _BTHOME_HUMIDITY:
            humidity.append(number(data, place + 1, _BTHOME_HUMIDITY[kind], size=size, signed=False))
        place += 1 + size
    return Tag("bthome", tuple(_paired(celsius, humidity)))


def _paired(celsius: list[float], humidity: list[float]) -> Iterator[Said]:
    several = max(len(celsius), len(humidity)) > 1
    for place in range(max(len(celsius), len(humidity))):
        degrees = celsius[place] if place < len(celsius) else None
        damp = humidity[place] if place < len(humidity) else None
        yield Said(degrees, damp, str(place + 1) if several else "")


def _qingping(data: bytes, _: Advert) -> Tag | None:
    """Two bytes, address, then type, length and value of each reading; type 1 is temperature and humidity."""
    address, place = data[2:8][::-1].hex(), 8
    while place + 2 <= len(data):
        kind, size = data[place], data[place + 1]
        if kind == 1 and size == 4 and place + 6 <= len(data):
            said = Said(number(data, place + 2, 0.1), number(data, place + 4, 0.1, signed=False))
            return Tag("qingping", (said,), address)
        place += 2 + size
    return Tag("qingping", address=address) if len(data) >= 8 else None


def _switchbot(data: bytes, _: Advert) -> Tag | None:
    """Meters are T and i; tenths, then degrees with the top bit for above zero, then humidity."""
    if len(data) != 6 or data[0] not in b"Ti":
        return None
    return Tag("switchbot", (sign_and_tenths(data[3:6]),))


def sign_and_tenths(data: bytes) -> Said:
    """SwitchBot's three bytes of a reading."""
    degrees = (data[1] & 0x7F) + (data[0] & 0x0F) / 10
    return Said(round(degrees if data[1] & 0x80 else -degrees, 1), float(data[2] & 0x7F))


def _eddystone_sensor(data: bytes, _: Advert) -> Tag | None:
    """KKM and BlueCharm: 21h, version, which readings there are, each of two bytes; 8.8 fixed point."""
    if len(data) < 3 or data[0] != 0x21:
        return None
    volts, warm, damp = data[2] & 1, data[2] & 2, data[2] & 4
    at = 3 + 2 * bool(volts)
    if not warm or len(data) < at + (4 if damp else 2):
        return Tag("kkm")
    humidity = round(number(data, at + 2, 1 / 256, order="big", signed=False), 2) if damp else None
    return Tag("kkm", (Said(round(number(data, at, 1 / 256, order="big"), 2), humidity),))


def _gatt_temperature(data: bytes, _: Advert) -> Tag | None:
    return Tag("sensor-easy", (Said(number(data, 0, 0.01)),)) if len(data) == 2 else None


def _radioland(data: bytes, advert: Advert) -> Tag | None:
    if len(data) < 4 or not advert.name.startswith("RDL"):
        return None
    return Tag("rdl52832", (Said(number(data, 0, 1 / 256, order="big"), number(data, 2, 1 / 256, order="big")),))


def _tuya_flora(data: bytes, _: Advert) -> Tag | None:
    return Tag("hhccjcy10", (Said(number(data, 1, 0.1, order="big")),)) if len(data) == 9 else None


def _moko(data: bytes, _: Advert) -> Tag | None:
    if len(data) < 7 or data[0] != 0x70:
        return None
    humidity = number(data, 5, 0.1, order="big", signed=False)
    return Tag("moko", (Said(number(data, 3, 0.1, order="big"), humidity),))


def _april_brother(data: bytes, _: Advert) -> Tag | None:
    """N03, whose service the gateways leave out."""
    if len(data) != 15 or not data.startswith(b"\xab\x03"):
        return None
    said = Said(number(data, 9, 0.125), number(data, 11, 0.5, signed=False))
    return Tag("abn03", (said,), data[2:8].hex())


_UNNUMBERED = (_april_brother, _mi)
_SERVICES: dict[int, tuple[Callable[[bytes, Advert], Tag | None], ...]] = {
    0x0000: _UNNUMBERED,
    0x0318: (_radioland,),
    0x1803: (_radioland,),
    0x0D00: (_switchbot,),
    0x181A: (_environment,),
    0x2A6E: (_gatt_temperature,),
    0xFCD2: (_bthome,),
    0xFD3D: (_switchbot,),
    0xFD50: (_tuya_flora,),
    0xFDCD: (_qingping,),
    0xFE95: (_mi,),
    0xFEAA: (_eddystone_sensor,),
    0xFEAB: (_moko,),
}


def tag_of(advert: Advert) -> Tag | None:
    """The tag that speaks in the service data; None where none of ours does."""
    for service, data in advert.services.items():
        for decode in _SERVICES.get(service, ()):
            if tag := decode(data, advert):
                return tag
    return None
