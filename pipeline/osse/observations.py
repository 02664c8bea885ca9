"""What the instruments of a simulated case report, written as their feeds deliver it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.case import Progress, transport_folder
from pipeline.errors import InputError
from pipeline.footprints import make_footprints
from pipeline.grid import Grid
from pipeline.ingest.receptors import merge
from pipeline.osse import case_file
from pipeline.osse.faults import (
    DRY_CELL,
    OWN,
    PAGE,
    Feed,
    hourly,
    spans,
    with_faults,
    write_record,
    write_sound,
)
from pipeline.osse.instruments import INSTRUMENTS, MINUTES, Record, late_from, micro_record, minute_record, true_air
from pipeline.osse.matched import matched_record
from pipeline.osse.network import Site
from pipeline.osse.plan import Plan
from pipeline.osse.station_files import minute_spread, write_gcwerks, write_micro
from pipeline.schema import HOUR, label
from pipeline.settings import Settings
from pipeline.transport import read_hour
from pipeline.units import SECONDS_PER_HOUR


@dataclass(frozen=True, eq=False)
class Air:
    """The air over the sites of a case.

    Parameters
    ----------
    times : (hour,) datetime64[ns]
        Hours with observations, UTC.
    values : (site, hour) float64
        True mole fraction, ppm.
    temperature, humidity : (site, hour) float64
        At 2 m: K, and relative humidity in %.
    """

    times: np.ndarray
    values: np.ndarray
    temperature: np.ndarray
    humidity: np.ndarray


def receptors(sites: Sequence[Site], times: np.ndarray) -> xr.Dataset:
    """Return one receptor per hour and site, hours first: those that the case's run will ask for."""
    hours, count = times.size, len(sites)
    places = {
        "lon": [site.station.lon for site in sites],
        "lat": [site.station.lat for site in sites],
        "height": [site.height for site in sites],
        "duration": [SECONDS_PER_HOUR] * count,
    }
    dataset = xr.Dataset(
        {
            "time": ("obs", np.repeat(times, count)),
            "station": ("obs", np.tile([site.id for site in sites], hours)),
            **{name: ("obs", np.tile(np.array(values, dtype=np.float64), hours)) for name, values in places.items()},
        },
        attrs={"species": "co2"},
    )
    return label(dataset, "receptors")


def enhancement(
    settings: Settings, path: Path, grid: Grid, wanted: Sequence[xr.Dataset], truth: xr.Dataset, progress: Progress
) -> list[np.ndarray]:
    """Return what the true fluxes add to the air at receptors, ppm: (obs,) for each part that is wanted.

    The footprints are made by the settings and left in their folder; one hour's are in memory at a time.

    Parameters
    ----------
    settings
        Say which weather and which folder; the case's own, or those of what really carried the air.
    path
        Of case.toml.
    wanted
        Datasets "receptors".
    truth
        With flux.

    Raises
    ------
    InputError
        When a receptor has no footprint.
    """
    folder = transport_folder(settings, path)
    made = make_footprints(settings, grid, merge(wanted), path.parent, folder, progress=progress)
    if made.failures:
        raise InputError("every site must have a footprint", got=made.failures[0], remedy="report this", where="osse")
    values: dict[tuple[np.datetime64, str], float] = {}
    start, end = settings.case.flux_hours.bounds
    for file in made.paths:
        footprints = read_hour(file, grid)
        assert footprints is not None
        # a particle released late in the hour may end before the first flux hour
        hour = footprints["hour"].values
        inside = (hour >= start) & (hour < end)
        footprints["footprint"] = footprints["footprint"].where(xr.DataArray(inside, dims="entry"), 0.0)
        footprints["hour"] = footprints["hour"].where(xr.DataArray(inside, dims="entry"), start)
        values.update(zip(_keys(footprints), true_air(footprints, truth).tolist(), strict=True))
    return [np.array([values[key] for key in _keys(part)]) for part in wanted]


def _keys(dataset: xr.Dataset) -> list[tuple[np.datetime64, str]]:
    # hour files keep the hour of a sounding, whose id holds its second
    hours = dataset["time"].values.astype("datetime64[h]").astype("datetime64[ns]")
    return list(zip(hours, map(str, dataset["station"].values), strict=True))


def write_feeds(
    folder: Path, plan: Plan, settings: Settings, sites: Sequence[Site], air: Air, rng: np.random.Generator
) -> None:
    """Write the feed of every site of air; what comes late lies under the folder `late`, by the same path."""
    harmed: list[dict[str, object]] = []
    sound_hours: list[np.ndarray] = []
    hours = air.times.size
    for index, (site, own) in enumerate(zip(sites, rng.spawn(len(sites)), strict=True)):
        made = _matched(settings, site, air, index, own) if plan.matched else _real(site, air, index, own)
        record = made.values
        humidity = np.full(hours, DRY_CELL) if "humid" in plan.faults and site.is_micro else None
        sound = Feed(record, record.size // hours, np.zeros(hours, dtype=bool), humidity=humidity)
        feed, had = with_faults(sound, site, plan.faults, sites, plan.seed if plan.draw is None else plan.draw)
        sound_hours.append(hourly(record, sound.per_hour))
        had.insert(0, (OWN, made.harmed))
        harmed += [row for name, mask in had for row in spans(name, site.id, air.times[0], mask)]
        first = hours if plan.matched else late_from(hours, own)
        name = case_file.station_file(site)
        _write(folder / name, site, air.times[0], feed.between(0, first), own)
        if first < hours:
            late = folder / case_file.LATE / name
            late.parent.mkdir(parents=True, exist_ok=True)
            _write(late, site, air.times[first], feed.between(first, hours), own)
    record_path = folder / case_file.FAULTS
    record_path.unlink(missing_ok=True)
    if plan.faults:
        write_record(record_path, harmed)
        write_sound(folder / case_file.SOUND, [site.id for site in sites], air.times, np.array(sound_hours))


def _real(site: Site, air: Air, index: int, rng: np.random.Generator) -> Record:
    """Return a record with all that goes wrong with an instrument, hourly or by minute."""
    instrument, truth = INSTRUMENTS[site.station.station_class], air.values[index]
    if site.is_micro:
        return micro_record(truth, instrument, air.temperature[index], air.humidity[index], rng)
    return minute_record(truth, instrument, rng)


def _matched(settings: Settings, site: Site, air: Air, index: int, rng: np.random.Generator) -> Record:
    """Return a record with the stated errors only: no gap, no fault, even hours."""
    values = matched_record(settings, site, air.values[index], rng)
    none = np.zeros(values.size, dtype=bool)
    return Record(values if site.is_micro else np.repeat(values, MINUTES), none)


def _write(path: Path, site: Site, start: np.datetime64, feed: Feed, rng: np.random.Generator) -> None:
    labels, record = start + feed.shift * HOUR, feed.values
    if site.is_micro:
        write_micro(path, labels, record, ~np.isnan(record), feed.humidity, feed.again)
    else:
        noise = INSTRUMENTS[site.station.station_class].minute_noise
        write_gcwerks(path, labels, record, minute_spread(record, noise, rng))
    if feed.page:
        path.write_text(PAGE, encoding="utf-8")
