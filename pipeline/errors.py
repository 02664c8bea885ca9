"""One exception tree. Every message says where, the rule, what was got, and the remedy.

TianyanError
  ConfigError        a setting that cannot be used
  InputError         a foreign file that cannot be used
    FormatError        not the file it claims to be: truncated, another format, unreadable
    UnitError          unit or scale missing, unknown, or contradicted by the numbers
    TimeError          time label, zone, order or coverage
    CoordinateError    position or grid that is impossible or does not match
    RegistryError      station facts that are missing or contradict one another
  SchemaError        a Dataset that does not keep the contract of `pipeline.schema`
  GridError          a grid or a region that cannot exist
  SolverError        an inversion that has no trustworthy answer
"""

from __future__ import annotations


class TianyanError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    rule
        What must hold, in words ("latitude must lie in [-90, 90]").
    got
        The offending value, shown as given.
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
        place = f"{self.where}: " if self.where else ""
        got = f"; got {self.got!r}" if self.got is not None else ""
        return f"{place}{self.rule}{got}. Remedy: {self.remedy}."


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


class SchemaError(TianyanError):
    """A Dataset that does not keep the contract of `pipeline.schema`."""


class GridError(TianyanError):
    """A grid or a region that cannot exist."""


class SolverError(TianyanError):
    """An inversion that has no trustworthy answer."""
