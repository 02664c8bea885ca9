"""Cheap sensors beside spectrometers: their bias taken off, what is left of it stated, and what told it held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.ingest.axes import distance
from pipeline.ingest.bias import State, Track, field_of, first_state, is_mixed, track
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.surroundings import Surroundings, solar_time
from pipeline.scales import conversion
from pipeline.schema import HOUR, Flag, is_used, label
from pipeline.settings import Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta import PRECISE_CLASSES, BiasRules

#: hours in which a good measurement is not selected may tell a bias all the same
_SELECTION = np.uint32(Flag.NOT_SELECTED_HOUR | Flag.NOT_SELECTED_WEATHER)
_HOURS_PER_DAY = 24.0


@dataclass(frozen=True, eq=False)
class Unbiased:
    """What `without_bias` made.

    Parameters
    ----------
    observations
        Dataset "observations" with `bias`, `offset_sigma` and `anchor_age`; NaN but for sensors.
    notes
        What was done, and every bias that was set anew.
    """

    observations: xr.Dataset
    notes: list[str]


def without_bias(
    observations: xr.Dataset,
    before: xr.Dataset,
    settings: Settings,
    rules: BiasRules,
    kinds: Mapping[str, str],
    calibrations: Sequence[Calibration] = (),
    around: Surroundings | None = None,
) -> Unbiased:
    """Return observations whose sensors (feeds with an `offset`) have the bias taken off that spectrometers tell.

    An hour that told the bias is flagged HELD_OUT: its difference from the spectrometers is in the bias, and would be
    counted twice. What is left is `offset_sigma`, and the measurement uncertainty is at least `floor`. Hours are
    flagged ANCHOR_AGE when long out of touch with a reference, and INSTRUMENT beyond the limit, for they are not
    absolute; JUMP_RESET while a jump is suspected and when it is taken. The bias starts anew where a calibration begins
    or ends, for it is what the correction left.

    Parameters
    ----------
    observations
        Hours of stations, in the window.
    before
        Those of the days before it.
    settings
        The case.
    rules
        Thresholds.
    kinds
        Name of the instrument by station.
    calibrations
        Corrections that were applied: a sensor that was trained stood beside a reference until then.
    around
        The weather at places; without it the hour of day and the spectrometers' agreement alone tell mixed air.
    """
    gas = SPECIES[settings.case.species]
    every = xr.concat([before, observations], dim="obs", combine_attrs="override")
    sensors = [feed for feed in settings.stations if feed.offset is not None]
    references = _References(every, sensors, gas)
    size = observations.sizes["obs"]
    first = before.sizes["obs"]
    columns = {name: np.full(size, np.nan) for name in ("bias", "offset_sigma", "anchor_age")}
    value, sigma, flag = (observations[name].values.copy() for name in ("value", "uncertainty", "flag"))
    notes = (
        [] if around else ["bias filter: without weather, hours are taken as mixed by the sun and by agreement alone"]
    )
    followed = held = 0
    for feed in sensors:
        mine = _rows_of(every, feed)
        if mine.size == 0:
            continue
        at = every.isel(obs=mine)
        corrections = [one for one in calibrations if (one.station, one.species) == (feed.id, gas.name)]
        found, changes = _followed(at, corrections, references, rules, around)
        for when in changes:
            notes.append(f"{feed.id}: another calibration from {_told(when)} on, its bias starts anew")
        for i in np.flatnonzero(found.reset):
            notes.append(f"{feed.id}: bias set anew at {_told(at['time'].values[i])}, to {found.bias[i]:+.1f} ppm")
        inside = mine >= first
        rows = mine[inside] - first
        value[rows] -= found.bias[inside]
        columns["bias"][rows] = found.bias[inside]
        columns["offset_sigma"][rows] = found.sigma[inside]
        columns["anchor_age"][rows] = found.anchor_age[inside]
        sigma[rows] = np.maximum(sigma[rows], _floor(found, kinds.get(feed.id, ""), rules)[inside])
        flag[rows] |= _bits(found, rules)[inside]
        held += int(found.used[inside].sum())
        followed += 1
    notes.append(f"bias filter: {followed} sensors; {held} hours told their bias, and are held out")
    changed = {"value": value, "uncertainty": sigma, "flag": flag, **columns}
    made = observations.assign({name: ("obs", numbers) for name, numbers in changed.items()})
    return Unbiased(label(made, "observations"), notes)


class _References:
    """Hourly means of spectrometers, station by station, of the inlet nearest to the ground."""

    def __init__(self, every: xr.Dataset, sensors: Sequence[StationSettings], gas: Species) -> None:
        flag, platform = every["flag"].values, every["platform"].values.astype(str)
        good = is_used(flag & ~_SELECTION) & np.isin(platform, PRECISE_CLASSES)
        for feed in sensors:
            good[_rows_of(every, feed)] = False
        names = ("time", "station", "height", "value", "scale", "lon", "lat")
        frame = pd.DataFrame({name: every[name].values[good] for name in names})
        frame = frame.sort_values(["time", "station", "height"]).drop_duplicates(["time", "station"])
        self._gas = gas
        self._values = frame.pivot(index="time", columns="station", values="value")
        self._scales = frame.pivot(index="time", columns="station", values="scale")
        place = frame.drop_duplicates("station").set_index("station").loc[self._values.columns]
        self._lon, self._lat = place["lon"].to_numpy(dtype=float), place["lat"].to_numpy(dtype=float)

    def field(self, time: np.ndarray, lon: float, lat: float, scale: str, rules: BiasRules) -> np.ndarray:
        """Return the spectrometers' field at a place, (hour,), on a scale; what cannot be converted is left out."""
        values = self._values.reindex(time).to_numpy(dtype=np.float64, copy=True)
        scales = self._scales.reindex(time).to_numpy(dtype=object)
        for name in {text for text in scales.ravel() if isinstance(text, str)}:
            found, rows = conversion(name, scale, self._gas), scales == name
            values[rows] = np.nan if found is None else found.slope * values[rows] + found.offset
        return field_of(values, distance(self._lon, self._lat, lon, lat), rules)


def _followed(
    at: xr.Dataset,
    calibrations: Sequence[Calibration],
    references: _References,
    rules: BiasRules,
    around: Surroundings | None,
) -> tuple[Track, list[np.datetime64]]:
    """Return the track of one sensor, row for row of its hours, and when its calibration changed."""
    time = at["time"].values
    lon, lat = (float(at[name].values[0]) for name in ("lon", "lat"))
    local = solar_time(time.astype("datetime64[h]"), lon)
    difference = np.full(time.size, np.nan)
    scales = at["scale"].values.astype(str)
    for scale in np.unique(scales):
        rows = scales == scale
        field = references.field(time[rows], lon, lat, scale, rules)
        difference[rows] = at["value"].values[rows] - field
    good = is_used(at["flag"].values & ~_SELECTION) & np.isfinite(difference) & is_mixed(local, rules)
    if around is not None and good.any():
        rows = np.flatnonzero(good)
        wind, layer = around(np.full(rows.size, lon), np.full(rows.size, lat), time[rows])
        good[rows] = is_mixed(local[rows], rules, wind, layer)
    day = local.astype("datetime64[D]").astype(np.int64)
    return _through(calibrations, time, day, np.where(good, difference, np.nan), rules)


def _through(
    calibrations: Sequence[Calibration], time: np.ndarray, day: np.ndarray, difference: np.ndarray, rules: BiasRules
) -> tuple[Track, list[np.datetime64]]:
    """Return what `track` does, of a sensor whose bias starts anew wherever a calibration begins or ends.

    What is left of a bias is left by one correction: under the next it would be taken off a second time.
    """
    changes = np.unique([bound for one in calibrations for bound in one.bounds if not np.isnat(bound)])
    changes = changes.astype("datetime64[ns]")
    period = np.searchsorted(changes, time, side="right")
    numbers = np.unique(period)
    parts, places = [], []
    for number in numbers:
        rows = np.flatnonzero(period == number)
        start = _start(time[rows].min(), calibrations, rules)
        parts.append(track(start, time[rows], day[rows], difference[rows], rules)[0])
        places.append(rows)
    back = np.argsort(np.concatenate(places))
    joined = {item.name: np.concatenate([getattr(part, item.name) for part in parts])[back] for item in fields(Track)}
    return Track(**joined), [changes[number - 1] for number in numbers[1:]]


def _start(when: np.datetime64, calibrations: Sequence[Calibration], rules: BiasRules) -> State:
    """Return the state a sensor starts from: at the end of its training, or with no reference at all."""
    for one in calibrations:
        # periods do not overlap: one at most
        if one.covers(np.array([when]))[0] and one.trained_until <= when:
            until = one.trained_until.astype("datetime64[h]")
            # the last hour beside the reference is the one before
            return State(until, 0.0, one.rmse**2, until - HOUR)
    return first_state(when, rules)


def _floor(found: Track, kind: str, rules: BiasRules) -> np.ndarray:
    """Return the least measurement sigma of each hour."""
    least = max([number for word, number in rules.floors.items() if word in kind], default=0.0)
    return np.maximum(np.where(found.told, rules.floor, rules.floor_unanchored), least)


def _bits(found: Track, rules: BiasRules) -> np.ndarray:
    """Return the quality bits of each hour; a sensor that was never beside a reference is older than any limit."""
    days = np.nan_to_num(found.anchor_age, nan=np.inf) / _HOURS_PER_DAY
    bits = np.zeros(days.size, dtype=np.uint32)
    bits[days > rules.anchor_suspect] |= np.uint32(Flag.ANCHOR_AGE)
    bits[days > rules.anchor_fail] |= np.uint32(Flag.INSTRUMENT)
    bits[found.reset | found.suspected] |= np.uint32(Flag.JUMP_RESET)
    bits[found.used] |= np.uint32(Flag.HELD_OUT)
    return bits


def _rows_of(dataset: xr.Dataset, feed: StationSettings) -> np.ndarray:
    mine = (dataset["station"].values.astype(str) == feed.id) & (dataset["height"].values == feed.height)
    return np.flatnonzero(mine)


def _told(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[h]')}Z"
