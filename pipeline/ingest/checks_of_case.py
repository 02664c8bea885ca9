"""What a case's calibration log and calibrations say of stations, held against the feeds it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.ingest.calibration_log import check_scales, read_log
from pipeline.ingest.feeds import Judged, calibrations_of
from pipeline.ingest.files import expand
from pipeline.settings import Settings
from pipeline.units import SPECIES

_SHOWN = 5


def notes_of_checks(settings: Settings, root: Path, feeds: Sequence[Judged]) -> list[str]:
    """Return which stations of the log and of calibrations no feed of the case is of.

    Parameters
    ----------
    settings
        The case.
    root
        Folder of the input paths.
    feeds
        Its feeds, judged: their rows say on which scales they are.

    Raises
    ------
    UnitError
        When checks of a station are on another scale than its rows.
    FormatError, TimeError
        As `read_log` and `read_calibrations`.
    """
    log = read_log([path for pattern in settings.inputs.calibration_logs for path in expand(root, pattern)])
    for one in feeds:
        check_scales(log, one.settings.id, SPECIES[settings.case.species], one.rows.table["scale"].unique())
    ours = {feed.id for feed in settings.stations}
    told = {
        "calibration_logs": set(map(str, log["station"])),
        "calibrations": {one.station for one in calibrations_of(settings, root)},
    }
    return [note for name, stations in told.items() for note in _strangers(name, sorted(stations - ours))]


def _strangers(name: str, stations: list[str]) -> Iterator[str]:
    if stations:
        more = f" and {len(stations) - _SHOWN} more" if len(stations) > _SHOWN else ""
        yield f"{name}: no feed of this case is of {', '.join(stations[:_SHOWN])}{more}: not used"
