"""The numbers of all tests of quality control, which a result states beside what they found."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.ingest import flux_quality, neighbours, quality
from pipeline.schema import Flag, flag_names

#: of stations, and of towers that measure fluxes
OF_STATIONS: dict[Flag, int] = quality.VERSIONS | neighbours.VERSIONS
OF_TOWERS: dict[Flag, int] = flux_quality.VERSIONS


def versions_told() -> str:
    """Return the tests and their numbers in one line.

    Examples
    --------
    >>> versions_told().split(", ")[0]
    'stations: instrument 1'
    """
    return f"stations: {_told(OF_STATIONS)}; towers: {_told(OF_TOWERS)}"


def _told(versions: Mapping[Flag, int]) -> str:
    return ", ".join(f"{flag_names(int(flag))[0]} {number}" for flag, number in versions.items())
