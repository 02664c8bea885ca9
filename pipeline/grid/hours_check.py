"""Whether every hour is what was written: all values read, their digests compared with the manifests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.errors import CorruptError
from pipeline.grid.hours_layout import ARCHIVED, BOTH, OPEN
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_version import digests

#: hours that are read together
_BLOCK = 168


def corrupt_hours(reader: HourReader, hours: np.ndarray) -> dict[int, str]:
    """Return what is wrong with each hour that is not as it was written, in either group that has it.

    Parameters
    ----------
    reader
        Of the snapshot.
    hours
        Places on the axis to look at; those without a version are passed over.

    Returns
    -------
    dict
        By place on the axis, ascending: the error's words.
    """
    present = hours[reader.vectors["state"][hours] > 0]
    out: dict[int, str] = {}
    for number in np.unique(present // _BLOCK).tolist():
        block = present[present // _BLOCK == number]
        if not all(_is_whole(reader, found, group) for group, found in _copies(reader, block)):
            out.update(_each(reader, block))
    return out


def _copies(reader: HourReader, hours: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Give the groups that tell of hours which are in both, and the hours to read there: the others are read once."""
    yield OPEN, hours
    twice = hours[reader.vectors["tier"][hours] == BOTH]
    if twice.size:
        yield ARCHIVED, twice


def _is_whole(reader: HourReader, block: np.ndarray, both: int) -> bool:
    try:
        found = reader.manifests(reader.layout.hour(block[0]), reader.layout.hour(block[-1]) + np.timedelta64(1, "h"))
        for variable in reader.layout.variables:
            everything = tuple(slice(None) for _ in variable.dims)
            values = reader.read(variable, block, everything, both)
            for i, at in enumerate(block.tolist()):
                one = np.take(values, i, axis=variable.time_axis)
                expected = found[reader.layout.hour(at)]["variables"].get(variable.name)
                if digests({variable.name: one})[variable.name] != expected:
                    return False
    # a damaged file raises anything, in three libraries: each hour says which
    except Exception:
        return False
    return True


def _each(reader: HourReader, block: np.ndarray) -> Iterator[tuple[int, str]]:
    for at in block.tolist():
        try:
            for group, _ in _copies(reader, np.array([at])):
                reader.verify(reader.layout.hour(at), both=group)
        except CorruptError as error:
            yield at, str(error)
