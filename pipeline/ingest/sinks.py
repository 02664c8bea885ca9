"""Sink stations in, "flux_observations" out: hourly fluxes measured at towers, and an account of every row.

A value that was filled in is never an observation, and one in calm air is none either, for the flux then leaves by
other ways than past the instruments (docs/sinks.md). An hour needs all its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, InputError, RegistryError
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.feeds import known_hours
from pipeline.ingest.files import expand
from pipeline.ingest.flux_rows import Accepted, interval_faults, joined, judge_neighbours, rows_of
from pipeline.ingest.formats import fluxnet
from pipeline.ingest.formats.fluxnet import FluxColumns, FluxRows
from pipeline.ingest.quarantine import Refused
from pipeline.ingest.registry import read_rules
from pipeline.ingest.rows import CONFLICT, DUPLICATE, MISSING_VALUE, OUTSIDE, Known, inside
from pipeline.ingest.tower import tower_facts, tower_rules
from pipeline.schema import Flag, label
from pipeline.settings import Settings, SinkSettings
from pipeline.units import SPECIES, Species, flux_factor
from station_meta import QualityRules, Rules, SinkRules, Station

#: bits of a row that keep it out of the mean, and what the account calls them, first first
_REFUSED = (
    (Flag.MISSING, MISSING_VALUE),
    (Flag.DUPLICATE, CONFLICT),
    (Flag.GAP_FILLED, "gap-filled"),
    (Flag.RANGE_FAIL, "range fail"),
    (Flag.FLAT_LINE, "flat line"),
    (Flag.LOW_TURBULENCE, "low turbulence"),
    (Flag.SPIKE, "spike"),
)


@dataclass(frozen=True, eq=False)
class Tower:
    """What a tower's files hold, judged.

    Parameters
    ----------
    settings
        The feed.
    rows
        Of all files that can be used: those of `pipeline.ingest.flux_rows`, with why one is not in its hour's mean.
    hours
        Made of them: time, value, uncertainty, flag, source.
    facts
        Of the registry.
    rules, sink
        Thresholds of the tower.
    accounts
        One per file, by name; of a file that cannot be used, why.
    """

    settings: SinkSettings
    rows: pd.DataFrame
    hours: pd.DataFrame
    facts: Station
    rules: QualityRules
    sink: SinkRules
    accounts: list[Account]


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
    ConfigError, InputError
        As `judge_sinks`.
    """
    towers = judge_sinks(settings, root, registry)
    parts = [tower.hours for tower in towers if len(tower.hours)]
    table = pd.concat(parts, ignore_index=True) if parts else _NOTHING
    ordered = table.sort_values(["time", "station"], kind="stable")
    columns = {name: ordered[name].to_numpy().astype(np.dtype(kind)) for name, kind in _KINDS.items()}
    bare = xr.Dataset(
        {name: ("obs", values) for name, values in columns.items()}, attrs={"species": settings.case.species}
    )
    return label(bare, "flux_observations"), [told for tower in towers for told in tower.accounts]


def judge_sinks(settings: Settings, root: Path, registry: pd.DataFrame) -> list[Tower]:
    """Return the towers of a case, judged, in the order of the settings.

    Parameters
    ----------
    settings, root, registry
        As `read_sinks`.

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
    rules = read_rules(settings, root, registry)
    towers = []
    for feed in settings.sinks:
        paths = sorted({path for pattern in feed.files for path in expand(root, pattern)})
        window, known = settings.case.observation_hours.bounds, known_hours(settings)
        towers.append(_read_feed(paths, feed, gas, registry, rules, window, root, known))
    return towers


_KINDS = (
    {"time": "datetime64[ns]", "flag": "uint32"}
    | dict.fromkeys(("value", "uncertainty", "lon", "lat", "height", "radius"), "float64")
    | dict.fromkeys(("station", "platform", "sector"), "U")
)
_NOTHING = pd.DataFrame({name: [] for name in _KINDS})
_NO_ROWS = pd.DataFrame({name: [] for name in ("time", "value", "bits", "reason", "share")})


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
    known: Known = None,
) -> Tower:
    """Return one tower."""
    facts = facts_of(feed, gas, registry, window)
    own, sink = tower_rules(rules, feed.id)
    read: list[tuple[Path, str, FluxRows, pd.DataFrame]] = []
    refused: list[Account] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            one, frame = tower_rows(path, name, feed, facts, rules)
        except InputError as error:
            refused.append(Refused(path, name, error).account(feed.id, gas.name, feed.height))
            continue
        read.append((path, name, one, frame))
    if not read:
        return Tower(feed, _NO_ROWS, _NOTHING, facts, own, sink, refused)
    faults = interval_faults([one[2] for one in read], [one[1] for one in read])
    refused += [
        Refused(path, name, fault).account(feed.id, gas.name, feed.height)
        for (path, name, *_), fault in zip(read, faults, strict=True)
        if fault is not None
    ]
    read = [one for one, fault in zip(read, faults, strict=True) if fault is None]
    try:
        table = inside(joined([one[3] for one in read]), known, where=f"sink {feed.id}")
    except InputError as error:
        refused += [Refused(path, name, error).account(feed.id, gas.name, feed.height) for path, name, *_ in read]
        return Tower(feed, _NO_ROWS, _NOTHING, facts, own, sink, refused)
    judge_neighbours(table, own, sink)
    _judge_friction(table, feed)
    _settle(table, window)
    _to_own_unit(table, feed, gas)
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
    told = [_account(table, hours, number, name, one, feed, gas) for number, (_, name, one, _) in enumerate(read)]
    return Tower(feed, table, hours, facts, own, sink, sorted(told + refused, key=lambda account: account.source))


def tower_rows(
    path: Path, name: str, feed: SinkSettings, facts: Station, rules: Rules
) -> tuple[FluxRows, pd.DataFrame]:
    """Return what a tower's file says, and its rows judged by themselves, as `rows_of` gives them.

    Parameters
    ----------
    path, name
        The file, and what messages call it.
    feed
        How it is read.
    facts, rules
        Of `facts_of` and the thresholds.

    Raises
    ------
    InputError
        When it cannot be used.
    """
    columns = FluxColumns(
        feed.variable, feed.quality, feed.friction, uncertainty=feed.uncertainty, radiation=feed.radiation
    )
    otherwise = Flag.GAP_FILLED if feed.quality_means == "filling" else Flag.LOW_TURBULENCE
    accepted = Accepted(tuple(feed.accepted), tuple(feed.accepted_night), otherwise)
    said = fluxnet.read(path, columns)
    return said, rows_of(said, facts, accepted, *tower_rules(rules, feed.id), where=name)


def facts_of(
    feed: SinkSettings, gas: Species, registry: pd.DataFrame, window: tuple[np.datetime64, np.datetime64]
) -> Station:
    """Return the registry's facts about a tower in the hours [start, end), which must be those of the settings.

    Raises
    ------
    RegistryError
        When they are not.
    """
    where = f"sink {feed.id}"
    first = tower_facts(feed.id, registry, (window[0], window[1] - np.timedelta64(1, "ns")))
    if gas.name not in first.species:
        raise RegistryError(
            "the tower must measure the species",
            got=f"{gas.name}, not in {list(first.species)}",
            remedy="correct the station table",
            where=where,
        )
    if first.zone is None:
        raise RegistryError(
            "the zone of a tower must be known",
            got="the station table has none",
            remedy="add it to it",
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


def _judge_friction(table: pd.DataFrame, feed: SinkSettings) -> None:
    """Fill in the bits of fluxes in calm air."""
    bits = table["bits"].to_numpy(dtype=np.uint32).copy()
    # or nobody knows: a comparison with NaN is false
    calm = ~(table["friction"].to_numpy() >= feed.friction_least)
    bits[np.isfinite(table["value"].to_numpy()) & calm] |= np.uint32(Flag.LOW_TURBULENCE)
    table["bits"] = bits


def _settle(table: pd.DataFrame, window: tuple[np.datetime64, np.datetime64]) -> None:
    """Fill in reasons and bits of rows by comparing their times with each other, and with the window."""
    reason, bits = table["reason"].to_numpy(dtype=object).copy(), table["bits"].to_numpy(dtype=np.uint32).copy()
    time = table["time"].to_numpy()
    reason[(reason == "") & ((time < window[0]) | (time >= window[1]))] = OUTSIDE
    kept = table.loc[reason == "", ["time", "value"]]
    several = kept.groupby("time")["value"].transform("nunique", dropna=False)
    bits[kept.index[several > 1]] |= np.uint32(Flag.DUPLICATE)
    reason[kept.index[kept["time"].duplicated() & (several == 1)]] = DUPLICATE
    table["reason"], table["bits"] = reason, bits


def _to_own_unit(table: pd.DataFrame, feed: SinkSettings, gas: Species) -> None:
    """Convert fluxes to the species' own unit, and give each its error: as stated, or else by the feed's law."""
    factor, _ = flux_factor(fluxnet.UNIT, gas, where=f"sink {feed.id}")
    value, stated = table["value"].to_numpy(), table["stated"].to_numpy()
    table["sigma"] = factor * np.where(stated > 0, stated, random_error(value, feed.random_error))
    table["value"] = factor * value


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
    rows = mine["reason"].to_numpy(dtype=object), mine["bits"].to_numpy(dtype=np.uint32)
    return account.account_of(name, feed.id, gas.name, feed.height, rows, flag, said.notes)
