"""Tags that put their readings into manufacturer's data.

The first two bytes should be the maker's number, low byte first; many makers have none and use the place for data.
Then the name, the length or the tag's own address within tell them. Sources: as in `services`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from devices.ble_thermometer.advert import Advert, Said, Tag, number
from devices.ble_thermometer.services import sign_and_tenths

_IBEACON = bytes.fromhex("4c000215")
_JAALEE = bytes.fromhex("ebefd08370a247c89837e7b5634df525")
_ABTEMP = bytes.fromhex("b5b182c7eab14988aa99b5c1517008d9")
_TILT_HEAD, _TILT_TAIL = bytes.fromhex("a495bb"), bytes.fromhex("c5b14b44b5121370f02d74de")
_TILT_PRO_FROM = 5000  # its gravity has a digit more, and so has its temperature
_NO_PROBE = (0xFFFF, 0xFFF6)


def _govee(data: bytes, advert: Advert) -> Tag | None:
    name = advert.name.upper()
    if data.startswith(b"\x88\xec\x00"):
        if len(data) == 9:
            return Tag("govee-h5074", (Said(number(data, 3, 0.01), number(data, 5, 0.01, signed=False)),))
        if len(data) == 8 or data[8:10] == _IBEACON[:2]:
            return Tag("govee-h5075", (_govee_packed(data[3:6]),))
    if data.startswith(b"\x01\x88\xec\x00\x01\x01") and len(data) == 11:
        return Tag("govee-h5179", (Said(number(data, 6, 0.01), number(data, 8, 0.01, signed=False)),))
    if data.startswith(b"\x01\x00\x01\x01") and len(data) >= 8:
        if "H5106" in name:
            return Tag("govee-h5106", (_govee_packed(data[4:8]),))
        if "GVH51" in name:
            return Tag("govee-h5100", (_govee_packed(data[4:7]),))
    return Tag("govee-h5055", tuple(_govee_meat(data))) if "GVH5055" in name and len(data) >= 16 else None


def _govee_packed(data: bytes) -> Said:
    """Tenths of degrees and of percent (and dust) as one decimal number, its top bit the sign."""
    whole = int.from_bytes(data, "big")
    top = 1 << (8 * len(data) - 1)
    packed = (whole & ~top) // (1000 if len(data) == 4 else 1)
    degrees = packed // 1000 / 10
    return Said(-degrees if whole & top else degrees, packed % 1000 / 10)


def _govee_meat(data: bytes) -> Iterator[Said]:
    """Two of six probes at a time; which two, in the top bits."""
    first = 2 * (data[5] >> 6) + 1
    for offset, at in ((0, 7), (1, 14)):
        if data[at : at + 2] != b"\xff\xff":
            yield Said(number(data, at), None, str(first + offset))


def _inkbird(data: bytes, advert: Advert) -> Tag | None:
    """IBS-TH: sps and tps are all the name they have."""
    if len(data) != 9 or advert.name.lower() not in ("sps", "tps"):
        return None
    humidity = number(data, 2, 0.01, signed=False)
    return Tag("inkbird-ibs", (Said(number(data, 0, 0.01), humidity if 0 < humidity <= 100 else None),))


def _ibbq(data: bytes, advert: Advert) -> Tag | None:
    """Inkbird IBT: four bytes, the address either way round, a temperature a probe."""
    if len(data) not in (12, 14, 18, 22) or data[:4] not in (bytes(4), b"\x01\0\0\0"):
        return None
    address = next((text for text in (data[4:10].hex(), data[4:10][::-1].hex()) if text == advert.address), "")
    if not address and not advert.name.startswith(("iBBQ", "IBT", "SOLIS")):
        return None
    probes = [(place, at) for place, at in enumerate(range(10, len(data), 2), 1)]
    said = [
        Said(number(data, at, 0.1), None, str(place))
        for place, at in probes
        if int(number(data, at, signed=False)) not in _NO_PROBE
    ]
    return Tag("inkbird-ibt", tuple(said), address)


def _thermo_beacon(data: bytes, advert: Advert) -> Tag | None:
    """WS02, WS08: the address backwards; the longer form tells only the highest and lowest so far."""
    if len(data) not in (20, 22) or data[1] != 0 or data[4:10][::-1].hex() != advert.address:
        return None
    if data[0] not in (0x10, 0x11, 0x14, 0x15, 0x18, 0x1B, 0x30):
        return None
    said = (Said(number(data, 12, 0.0625), number(data, 14, 0.0625, signed=False)),) if len(data) == 20 else ()
    return Tag("thermobeacon", said, advert.address)


def _tyre(data: bytes, _: Advert) -> Tag | None:
    if len(data) != 18 or not data.startswith(b"\x00\x01") or data[3:5] != b"\xea\xca":
        return None
    return Tag("tpms", (Said(number(data, 12, 0.01, size=4)),), data[2:8].hex())


def _thermopro(data: bytes, advert: Advert) -> Tag | None:
    if not advert.name.startswith(("TP35", "TP39")) or len(data) < 6 or data[0] != 0xC2:
        return None
    return Tag("thermopro", (Said(number(data, 1, 0.1), float(data[3])),))


def _ruuvi(data: bytes, _: Advert) -> Tag | None:
    if not data.startswith(b"\x99\x04") or len(data) < 16:
        return None
    if data[2] == 5:
        celsius, humidity = data[3:5], data[5:7]
        warm = None if celsius == b"\x80\x00" else number(data, 3, 0.005, order="big")
        damp = None if humidity == b"\xff\xff" else number(data, 5, 0.0025, order="big", signed=False)
        return Tag("ruuvi", (Said(warm, damp),), data[20:26].hex())
    if data[2] == 3:
        degrees = (data[4] & 0x7F) + data[5] / 100
        return Tag("ruuvi", (Said(round(-degrees if data[4] & 0x80 else degrees, 2), data[3] / 2),))
    return None


def _blue_maestro(data: bytes, _: Advert) -> Tag | None:
    if not data.startswith(b"\x33\x01") or len(data) < 10:
        return None
    damp = number(data, 10, 0.1, order="big", signed=False) if data[2] in (22, 23, 27) else None
    return Tag("blue-maestro", (Said(number(data, 8, 0.1, order="big"), damp),))


def _smartdry(data: bytes, _: Advert) -> Tag | None:
    if not data.startswith(b"\xae\x01") or len(data) != 14:
        return None
    celsius, humidity = struct.unpack_from("<ff", data, 2)
    return Tag("smartdry", (Said(round(celsius, 4), round(humidity, 4)),))


def _amphiro(data: bytes, _: Advert) -> Tag | None:
    return Tag("amphiro", (Said(float(data[13])),)) if data.startswith(b"\xee\xfa") and len(data) == 21 else None


def _oria(data: bytes, _: Advert) -> Tag | None:
    if not data.startswith(b"\x55\xaa\x01") or len(data) < 17:
        return None
    said = Said(number(data, 12, 0.01, order="big"), number(data, 14, 0.01, order="big", signed=False))
    return Tag("oria", (said,), data[4:10].hex())


def _sensirion(data: bytes, _: Advert) -> Tag | None:
    """Raw values of the sensors' data sheets; SHT4x (sample type 6) has another line for humidity."""
    if not data.startswith(b"\xd5\x06\x00") or len(data) < 10:
        return None
    damp = number(data, 8, signed=False) / 65535
    humidity = 125 * damp - 6 if data[3] == 6 else 100 * damp
    return Tag("sensirion", (Said(_sht_celsius(number(data, 6, signed=False)), round(humidity, 4)),))


def _sht_celsius(raw: float) -> float:
    return round(175 * raw / 65535 - 45, 4)


def _mopeka(data: bytes, _: Advert) -> Tag | None:
    return Tag("mopeka", (Said(float((data[4] & 0x7F) - 40)),)) if _starts(data, b"\x59\x00", 12) else None


def _aranet(data: bytes, _: Advert) -> Tag | None:
    return Tag("aranet4", (Said(number(data, 12, 0.05), float(data[16])),)) if _starts(data, b"\x02\x07", 24) else None


def _starts(data: bytes, head: bytes, size: int) -> bool:
    return data.startswith(head) and len(data) == size


def _switchbot(data: bytes, _: Advert) -> Tag | None:
    if not data.startswith(b"\x69\x09") or len(data) not in (13, 14):
        return None
    return Tag("switchbot", (sign_and_tenths(data[10:13]),), data[2:8].hex())


def _beacon(data: bytes, _: Advert) -> Tag | None:
    """iBeacons that keep readings where their numbers should be."""
    if not data.startswith(_IBEACON) or len(data) < 25:
        return None
    uuid = data[4:20]
    if uuid == _JAALEE:
        damp = round(number(data, 22, 100 / 65535, order="big", signed=False), 4)
        return Tag("jaalee", (Said(_sht_celsius(number(data, 20, order="big", signed=False)), damp),))
    if uuid == _ABTEMP:
        return Tag("abtemp", (Said(number(data, 23, size=1)),))
    if uuid.startswith(_TILT_HEAD) and uuid.endswith(_TILT_TAIL):
        pro = number(data, 22, order="big", signed=False) >= _TILT_PRO_FROM
        fahrenheit = number(data, 20, 0.1 if pro else 1, order="big", signed=False)
        return Tag("tilt", (Said(round((fahrenheit - 32) / 1.8, 2)),))
    return None


_MAKERS: tuple[Callable[[bytes, Advert], Tag | None], ...] = (
    _beacon,
    _govee,
    _ruuvi,
    _switchbot,
    _inkbird,
    _thermopro,
    _thermo_beacon,
    _ibbq,
    _blue_maestro,
    _sensirion,
    _aranet,
    _oria,
    _smartdry,
    _mopeka,
    _amphiro,
    _tyre,
)


def tag_of(advert: Advert) -> Tag | None:
    """The tag that speaks in the maker's data; None where none of ours does."""
    return next((tag for decode in _MAKERS if (tag := decode(advert.maker, advert))), None)
