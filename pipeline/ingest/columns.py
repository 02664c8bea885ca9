"""Satellite columns in: "observations" of soundings, and the receptors whose particles stand for their columns.

One module a layout reads the files (`column_openmethane`, `column_levels`); what all share stands here. The modelled
column is prior_part + kernel_sum * background + sum_l w_l A_l H_l f, w pressure weight, A kernel, H footprint of the
layer, f flux; what lies above the release is taken to hold no flux of the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, UnitError
from pipeline.ingest import account, column_openmethane
from pipeline.ingest.account import Account
from pipeline.ingest.column_levels import read_ghg_cci, read_oco2_lite
from pipeline.ingest.files import expand
from pipeline.ingest.quality import Limits, range_bits
from pipeline.ingest.rows import OUTSIDE
from pipeline.ingest.soundings import Soundings
from pipeline.schema import SATELLITE, Flag, label
from pipeline.settings import ColumnSettings, Settings
from pipeline.units import SPECIES, Species

READERS: dict[str, Callable[[Path, ColumnSettings, Species], Soundings]] = {
    "openmethane": column_openmethane.read,
    "oco2-lite": read_oco2_lite,
    "ghg-cci": read_ghg_cci,
}
#: plausible column means, species unit: wider below than at the ground, for the stratosphere holds less. CO2 stood at
#: 395 ppm when OCO-2 began. Our proposal
LIMITS = {
    "ch4": Limits(fail=(1500.0, 2500.0), suspect=(1650.0, 2100.0)),
    "co2": Limits(fail=(370.0, 480.0), suspect=(385.0, 450.0)),
}
NO_POSITION = "no position on the globe"
AGAIN = "duplicate sounding, same value"
#: a typical column further than this factor from the plausible ones is a wrong unit, not odd air
_UNIT_RATIO = 10.0


def read_columns(settings: Settings, root: Path) -> tuple[xr.Dataset, xr.Dataset, list[Account], list[str]]:
    """Return the soundings of a case, their receptors, and what became of every sounding of the files.

    Parameters
    ----------
    settings
        The case; `columns` names the files, at least one.
    root
        Folder of the input paths.

    Returns
    -------
    observations
        Dataset "observations" of `pipeline.schema`, sorted by time to the second, then station. The station is the
        sounding's id, `sounding_ids`; the time is the hour the sounding lies in; the height is `columns.top`. Soundings
        of low quality or implausible value are in it, flagged; those outside the observation hours are not.
    receptors
        Dataset "receptors", row for row the soundings: instants to the second, with kernel and layer edges from the
        ground up. Of instruments with fewer layers than others, the spare layers are of no thickness, at the top.
    accounts
        One per file, in the order of the settings and then of the names. A sounding stands as an hour of its own.
    notes
        What was taken for granted about the files.

    Raises
    ------
    ConfigError
        For a gas whose plausible columns are not declared.
    InputError
        One of its kinds, naming file, rule, value and remedy.
    """
    gas = SPECIES[settings.case.species]
    if gas.name not in LIMITS:
        raise ConfigError(
            f"plausible columns of {gas.name} must be declared",
            got=[feed.id for feed in settings.columns],
            remedy=f"columns of {', '.join(LIMITS)} can be read",
            where="columns",
        )
    frames, kernels, edges = [], [], []
    sources: list[tuple[str, ColumnSettings]] = []
    notes: list[str] = []
    for feed in settings.columns:
        for path in sorted({path for pattern in feed.files for path in expand(root, pattern)}):
            said = READERS[feed.format](path, feed, gas)
            _check_unit(said.value, LIMITS[gas.name], where=f"{path.name}: x{gas.name}")
            frames.append(_frame(said, feed).assign(source=len(sources)))
            kernels.append(said.kernel)
            edges.append(said.edge)
            sources.append((path.relative_to(root).as_posix(), feed))
            notes += [remark for remark in said.remarks if remark not in notes]
    table, kernel, edge = pd.concat(frames, ignore_index=True), _stacked(kernels), _stacked(edges)
    _judge(table, settings, LIMITS[gas.name])
    accounts = [
        _account(table[table["source"] == number], name, feed, gas) for number, (name, feed) in enumerate(sources)
    ]
    kept = np.flatnonzero(table["reason"] == "")
    kept = kept[np.lexsort([table[key].to_numpy()[kept] for key in ("value", "station", "time")])]
    rows = table.iloc[kept]
    return _observations(rows, gas), _receptors(rows, kernel[kept], edge[kept], gas), accounts, notes


def sounding_ids(instrument: str, time: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return an id of each sounding from what it is: instrument, second of UTC, latitude and longitude to 0.001 degree.

    Parameters
    ----------
    instrument
        `columns.id` of the settings, which has no hyphen: it is what stands before the first one.
    time : (obs,) datetime64
        UTC.
    lon, lat : (obs,) float64
        Centres, degrees; whole turns of longitude make no difference.

    Examples
    --------
    >>> time = np.array(["2022-12-07T03:44:25"], dtype="datetime64[ns]")
    >>> sounding_ids("TROPOMI", time, np.array([148.6319]), np.array([-23.6792])).tolist()
    ['TROPOMI-20221207T034425-23.679+148.632']
    """
    # adding zero turns -0.0 into 0.0, which prints with the other sign
    east = (np.round(lon, 3) + 180.0) % 360.0 - 180.0 + 0.0
    north = np.round(lat, 3) + 0.0
    second = np.char.replace(np.char.replace(np.datetime_as_string(time, unit="s"), "-", ""), ":", "")
    parts = zip(second, north, east, strict=True)
    return np.array([f"{instrument}-{s}{y:+07.3f}{x:+08.3f}" for s, y, x in parts], dtype=np.str_)


def _frame(said: Soundings, feed: ColumnSettings) -> pd.DataFrame:
    """Return what a file says sounding by sounding, without its layers."""
    return pd.DataFrame(
        {
            "time": said.time,
            "value": said.value,
            "uncertainty": said.uncertainty,
            "lon": said.lon,
            "lat": said.lat,
            "complete": said.complete & np.isfinite(said.value) & (said.uncertainty > 0),
            "rejected": said.rejected,
            "height": feed.top,
            "prior_part": said.prior_part,
            "kernel_sum": said.kernel_sum,
            "scale": said.scale,
            "station": sounding_ids(feed.id, said.time, said.lon, said.lat),
        }
    )


def _check_unit(value: np.ndarray, limits: Limits, *, where: str) -> None:
    """Raise when the typical value is no column of this gas at all."""
    finite = value[np.isfinite(value)]
    low, high = limits.fail
    if finite.size and not low / _UNIT_RATIO <= np.median(finite) <= high * _UNIT_RATIO:
        raise UnitError(
            f"the typical value must be near air, {low:g} to {high:g}",
            got=float(f"{np.median(finite):.6g}"),
            remedy="the unit stated is not the unit written; correct the file",
            where=where,
        )


def _judge(table: pd.DataFrame, settings: Settings, limits: Limits) -> None:
    """Add `reason`, why a sounding is left out, and `bits`, the quality bits of one that is kept."""
    time, value, lon, lat = (table[key].to_numpy() for key in ("time", "value", "lon", "lat"))
    start, end = settings.case.observation_hours.bounds
    reason = np.full(len(table), "", dtype=object)
    # a comparison with NaN is false
    reason[~((np.abs(lat) <= 90.0) & (lon >= -180.0) & (lon <= 360.0))] = NO_POSITION
    reason[(time < start) | (time >= end)] = OUTSIDE
    bits = range_bits(value, limits)
    bits[~table["complete"].to_numpy()] |= np.uint32(Flag.MISSING)
    bits[table["rejected"].to_numpy()] |= np.uint32(Flag.INSTRUMENT)
    kept = table.loc[reason == "", ["station", "value"]]
    spread = kept.groupby("station")["value"].transform("nunique", dropna=False)
    conflict = kept.index[spread > 1]
    again = kept.index[kept.duplicated("station") & (spread == 1)]
    reason[again] = AGAIN
    # two numbers for one sounding: neither is to be trusted
    bits[conflict] |= np.uint32(Flag.DUPLICATE)
    table["reason"], table["bits"] = reason, bits


def _stacked(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Return blocks (row, layer) one under the other; the last column of narrower ones is repeated."""
    width = max(block.shape[1] for block in blocks)
    return np.concatenate([np.pad(block, ((0, 0), (0, width - block.shape[1])), mode="edge") for block in blocks])


def _account(rows: pd.DataFrame, name: str, feed: ColumnSettings, gas: Species) -> Account:
    """Return the account of one file."""
    reason, bits = rows["reason"].to_numpy(dtype=object), rows["bits"].to_numpy(dtype=np.uint32)
    flag = bits[reason == ""]
    return Account(
        source=name,
        station=feed.id,
        species=gas.name,
        height=feed.top,
        rows_read=len(rows),
        rows=account.count_rows(reason, bits),
        hours=int(flag.size),
        hours_usable=account.count_usable(flag),
        flags=account.count_flags(flag),
        notes=("a row is a sounding, and stands as an hour of its own",),
    )


def _observations(rows: pd.DataFrame, gas: Species) -> xr.Dataset:
    size = len(rows)
    columns = {
        "time": rows["time"].to_numpy().astype("datetime64[h]").astype("datetime64[ns]"),
        "value": rows["value"].to_numpy(),
        "uncertainty": rows["uncertainty"].to_numpy(),
        "spread": np.full(size, np.nan),
        "count": np.ones(size, dtype=np.int64),
        "flag": rows["bits"].to_numpy(dtype=np.uint32),
        "station": rows["station"].to_numpy().astype(np.str_),
        "platform": np.full(size, SATELLITE),
        "lon": rows["lon"].to_numpy(),
        "lat": rows["lat"].to_numpy(),
        "height": rows["height"].to_numpy(dtype=np.float64),
        "scale": rows["scale"].to_numpy().astype(np.str_),
        "prior_part": rows["prior_part"].to_numpy(dtype=np.float64),
        "kernel_sum": rows["kernel_sum"].to_numpy(dtype=np.float64),
    }
    bare = xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})
    return label(bare, "observations")


def _receptors(rows: pd.DataFrame, kernel: np.ndarray, edge: np.ndarray, gas: Species) -> xr.Dataset:
    bare = xr.Dataset(
        {
            "time": ("obs", rows["time"].to_numpy().astype("datetime64[ns]")),
            "duration": ("obs", np.zeros(len(rows))),
            "station": ("obs", rows["station"].to_numpy().astype(np.str_)),
            **{name: ("obs", rows[name].to_numpy(dtype=np.float64)) for name in ("lon", "lat", "height")},
            "averaging_kernel": (("obs", "layer"), kernel),
            "pressure_edge": (("obs", "layer_edge"), edge),
        },
        attrs={"species": gas.name},
    )
    return label(bare, "receptors")
