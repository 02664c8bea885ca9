"""Messages of HJ 212-2017 cut out of a stream of bytes, and the answer to one.

    ##0114QN=20240701090105000;ST=22;CN=2061;...;CP=&&...&&0CC0 CR LF
    |  |  |<------------ data segment, 114 bytes ---------->|  |
    |  length                                        checksum  line end, not needed

A message is passed on as it came. Whatever else comes is passed on too, with the reason why it is none, so that every
byte but line ends is told once. What is taken for a message here is one for the reader of the files
(`pipeline.ingest.formats.hj212`): `##` never stands within it.

References
----------
HJ 212-2017, Data transmission standard for online monitoring systems of pollutants: 6.3 the packet, appendix A its
checksum, 6.6 and appendix C the answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.hj212 import checksum

CHECKSUM = "checksum wrong"
CUT = "cut short"
TOO_LONG = "too long"
NO_PACKET = "no packet"
#: longest data segment by the standard, and the longest that four digits can say
STANDARD, LONGEST = 1024, 9999
_BEFORE, _AFTER = 6, 4
#: bytes that are no packet are told in pieces of this size
_PIECE = 1024
#: where a packet begins, or may be beginning at the end of what is there
_BEGIN = re.compile(rb"##(?:[0-9]{4}|[0-9]{0,3}\Z)|#\Z")
_DIGITS = re.compile(rb"[0-9A-Fa-f]{4}")
#: what an answer repeats of a message: no sign that means something in a packet
_REPEATED = re.compile(rb"[0-9A-Za-z_.-]{1,40}")


@dataclass(frozen=True)
class Frame:
    """Bytes of a stream that belong together.

    Parameters
    ----------
    raw
        As they came; without the line end.
    reason
        Why they are no message, in words; empty when they are one.
    """

    raw: bytes
    reason: str = ""

    @property
    def data(self) -> bytes:
        """The data segment of a message."""
        return self.raw[_BEFORE:-_AFTER]


class Framer:
    """A stream cut into frames as it comes, in pieces of any size.

    Never holds more than the longest packet and the piece just fed.

    Parameters
    ----------
    longest
        Bytes a data segment may have.

    Examples
    --------
    >>> framer = Framer()
    >>> [(f.raw, f.reason) for f in framer.feed(b"noise ##0004abcdE0E8" + bytes([13, 10]) + b"##0004ab##0000FF")]
    [(b'noise ', 'no packet'), (b'##0004abcdE0E8', 'checksum wrong'), (b'##0004ab', 'cut short')]
    >>> [f.raw for f in framer.feed(b"FF")]
    [b'##0000FFFF']
    """

    def __init__(self, longest: int = STANDARD) -> None:
        self._longest = longest
        self._held = bytearray()
        #: bytes of the stream up to the end of the frame given last
        self.position = 0

    @property
    def begun(self) -> bool:
        """Whether bytes wait for more."""
        return bool(self._held)

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Give the frames that are whole with this piece of the stream."""
        self._held += piece
        while (found := self._next()) is not None:
            size, reason = found
            yield Frame(self._take(size), reason)

    def end(self) -> Iterator[Frame]:
        """Give what is left when the stream ends."""
        if self._held:
            reason = CUT if self._held.startswith(b"##") else NO_PACKET
            yield Frame(self._take(len(self._held)), reason)

    def _next(self) -> tuple[int, str] | None:
        """Return size and reason of the frame at the beginning of what is held, None when it is not yet whole."""
        held = self._held
        ends = len(held) - len(held.lstrip(b"\r\n"))
        if ends:
            self._take(ends)
        begin = _BEGIN.search(held)
        start = begin.start() if begin else len(held)
        whole_head = begin is not None and begin.end() - start == _BEFORE
        if start:
            return (start, NO_PACKET) if whole_head or start >= _PIECE else None
        return self._packet() if whole_head else None

    def _packet(self) -> tuple[int, str] | None:
        """Return size and reason of the packet whose `##` and length are at the beginning."""
        held, length = self._held, int(self._held[2:_BEFORE])
        size = _BEFORE + length + _AFTER
        # another begins within what this one claims: its end is missing, whatever the length says
        following = held.find(b"##", 2, size)
        if following >= 0:
            return following, CUT
        if len(held) < size:
            return None
        if length > self._longest:
            return size, TOO_LONG
        written = bytes(held[size - _AFTER : size])
        if _DIGITS.fullmatch(written) and int(written, 16) == checksum(held[_BEFORE : size - _AFTER]):
            return size, ""
        # the last byte of one that claims too much may be the first of the next
        return (size - 1 if written.endswith(b"#") else size), CHECKSUM

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        self.position += size
        return taken


def head(data: bytes) -> dict[bytes, bytes]:
    """Return the fields of a data segment before CP, by name."""
    pairs = (part.partition(b"=") for part in data.partition(b"CP=")[0].split(b";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def answer(data: bytes) -> bytes | None:
    """Return the packet that acknowledges a message, None when its sender asked for none or cannot be answered.

    Asked for by bit 0 of Flag. The answer, CN=9014, repeats QN, PW, MN and the version bits of Flag; a message without
    QN, or with signs in these that no station has, cannot be answered.

    Examples
    --------
    >>> answer(b"QN=20160801085857223;ST=22;CN=2011;PW=123456;MN=A1;Flag=5;CP=&&&&")
    b'##0065QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=A1;Flag=4;CP=&&&&EF41\\r\\n'
    >>> answer(b"QN=20160801085857223;ST=22;CN=2011;PW=123456;MN=A1;Flag=4;CP=&&&&") is None
    True
    """
    fields = head(data)
    flag = fields.get(b"Flag", b"")
    if not (flag.isdigit() and len(flag) <= 3 and int(flag) & 1):
        return None
    repeated = {name: fields[name] for name in (b"QN", b"PW", b"MN") if name in fields}
    if b"QN" not in repeated or not all(_REPEATED.fullmatch(value) for value in repeated.values()):
        return None
    parts = [b"QN=" + repeated.pop(b"QN"), b"ST=91", b"CN=9014"]
    parts += [name + b"=" + value for name, value in repeated.items()]
    text = b";".join([*parts, b"Flag=%d" % (int(flag) & ~3), b"CP=&&&&"])
    return b"##%04d%s%04X\r\n" % (len(text), text, checksum(text))
