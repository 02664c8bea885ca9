"""Messages of HJ 212-2017, one after another as they came in over the line.

    ##0114QN=20240701090105000;ST=22;CN=2061;PW=1;MN=A1;Flag=4;CP=&&DataTime=20240701080000;a05001-Avg=431.2,a05001-Flag=N
    &&0CC0                                                                   (on one line)

`##`, four digits of length, the data segment, its checksum in four hexadecimal digits, and a line end that nothing here
depends on: packets are found by `##`, so that what lies between them, or a broken one, costs no other. A message too
long for one packet comes in several (bit 1 of Flag, then PNUM and PNO), with whole factors in each.

DataTime is the station's clock without a zone; zone and what a label marks are declared by the feed or the registry.
Status letters, in the order of the standard: N normal, F stopped, M maintenance, S entered by hand, D fault,
C calibration, T over range, B no communication. Only N is used.

References
----------
HJ 212-2017, Data transmission standard for online monitoring systems of pollutants; checksum: its appendix A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, FormatError, InputError
from pipeline.hj212 import checksum
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, Samples, first_reason, samples
from pipeline.ingest.formats.text import MOST_BYTES, numbers, times
from pipeline.settings import Hj212Settings, StationSettings
from pipeline.units import Species

#: status letters, the gravest last
LETTERS = "NFMSDCTB"
CUT = "packet cut short"
CHECKSUM = "packet's checksum wrong"
_UNREADABLE = "packet without CP"
_NO_FACTOR = "factor not in the message"
_TWO_VALUES = "two values in one message"
_NO_LETTER = "no status letter"
#: field of a factor that holds its value, by command
_FIELD = {"2011": "Rtd", "2051": "Avg", "2061": "Avg"}
#: bit of Flag that says the message comes in several packets
_SPLIT = 2
#: `##` and the length before the data segment, the checksum after it
_BEFORE, _AFTER = 6, 4
_PLACES_SHOWN = 5


@dataclass(frozen=True)
class Packet:
    """What stands between `##` and the checksum.

    Parameters
    ----------
    place, end
        First byte in the file, and the first after it.
    data
        The data segment; empty when it cannot be trusted.
    reason
        Why it cannot, in words; empty when it can.
    """

    place: int
    end: int
    data: str
    reason: str


@dataclass(frozen=True)
class Message:
    """One or more packets that are one message.

    Parameters
    ----------
    place
        First byte of its first packet.
    head
        QN, ST, CN, MN and Flag by name.
    groups
        Fields of CP; each group is one factor's, by name. The first of them may hold DataTime alone.
    reason
        Why the message cannot be used, in words; empty when it can.
    """

    place: int
    head: dict[str, str]
    groups: tuple[dict[str, str], ...]
    reason: str


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:  # noqa: ARG001 - readers share one signature
    """Return a station's messages of one kind; which factor is the gas is declared by the feed.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        When it holds no packet at all, or is too large.
    """
    wanted = feed.hj212
    if wanted is None:
        raise ConfigError("format hj212 needs its section", remedy="add hj212 to the feed", where=f"station {feed.id}")
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    with path.open("rb") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise FormatError(
            f"the file must have at most {MOST_BYTES} bytes", got="more", remedy="split it by month", where=path.name
        )
    found = list(packets(raw))
    if not found:
        raise FormatError(
            "the file must hold a packet, ## and four digits",
            got=f"none in {len(raw)} bytes",
            remedy="check the format; fetch it again",
            where=path.name,
        )
    told = list(messages(found))
    label, value, reason = _rows(told, wanted)
    return samples(
        label,
        value,
        reason,
        unit=wanted.unit,
        interval=HOUR if wanted.minutes is None else np.timedelta64(round(wanted.minutes * 60), "s"),
        marks=None,
        zone=None,
        where=path.name,
        notes=tuple(_notes(raw, found, told)),
    )


def packets(raw: bytes) -> Iterator[Packet]:
    """Give every packet of a file, broken ones with the reason; what is no packet is passed over.

    Examples
    --------
    >>> [packet.reason for packet in packets(b"noise ##0004abcd0000 ##0004ab")]
    ["packet's checksum wrong", 'packet cut short']
    """
    at = raw.find(b"##")
    while at >= 0:
        length = raw[at + 2 : at + _BEFORE]
        if len(length) < 4 or not length.isdigit():
            at = raw.find(b"##", at + 1)
            continue
        end = at + _BEFORE + int(length)
        data, written = raw[at + _BEFORE : end], raw[end : end + _AFTER]
        # another packet begins within what this one claims: its end is missing, whatever the length says
        cut = len(written) < _AFTER or raw.find(b"##", at + 2, end + _AFTER) >= 0
        if not cut and _is(written, data):
            yield Packet(at, end + _AFTER, data.decode("ascii", "replace"), "")
            at = raw.find(b"##", end + _AFTER)
            continue
        following = raw.find(b"##", at + 2)
        yield Packet(at, len(raw) if following < 0 else following, "", CUT if cut else CHECKSUM)
        at = following


def _is(written: bytes, data: bytes) -> bool:
    """Return whether four hexadecimal digits are the checksum of the data."""
    try:
        return len(written) == _AFTER and written.isalnum() and int(written, 16) == checksum(data)
    except ValueError:
        return False


def messages(found: list[Packet]) -> Iterator[Message]:
    """Give the messages of packets, in the order of their first ones; those of several packets put together."""
    parts: dict[tuple[str, ...], list[Message]] = {}
    counts: dict[tuple[str, ...], int] = {}
    for packet in found:
        one = _message(packet)
        number = _parts(one.head)
        if one.reason or number == 1:
            parts[str(packet.place),] = [one]
            continue
        key = tuple(one.head.get(name, "") for name in ("MN", "CN", "QN"))
        counts[key] = number
        parts.setdefault(key, []).append(one)
    for key, some in parts.items():
        number = counts.get(key, 1)
        there = {_number(one.head.get("PNO", "")) for one in some}
        # each number once, none beyond the last: then they are all there
        whole = number == 1 or (len(there) == number and all(1 <= no <= number for no in there))
        reason = some[0].reason if whole else f"{len(there)} of {number} packets of the message"
        groups = tuple(group for one in some for group in one.groups)
        yield Message(some[0].place, some[0].head, groups, reason)


def _message(packet: Packet) -> Message:
    """Return one packet as a message of its own."""
    if packet.reason:
        return Message(packet.place, {}, (), packet.reason)
    head, there, rest = packet.data.partition("CP=&&")
    body, end, _ = rest.rpartition("&&")
    if not there or not end:
        return Message(packet.place, {}, (), _UNREADABLE)
    return Message(packet.place, _fields(head, ";"), tuple(_fields(group, ",") for group in body.split(";")), "")


def _fields(text: str, separator: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(separator) if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _parts(head: dict[str, str]) -> int:
    """Return the number of packets the message comes in."""
    split = _number(head.get("Flag", "")) & _SPLIT
    return max(_number(head.get("PNUM", "")), 1) if split else 1


def _number(text: str) -> int:
    """Return a whole number of at most nine digits, or 0."""
    return int(text) if text.isdigit() and len(text) < 10 else 0


def gravest(letters: str) -> str:
    """Return the letter that stands for several samples put together: any that is not N, the gravest first.

    A letter that is none of the standard's is graver than all: nobody knows what it says.

    Examples
    --------
    >>> gravest("NNN"), gravest("NMD"), gravest("NXB"), gravest("")
    ('N', 'D', 'X', '')
    """
    return max(letters, key=lambda letter: (letter not in LETTERS, LETTERS.find(letter)), default="")


def _rows(told: list[Message], wanted: Hj212Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (label, value, reason) of every message."""
    field, letter = f"{wanted.factor}-{_FIELD[wanted.data]}", f"{wanted.factor}-Flag"
    stamp, text, reason = (np.full(len(told), "", dtype=object) for _ in range(3))
    for row, message in enumerate(told):
        stamp[row] = next((group["DataTime"] for group in message.groups if "DataTime" in group), "")
        values = {group[field] for group in message.groups if field in group}
        letters = "".join(group.get(letter, "") for group in message.groups if field in group)
        text[row] = next(iter(values), "")
        theirs = _not_ours(message.head, wanted) if message.head else ""
        reason[row] = theirs or message.reason or _why_not(values, gravest(letters))
    label = times(stamp, "%Y%m%d%H%M%S")
    value, bad = numbers(text)
    # a row of another station or command is told as such, whatever is in it
    first = (reason != "", reason)
    return label, value, first_reason(len(told), first, (np.isnat(label), BAD_TIME), (bad, BAD_NUMBER))


def _not_ours(head: dict[str, str], wanted: Hj212Settings) -> str:
    """Return whose a message is, or which, in words; empty when it is one of those wanted."""
    if head.get("MN") != wanted.mn:
        return f"other station {head.get('MN', 'without MN')}"
    if head.get("CN") != wanted.data:
        return f"command {head.get('CN', 'missing')}, not {wanted.data}"
    return ""


def _why_not(values: set[str], letter: str) -> str:
    """Return why a whole message is not used, in words; empty when it is."""
    if len(values) != 1:
        return _TWO_VALUES if values else _NO_FACTOR
    if letter == "N":
        return ""
    return f"status {letter}" if letter else _NO_LETTER


def _notes(raw: bytes, found: list[Packet], told: list[Message]) -> Iterator[str]:
    """Give where broken packets stand, and how much of the file is no packet."""
    for reason in (CHECKSUM, CUT, _UNREADABLE):
        places = [message.place for message in told if message.reason == reason]
        if places:
            more = ", ..." if len(places) > _PLACES_SHOWN else ""
            yield f"{reason} at byte {', '.join(map(str, places[:_PLACES_SHOWN]))}{more}"
    starts, ends = [packet.place for packet in found], [packet.end for packet in found]
    other, first = 0, 0
    for end, start in zip([0, *ends], [*starts, len(raw)], strict=True):
        text = raw[end:start].lstrip(b"\r\n")
        first = start - len(text) if text and not other else first
        other += len(text.rstrip(b"\r\n"))
    if other:
        yield f"{other} bytes that are no packet, the first at byte {first}"
