"""Receptor lists of a STILT run in netCDF: hourly values of several nodes, told apart by position alone.

Variables fjul (seconds since 1970), lat, lon, agl (m), co2 and co2e over one dimension; yr, mon, day and hr repeat the
time. No variable has attributes. The script that writes such a list (make_netCDF.py of skodoli/GEMINOA_CO2INVERSION)
says what they are: `epoch`, `co2_corrected_avg` and `co2_corrected_stdev` of BEACO2N nodes, which are ppm, hourly means
and their standard deviations, and 3 m where a node's height is not known. The run reads the times as UTC.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.ingest.formats.samples import HOUR, Samples, first_reason, samples
from pipeline.ingest.netcdf import open_netcdf
from pipeline.settings import StationSettings
from pipeline.units import Species

TWO_TIMES = "fjul and yr, mon, day, hr differ"


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of every node, with their places; the station's are chosen by the registry's position.

    Raises
    ------
    FormatError
        When a variable is missing, that of the species for one, or they do not share one dimension.
    """
    with open_netcdf(path) as dataset:
        wanted = ("fjul", "lat", "lon", "agl", gas.name, f"{gas.name}e", "yr", "mon", "day", "hr")
        missing = [name for name in wanted if name not in dataset]
        shapes = {dataset[name].dims for name in wanted if name in dataset}
        if missing or len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise FormatError(
                f"a receptor list must hold {', '.join(wanted)} over one dimension",
                got=f"no {', '.join(missing)}" if missing else sorted(shapes),
                remedy="correct the format, the file or the species",
                where=path.name,
            )
        fjul, lat, lon, agl, value, spread, year, month, day, hour = (
            np.asarray(dataset[name].values, dtype=np.float64) for name in wanted
        )
    label = _times(fjul)
    written = _calendar(year, month, day, hour)
    unlike = ~(label.astype("datetime64[h]") == written)
    other = np.array([f"other inlet {metres:g} m" for metres in agl], dtype=object)
    return samples(
        np.where(unlike, np.datetime64("NaT"), label),
        value,
        first_reason(len(label), (unlike, TWO_TIMES), (agl != feed.height, other)),
        unit="ppm",
        interval=HOUR,
        marks=None,
        zone="UTC",
        where=path.name,
        spread=spread,
        places=np.column_stack([lon, lat]),
        notes=("units are not in the file: ppm and s since 1970 by the script that writes such lists",),
    )


def _times(seconds: np.ndarray) -> np.ndarray:
    """Return seconds since 1970 as datetime64[ns]; NaT where they are none."""
    known = np.isfinite(seconds)
    out = np.full(seconds.size, np.datetime64("NaT"), dtype="datetime64[ns]")
    out[known] = np.round(seconds[known]).astype(np.int64).astype("datetime64[s]")
    return out


def _calendar(year: np.ndarray, month: np.ndarray, day: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Return the hour that year, month, day and hour name, datetime64[h]; NaT where one is missing."""
    known = np.isfinite(np.stack([year, month, day, hour])).all(axis=0)
    out = np.full(year.size, np.datetime64("NaT"), dtype="datetime64[h]")
    numbers = [part[known].astype(np.int64) for part in (year, month, day, hour)]
    months = (numbers[0] - 1970) * 12 + numbers[1] - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (numbers[2] - 1)
    out[known] = days.astype("datetime64[h]") + numbers[3]
    return out
