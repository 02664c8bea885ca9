"""One exception tree. Every message says where, the rule, what was got, and the remedy.

TianyanError
  ConfigError        a setting that cannot be used
  InputError         a foreign file that cannot be used
    FormatError        not the file it claims to be: truncated, another format, unreadable
    UnitError          unit or scale missing, unknown, or contradicted by the numbers
    TimeError          time label, zone, order or coverage
    CoordinateError    position or grid that is impossible or does not match
    RegistryError      station facts that are missing or contradict one another
    SizeError          a question that asks for more than may be read at once
  SchemaError        a Dataset that does not keep the contract of `pipeline.schema`
  GridError          a grid or a region that cannot exist
  SolverError        an inversion that has no trustworthy answer
  LockedError        another process is at it
  StoreError         a store of hours that cannot do what is asked
    CorruptError       what it holds is not what was written
"""

from __future__ import annotations

#: letters of a foreign value that a message shows
MOST_SHOWN = 500


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """Return text as people may see it: one line, nothing that moves the cursor or turns the writing, not too long.

    What Python calls not printable is escaped: control characters, marks that turn the direction of writing or take no
    room, private and unpaired ones. A name from a foreign file can thus neither forge a line of a log nor hide in one.

    Examples
    --------
    >>> print(shown("a" + chr(10) + "b" + chr(0x202E) + "c"), shown("站号"), shown("abcdef", 4))
    a\\nb\\u202ec 站号 abcd... (6 letters)
    """
    cut = text if len(text) <= most else f"{text[:most]}... ({len(text)} letters)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


class TianyanError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    rule
        What must hold, in words ("latitude must lie in [-90, 90]").
    got
        The offending value, shown as given, but for characters that are not printable and more than `MOST_SHOWN`.
    remedy
        What the reader of the message can do about it.
    where
        File, key or variable the rule was applied to.

    Examples
    --------
    >>> print(UnitError("the unit must be known", got="ppmv2", remedy="declare unit", where="a.nc:value"))
    a.nc:value: the unit must be known; got 'ppmv2'. Remedy: declare unit.
    """

    def __init__(self, rule: str, *, got: object = None, remedy: str, where: str = "") -> None:
        self.rule = rule
        self.got = got
        self.remedy = remedy
        self.where = where
        super().__init__(self._text())

    def _text(self) -> str:
        place = f"{shown(self.where)}: " if self.where else ""
        got = f"; got {shown(repr(self.got))}" if self.got is not None else ""
        return f"{place}{_lines(self.rule)}{got}. Remedy: {_lines(self.remedy)}."


def _lines(text: str) -> str:
    """Return text of ours, which may have lines; what it quotes may hold anything else."""
    return "\n".join(shown(line, len(line)) for line in text.split("\n"))


class ConfigError(TianyanError):
    """A setting that cannot be used."""


class InputError(TianyanError):
    """A foreign file that cannot be used."""


class FormatError(InputError):
    """The file is not what it claims to be: truncated, another format, unreadable."""


class UnitError(InputError):
    """A unit or calibration scale is missing, unknown, or contradicted by the numbers."""


class TimeError(InputError):
    """A time label, zone, order or coverage that cannot be used."""


class CoordinateError(InputError):
    """A position or a grid that is impossible or does not match."""


class RegistryError(InputError):
    """Station facts that are missing or contradict one another."""


class SizeError(InputError):
    """A question asks for more than may be read or told at once."""


class SchemaError(TianyanError):
    """A Dataset that does not keep the contract of `pipeline.schema`."""


class GridError(TianyanError):
    """A grid or a region that cannot exist."""


class SolverError(TianyanError):
    """An inversion that has no trustworthy answer."""


class LockedError(TianyanError):
    """Another process holds what only one may hold."""


class StoreError(TianyanError):
    """A store of hours that cannot do what is asked."""


class CorruptError(StoreError):
    """What a store of hours holds is not what was written, or cannot be read."""
