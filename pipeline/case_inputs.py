"""The input files that a case names."""

from __future__ import annotations

from pathlib import Path

from pipeline.ingest import expand
from pipeline.ingest.files import under_way
from pipeline.settings import Settings


def under_way_notes(settings: Settings, root: Path) -> list[str]:
    """Return a note for each observation file that is not yet whole by its name."""
    found = under_way(root, _observation_files(settings))
    return [f"{path.relative_to(root).as_posix()} was not read: by its name it is still under way" for path in found]


def input_files(settings: Settings, root: Path) -> list[Path]:
    """Return every input file a case reads, in the order of the settings."""
    patterns = [
        *settings.inputs.station_tables,
        *settings.inputs.quality_rules,
        *settings.inputs.calibrations,
        *settings.inputs.calibration_logs,
        *_observation_files(settings),
        *(settings.transport.meteorology.files if settings.transport else []),
        *(pattern for source in settings.footprints for pattern in source.files),
        *(source.file for sector in settings.sectors for source in sector.sources),
        *(sector.mask.file for sector in settings.sectors if sector.mask is not None),
        settings.background.file,
        *([settings.regions.file] if settings.regions.file else []),
    ]
    return [path for pattern in patterns for path in expand(root, pattern)]


def _observation_files(settings: Settings) -> list[str]:
    return [
        *(pattern for feed in settings.stations for pattern in feed.files),
        *(pattern for column in settings.columns for pattern in column.files),
        *(pattern for lab in settings.mobile for pattern in lab.files),
        *(pattern for sink in settings.sinks for pattern in sink.files),
    ]
