"""Sink stations in, "flux_observations" out: hourly fluxes measured at towers, and an account of every row.

A value that was filled in is never an observation, and one in calm air is none either, for the flux then leaves by
other ways than past the instruments (observations.md, "Sink stations"). An hour needs all its rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import station_meta
from pipeline.errors import ConfigError, InputError, RegistryError, TimeError
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.clock import standard_offset
from pipeline.ingest.files import expand
from pipeline.ingest.formats import fluxnet
from pipeline.ingest.formats.fluxnet import FluxRows
from pipeline.ingest.formats.samples import HOUR
from pipeline.ingest.quality import flat_line, range_bits, rules_of
from pipeline.ingest.quarantine import Refused
from pipeline.ingest.registry import read_rules
from pipeline.ingest.rows import CONFLICT, DUPLICATE, MISSING_VALUE, OUTSIDE
from pipeline.ingest.site import registry_error
from pipeline.schema import Flag, label
from pipeline.settings import Settings, SinkSettings
from pipeline.units import SPECIES, Species, flux_factor
from station_meta import QualityRules, Rules, Station, StationMetaError

#: name and class under which thresholds of net exchange stand, umol m-2 s-1
_NET, _SINK = "nee", "sink"
#: bits of a row that keep it out of the mean, and what the account calls them, first first
_REFUSED = (
    (Flag.MISSING, MISSING_VALUE),
    (Flag.DUPLICATE, CONFLICT),
    (Flag.GAP_FILLED, "gap-filled"),
    (Flag.RANGE_FAIL, "range fail"),
    (Flag.FLAT_LINE, "flat line"),
    (Flag.LOW_TURBULENCE, "low turbulence"),
)


def read_sinks(settings: Settings, root: Path, registry: pd.DataFrame) -> tuple[xr.Dataset, list[Account]]:
    """Return the fluxes measured at a case's towers, and what became of every row of their files.

    Parameters
    ----------
    settings
        The case; its `sinks`, maybe none.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

    Returns
    -------
    observations
        Dataset "flux_observations" of `pipeline.schema`, sorted by time, then station. Hours within the observation
        hours that have any row are in it, flagged where a row is not to be used or missing.
    accounts
        One per file, in the order of the settings and then of the names; of a file that cannot be used, why.

    Raises
    ------
    ConfigError
        When the case's species is not CO2, which is what towers of this format measure.
    InputError
        When a pattern matches no file, or the registry does not know the tower so. A file that cannot be used is set
        aside.
    """
    gas = SPECIES[settings.case.species]
    if settings.sinks and gas.name != "co2":
        raise ConfigError(
            "sinks measure co2",
            got=gas.name,
            remedy="remove the sections sinks, or correct case.species",
            where="sinks",
        )
    rules = read_rules(settings, root)
    parts: list[pd.DataFrame] = []
    accounts: list[Account] = []
    for feed in settings.sinks:
        paths = sorted({path for pattern in feed.files for path in expand(root, pattern)})
        hours, told = _read_feed(paths, feed, gas, registry, rules, settings.case.observation_hours.bounds, root)
        parts += [hours] if len(hours) else []
        accounts += told
    joined = pd.concat(parts, ignore_index=True) if parts else _NOTHING
    ordered = joined.sort_values(["time", "station"], kind="stable")
    columns = {name: ordered[name].to_numpy().astype(np.dtype(kind)) for name, kind in _KINDS.items()}
    bare = xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})
    return label(bare, "flux_observations"), accounts


_KINDS = (
    {"time": "datetime64[ns]", "flag": "uint32"}
    | dict.fromkeys(("value", "uncertainty", "lon", "lat", "height", "radius"), "float64")
    | dict.fromkeys(("station", "platform", "sector"), "U")
)
_NOTHING = pd.DataFrame({name: [] for name in _KINDS})


def random_error(value: np.ndarray, law: tuple[float, float]) -> np.ndarray:
    """Return the one-sigma random error of fluxes, which grows with their size (Richardson et al. 2006).

    Parameters
    ----------
    value : (row,)
        umol m-2 s-1.
    law
        Of a flux of zero, umol m-2 s-1; and per size of the flux.

    References
    ----------
    Richardson et al. 2006, Agricultural and Forest Meteorology 136, 1-18.

    Examples
    --------
    >>> random_error(np.array([-10.0, 5.0]), (1.0, 0.2)).tolist()
    [3.0, 2.0]
    """
    return law[0] + law[1] * np.abs(value)


def _read_feed(
    paths: list[Path],
    feed: SinkSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    window: tuple[np.datetime64, np.datetime64],
    root: Path,
) -> tuple[pd.DataFrame, list[Account]]:
    """Return the hours of one tower, and one account per file."""
    facts = _facts(feed, gas, registry, window)
    own = rules_of(rules, _NET, _SINK, feed.id, where=f"sink {feed.id}")
    names: list[str] = []
    said: list[FluxRows] = []
    frames: list[pd.DataFrame] = []
    refused: list[Account] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            one = fluxnet.read(path, feed)
            frame = _frame(one, feed, gas, facts, own, where=name)
            if said and one.interval != said[0].interval:
                raise TimeError(
                    f"the files of a tower must have one averaging interval, that of the first: {said[0].interval}",
                    got=str(one.interval),
                    remedy="leave one kind out",
                    where=name,
                )
        except InputError as error:
            refused.append(Refused(path, name, error).account(feed.id, gas.name, feed.height))
            continue
        names.append(name)
        said.append(one)
        frames.append(frame.assign(source=len(frames)))
    if not frames:
        return _NOTHING, refused
    table = pd.concat(frames, ignore_index=True)
    table = table.sort_values(["time", "source"], kind="stable", na_position="last", ignore_index=True)
    _settle(table, window, own)
    hours = _hours(table)
    hours = hours.assign(
        station=feed.id,
        platform=facts.station_class,
        lon=facts.lon,
        lat=facts.lat,
        height=feed.height,
        radius=1000.0 * feed.radius,
        sector=feed.sector,
    )
    told = [_account(table, hours, number, names[number], one, feed, gas) for number, one in enumerate(said)]
    return hours, sorted(told + refused, key=lambda account: account.source)


def _facts(
    feed: SinkSettings, gas: Species, registry: pd.DataFrame, window: tuple[np.datetime64, np.datetime64]
) -> Station:
    """Return the registry's facts about a tower, the same at both ends of the window."""
    where = f"sink {feed.id}"
    last = window[1] - np.timedelta64(1, "ns")
    try:
        first, then = (station_meta.find(registry, feed.id, when) for when in (window[0], last))
    except StationMetaError as error:
        raise registry_error(error) from error
    if (first.lon, first.lat, first.zone) != (then.lon, then.lat, then.zone):
        raise RegistryError(
            "a tower must stay in its place and zone over the observation hours",
            got="two periods of the station table",
            remedy="choose observation hours within one",
            where=where,
        )
    if gas.name not in first.species:
        raise RegistryError(
            "the tower must measure the species",
            got=f"{gas.name}, not in {list(first.species)}",
            remedy="correct the station table",
            where=where,
        )
    # a table may not know how high the instruments stand
    if first.inlets and feed.height not in first.inlets:
        raise RegistryError(
            "height must be one of the station's",
            got=f"{feed.height:g} m, not in {list(first.inlets)}",
            remedy="correct height, or the station table",
            where=where,
        )
    return first


def _frame(
    said: FluxRows, feed: SinkSettings, gas: Species, facts: Station, rules: QualityRules, *, where: str
) -> pd.DataFrame:
    """Return one file's rows in UTC and the species' own unit, judged by themselves."""
    factor, _ = flux_factor(fluxnet.UNIT, gas, where=where)
    sigma = np.where(said.uncertainty > 0, said.uncertainty, random_error(said.value, feed.random_error))
    bits = range_bits(said.value, rules)
    bits[np.isnan(said.value)] |= np.uint32(Flag.MISSING)
    measured = np.isin(said.quality, feed.accepted)
    kind = Flag.GAP_FILLED if feed.quality_means == "filling" else Flag.LOW_TURBULENCE
    has = np.isfinite(said.value)
    bits[has & ~measured] |= np.uint32(kind)
    # calm air, or nobody knows: a comparison with NaN is false
    bits[has & ~(said.friction >= feed.friction_least)] |= np.uint32(Flag.LOW_TURBULENCE)
    return pd.DataFrame(
        {
            "time": _utc_start(said, facts, where),
            "value": said.value * factor,
            "sigma": sigma * factor,
            "bits": bits,
            "reason": pd.Series(said.reason, dtype=object),
            "share": float(said.interval / HOUR),
        }
    )


def _utc_start(said: FluxRows, facts: Station, where: str) -> np.ndarray:
    """Return the start of each row in UTC, from the standard time of the station's zone."""
    marks = said.marks or facts.hour_label
    if facts.zone is None or marks is None:
        raise RegistryError(
            "zone and hour_label of the tower must be known",
            got="the station table has none",
            remedy="add them to it",
            where=where,
        )
    halves = {"start": 0, "centre": 1, "end": 2}[marks]
    out = said.label - halves * (said.interval.astype("timedelta64[ns]") // 2)
    years = out.astype("datetime64[Y]")
    for year in np.unique(years[~np.isnat(years)]):
        out[years == year] -= standard_offset(facts.zone, int(year.astype(np.int64)) + 1970, where=where)
    known = out[~np.isnat(out)]
    odd = (known - known.astype("datetime64[h]")) % said.interval != np.timedelta64(0)
    if odd.any():
        raise TimeError(
            f"rows must begin at whole multiples of {said.interval} within an hour of UTC",
            got=str(known[odd][0]),
            remedy="check zone and hour_label of the station table",
            where=where,
        )
    return np.asarray(out)


def _settle(table: pd.DataFrame, window: tuple[np.datetime64, np.datetime64], rules: QualityRules) -> None:
    """Fill in reasons and bits of rows by comparing them with each other, and with the window."""
    reason, bits = table["reason"].to_numpy(dtype=object).copy(), table["bits"].to_numpy(dtype=np.uint32).copy()
    time = table["time"].to_numpy()
    # values that were filled in stand between no two measured ones
    measured = np.flatnonzero((reason == "") & ((bits & np.uint32(Flag.MISSING | Flag.GAP_FILLED)) == 0))
    measured = (
        measured[np.concatenate([[True], np.diff(time[measured]) > np.timedelta64(0)])] if measured.size else measured
    )
    interval = np.timedelta64(round(3600 * float(table["share"].iloc[0])), "s")
    stuck = flat_line(time[measured], table["value"].to_numpy()[measured], interval, rules)
    bits[measured[stuck]] |= np.uint32(Flag.FLAT_LINE)
    reason[(reason == "") & ((time < window[0]) | (time >= window[1]))] = OUTSIDE
    kept = table.loc[reason == "", ["time", "value"]]
    several = kept.groupby("time")["value"].transform("nunique", dropna=False)
    bits[kept.index[several > 1]] |= np.uint32(Flag.DUPLICATE)
    reason[kept.index[kept["time"].duplicated() & (several == 1)]] = DUPLICATE
    table["reason"], table["bits"] = reason, bits


def _hours(table: pd.DataFrame) -> pd.DataFrame:
    """Return the hours with any row; name in the table what keeps a row out of its hour's mean.

    Returns
    -------
    time, value (mean of the good rows), uncertainty (rows err each by itself), flag, and the source of the first row.
    """
    inside = table[table["reason"] == ""]
    bits = inside["bits"].to_numpy(dtype=np.uint32).copy()
    refused = np.zeros(bits.size, dtype=bool)
    reason = np.full(bits.size, "", dtype=object)
    for bit, text in _REFUSED:
        mask = (bits & np.uint32(bit)) != 0
        reason[mask & ~refused] = text
        refused |= mask
    hour, at = np.unique(inside["time"].to_numpy().astype("datetime64[h]"), return_inverse=True)
    good = at[~refused]
    number = np.bincount(good, minlength=hour.size)
    covered = np.bincount(good, weights=inside["share"].to_numpy()[~refused], minlength=hour.size)
    total = np.bincount(good, weights=inside["value"].to_numpy()[~refused], minlength=hour.size)
    squares = np.bincount(good, weights=inside["sigma"].to_numpy()[~refused] ** 2, minlength=hour.size)
    flag = np.zeros(hour.size, dtype=np.uint32)
    # that one of two rows is missing is incompleteness; that all are is that the hour is missing
    np.bitwise_or.at(flag, at, bits & ~np.uint32(Flag.MISSING))
    flag[covered < 1.0] |= np.uint32(Flag.INCOMPLETE)
    empty = np.bincount(at, weights=(bits & np.uint32(Flag.MISSING)) == 0, minlength=hour.size) == 0
    flag[empty] |= np.uint32(Flag.MISSING)
    bits[~refused & (covered < 1.0)[at]] |= np.uint32(Flag.INCOMPLETE)
    table.loc[inside.index, "reason"], table.loc[inside.index, "bits"] = reason, bits
    with np.errstate(divide="ignore", invalid="ignore"):
        value, uncertainty = total / number, np.sqrt(squares) / number
    first = inside["source"].to_numpy()[np.unique(at, return_index=True)[1]]
    return pd.DataFrame(
        {
            "time": hour.astype("datetime64[ns]"),
            "value": value,
            "uncertainty": np.where(number > 0, uncertainty, np.nan),
            "flag": flag,
            "source": first,
        }
    )


def _account(
    table: pd.DataFrame, hours: pd.DataFrame, number: int, name: str, said: FluxRows, feed: SinkSettings, gas: Species
) -> Account:
    """Return the account of one file."""
    mine = table[table["source"] == number]
    flag = hours.loc[hours["source"] == number, "flag"].to_numpy(dtype=np.uint32)
    return Account(
        source=name,
        station=feed.id,
        species=gas.name,
        height=feed.height,
        rows_read=len(mine),
        rows=account.count_rows(mine["reason"].to_numpy(dtype=object), mine["bits"].to_numpy(dtype=np.uint32)),
        hours=int(flag.size),
        hours_usable=account.count_usable(flag),
        flags=account.count_flags(flag),
        notes=said.notes,
    )
