"""The one exception of this package, in the message form of `pipeline.errors`."""

from __future__ import annotations


def message(where: str, rule: str, got: object, remedy: str) -> str:
    """Return where, the rule, what was got, and the remedy, as one sentence.

    Examples
    --------
    >>> message("known.csv row 3", "lat must be a number", "north", "write degrees")
    "known.csv row 3: lat must be a number; got 'north'. Remedy: write degrees."
    """
    place = f"{where}: " if where else ""
    shown = f"; got {got!r}" if got is not None else ""
    return f"{place}{rule}{shown}. Remedy: {remedy}."


class StationMetaError(ValueError):
    """Station facts that are missing, wrong, or contradict one another.

    Parameters
    ----------
    rule
        What must hold, in words.
    got
        The offending value, shown as given.
    remedy
        What the reader of the message can do about it.
    where
        File and row, or station, the rule was applied to.
    """

    def __init__(self, rule: str, *, got: object = None, remedy: str, where: str = "") -> None:
        self.rule = rule
        self.got = got
        self.remedy = remedy
        self.where = where
        super().__init__(message(where, rule, got, remedy))
