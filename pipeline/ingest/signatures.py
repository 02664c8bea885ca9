"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import re

HDF5 = b"\x89HDF\r\n\x1a\n"
#: the beginnings of files whose parsers are in C: classic netCDF, HDF5, Parquet
BINARY = (b"CDF", HDF5[:4], b"PAR1")
#: bytes that `foreign_kind` looks at
HEAD = 512

_UNPACK = "unpack it with `tianyan ingest unpack`"
_CODE = "ask the provider for data; this could run code, and is not opened"
# the oldest pickles are text: the instruction to fetch a function, or one that begins a container
_OLD_PICKLE = rb"\(?(?:c[\w.]+\n[\w.]+\n|[dl]p\d+\n)"
#: first bytes, what they are, and what to do
_KINDS = tuple(
    (re.compile(pattern, re.DOTALL), kind, remedy)
    for pattern, kind, remedy in (
        (rb"\x80[\x02-\x05]", "a Python pickle", _CODE),
        (_OLD_PICKLE, "a Python pickle", _CODE),
        (rb"\x93NUMPY", "a numpy array file", "ask the provider for a table or netCDF"),
        (rb"[^\0]*!!python", "YAML with Python tags", _CODE),
        (rb"PK\x03\x04|\x1f\x8b|.{257}ustar", "an archive", _UNPACK),
        (rb"BZh|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|7z\xbc\xaf", "an archive", "unpack it, and pack it as zip or tar.gz"),
    )
)


def foreign_kind(head: bytes) -> tuple[str, str] | None:
    """Return what kind of file no reader takes begins so, and the remedy; None for all others.

    Parameters
    ----------
    head
        The first `HEAD` bytes.

    Examples
    --------
    >>> foreign_kind(b"PK" + bytes([3, 4]))[0], foreign_kind(b"time,co2")
    ('an archive', None)
    """
    return next(((kind, remedy) for pattern, kind, remedy in _KINDS if pattern.match(head)), None)
