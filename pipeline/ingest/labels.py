"""Time labels of foreign fields: what a label marks is stated by the file, never guessed."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from pipeline.errors import TimeError
from pipeline.ingest.netcdf import decode_times
from pipeline.schema import HOUR

# of the interval, not of a run or an epoch: "hours since the start of the simulation" says nothing about labels
_START = re.compile(
    r"\b(beginning|start) of (the |each |every )?((time|averaging|sampling) )?(interval|period|hour|day|month)"
)


def start_labels(dataset: xr.Dataset, name: str, *, where: str) -> np.ndarray:
    """Return the times of an axis that states that its labels are the start of each interval.

    A file says so by the attribute `label` "left", by CF bounds whose first column is the time, or in words
    ("beginning of each averaging period", "start of the hour" in `comment`, `notes` or `long_name`).

    Raises
    ------
    TimeError
        When nothing says so, or the times are not ascending.
    """
    time = dataset[name]
    times = np.atleast_1d(decode_times(time, where=where))
    if np.any(np.diff(times) <= np.timedelta64(0)):
        worst = int(np.argmax(np.diff(times) <= np.timedelta64(0)))
        raise TimeError(
            "times must ascend, each once",
            got=[str(t) for t in times[worst : worst + 2]],
            remedy="sort the file and settle duplicates",
            where=where,
        )
    bounds = str(time.attrs.get("bounds", ""))
    if bounds in dataset.variables:
        stated = dataset[bounds].copy()
        stated.attrs = {**time.attrs, **stated.attrs}
        said = bool(np.array_equal(decode_times(stated, where=where)[..., 0].ravel(), times))
    elif "label" in time.attrs:
        said = str(time.attrs["label"]).lower() == "left"
    else:
        words = " ".join(str(time.attrs.get(key, "")) for key in ("comment", "notes", "long_name"))
        said = bool(_START.search(words.lower()))
    if not said:
        raise TimeError(
            "the file must say that a time label is the start of its interval",
            got={key: time.attrs[key] for key in ("label", "bounds", "comment", "notes") if key in time.attrs},
            remedy='set the attribute label = "left", or bounds, on the time axis if it is so; else shift it',
            where=where,
        )
    return times


def require_whole_hours(times: np.ndarray, *, where: str) -> None:
    """Raise unless all times are whole hours.

    Raises
    ------
    TimeError
        Naming the first that is not.
    """
    odd = times != times.astype("datetime64[h]")
    if odd.any():
        raise TimeError(
            "time labels must be whole hours", got=str(times[odd][0]), remedy="average to hours", where=where
        )


def step_hours(times: np.ndarray, *, where: str) -> int:
    """Return the even spacing of times in whole hours.

    Raises
    ------
    TimeError
        For fewer than two times, uneven steps, or steps that are not whole hours.
    """
    steps = np.unique(np.diff(times))
    if steps.size != 1 or steps[0] % HOUR != np.timedelta64(0):
        raise TimeError(
            "times must be evenly spaced by whole hours",
            got=[str(step) for step in steps[:3].astype("timedelta64[m]")],
            remedy="fill the gaps, or average to hours",
            where=where,
        )
    return int(steps[0] // HOUR)
