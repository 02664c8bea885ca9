"""The checksum of HJ 212-2017, for who takes messages off the line and for who reads them from files.

It stands apart from the reader, whose libraries are 300 MB, for the listener needs none.
"""

from __future__ import annotations


def checksum(data: bytes | bytearray) -> int:
    """Return the checksum of a data segment, as appendix A of HJ 212-2017 computes it.

    The register is shifted right by a byte before the next byte enters, which no common CRC-16 does.

    Examples
    --------
    The example of the standard's appendix C:

    >>> text = "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
    >>> f"{checksum(text.encode()):04X}"
    '1C80'
    """
    register = 0xFFFF
    for byte in data:
        register = _STEP[(register >> 8) ^ byte]
    return register


def _eight_shifts(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return register


# all a byte does to the register depends on its upper half and the byte: 256 cases
_STEP = tuple(_eight_shifts(register) for register in range(256))
