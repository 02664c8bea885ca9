"""The header of a classic netCDF file, read for one number: where its data end."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pipeline.errors import FormatError

# bytes of one value of each external type, NC_BYTE = 1 to NC_UINT64 = 11 (NetCDF file format specification)
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = {1: 2**32 - 1, 2: 2**32 - 1, 5: 2**64 - 1}


class ClassicHeader:
    """The header of a CDF-1, CDF-2 or CDF-5 file (NetCDF file format specification, "The classic format")."""

    def __init__(self, stream: BinaryIO, size: int, path: Path) -> None:
        self.stream, self.size, self.path = stream, size, path
        self.version = self._take(4)[3]
        self.wide = self.version == 5

    def data_end(self) -> int:
        """Return the byte after the last value of the last variable.

        Raises
        ------
        FormatError
            When the header is cut short, names an unknown type, or does not say how many records there are.
        """
        records = self._count()
        if records == _STREAMING[self.version]:
            raise FormatError(
                "the number of records must be stated",
                got="streaming",
                remedy="copy it with `nccopy -k nc4`",
                where=self.path.name,
            )
        lengths = self._dims()
        self._attributes()
        self._int()  # the tag of the list, or zero
        variables = [self._variable(lengths) for _ in range(self._count())]
        ends = [begin + size for begin, size, is_record in variables if not is_record]
        record = [(begin, size) for begin, size, is_record in variables if is_record]
        # a single record variable is not padded to four bytes
        step = record[0][1] if len(record) == 1 else sum(-(-size // 4) * 4 for _, size in record)
        ends += [begin + (records - 1) * step + size for begin, size in record if records]
        return max([self.stream.tell(), *ends])

    def _dims(self) -> list[int]:
        self._int()
        lengths = []
        for _ in range(self._count()):
            self._name()
            lengths.append(self._count())
        return lengths

    def _attributes(self) -> None:
        self._int()
        for _ in range(self._count()):
            self._name()
            width = self._type_bytes()
            self._skip(self._count() * width)

    def _variable(self, lengths: list[int]) -> tuple[int, int, bool]:
        """Return (begin, bytes, is a record variable); bytes are those of one record then."""
        self._name()
        dims = [self._count() for _ in range(self._count())]
        if any(index >= len(lengths) for index in dims):
            raise self._broken("a variable's dimension must exist")
        self._attributes()
        size = self._type_bytes()
        self._count()  # vsize: redundant, and wrong by design in large files
        begin = self._int() if self.version == 1 else self._unsigned(8)
        # the record dimension has length zero and comes first
        is_record = bool(dims) and lengths[dims[0]] == 0
        for index in dims[1:] if is_record else dims:
            size *= lengths[index]
        return begin, size, is_record

    def _take(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise self._broken("the header must be whole")
        return data

    def _skip(self, count: int) -> None:
        """Pass over `count` bytes and their padding to four."""
        padded = -(-count // 4) * 4
        if self.stream.tell() + padded > self.size:
            raise self._broken("the header must be whole")
        self.stream.seek(padded, 1)

    def _unsigned(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _int(self) -> int:
        return self._unsigned(4)

    def _count(self) -> int:
        return self._unsigned(8 if self.wide else 4)

    def _name(self) -> None:
        self._skip(self._count())

    def _type_bytes(self) -> int:
        code = self._int()
        if code not in _TYPE_BYTES:
            raise self._broken("a variable's type must be known")
        return _TYPE_BYTES[code]

    def _broken(self, rule: str) -> FormatError:
        return FormatError(
            rule, got=f"byte {self.stream.tell()} of {self.size}", remedy="fetch it again", where=self.path.name
        )
