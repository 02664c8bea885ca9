"""Hourly CSV of one BEACO2N node, as the network's site gives it out; -999 for missing.

    local_timestamp,datetime,node_id,epoch,...,co_ppm,co_ppm_QC_level,co2_ppm,co2_ppm_QC_level
    2021-07-15 05:00:00,2021-07-15 12:00:00,175,1626350400.0,...,-999,1a,410.7,

`datetime` is UTC and `epoch` the same in seconds since 1970; `local_timestamp` is the clock of the network's home in
California wherever a node stands, and is not used. A QC level belongs to the column before it; which levels are good
is not said in the file, and many values have none. What a label marks is not said either.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, RAGGED, Samples, first_reason, samples
from pipeline.ingest.formats.text import named_columns, numbers, times
from pipeline.schema import HOUR as ONE_HOUR
from pipeline.settings import NodeSettings, StationSettings
from pipeline.units import Species

TWO_TIMES = "epoch and datetime differ"
_FORM = "%Y-%m-%d %H:%M:%S"
_SECOND = np.timedelta64(1, "s")


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of a node's file.

    Raises
    ------
    FormatError
        When a column is missing, that of the species for one.
    """
    node = node_of(feed)
    value_name = f"{gas.name}_ppm"
    wanted = ("local_timestamp", "datetime", "node_id", "epoch", value_name, f"{value_name}_QC_level")
    rows, (local, utc, number, epoch, text, level) = named_columns(path, wanted)
    label, (value, bad), (seconds, no_epoch) = times(utc, _FORM), numbers(text), numbers(epoch)
    since = (label - np.datetime64(0, "ns")) / _SECOND
    unlike = np.isfinite(since) & ~(np.abs(since - seconds) <= 1.0)
    return samples(
        np.where(unlike, np.datetime64("NaT"), label),
        value,
        first_reason(
            len(label),
            (rows.ragged, RAGGED),
            (np.isnat(label) | no_epoch, BAD_TIME),
            (unlike, TWO_TIMES),
            other_device(number, node, "node"),
            (bad, BAD_NUMBER),
            *not_valid(level, node, "QC level"),
        ),
        unit="ppm",
        interval=HOUR,
        marks=None,
        zone="UTC",
        where=path.name,
        notes=(*rows.notes, *_local_note(times(local, _FORM), label), *level_note(level, node, "QC level")),
    )


def node_of(feed: StationSettings) -> NodeSettings:
    """Return the feed's section of a numbered device.

    Raises
    ------
    ConfigError
        When it has none.
    """
    if feed.node is None:
        raise ConfigError(
            f"format {feed.format} needs its section", remedy="add node to the feed", where=f"station {feed.id}"
        )
    return feed.node


def other_device(number: np.ndarray, node: NodeSettings, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mask of rows of other devices, and the reason of each row."""
    return number != node.id, np.array([f"other station {what} {name}" for name in number], dtype=object)


def not_valid(level: np.ndarray, node: NodeSettings, what: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the mask of rows whose level is not declared valid, and the reason of each; nothing when none is."""
    if not node.valid:
        return []
    return [(~np.isin(level, node.valid), np.array([f"{what} {name or 'missing'}" for name in level], dtype=object))]


def level_note(level: np.ndarray, node: NodeSettings, what: str) -> list[str]:
    """Return the note that names the levels of a file whose feed declares none valid."""
    seen = ", ".join(sorted({str(name) or "none" for name in level}))
    return [] if node.valid else [f"no {what} declared valid: every value is taken; in the file: {seen}"]


def _local_note(local: np.ndarray, utc: np.ndarray) -> list[str]:
    """Return the note on how far the local labels stand from UTC."""
    known = ~np.isnat(local) & ~np.isnat(utc)
    hours = np.unique((local[known] - utc[known]) / ONE_HOUR)
    return [f"local_timestamp, not used: UTC {', '.join(f'{h:+g}' for h in hours)} h"] if hours.size else []
