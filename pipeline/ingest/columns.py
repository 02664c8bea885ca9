"""Satellite columns in: "observations" of soundings, and the receptors whose particles stand for their columns.

Layout "openmethane": one sounding a row of dim `obs`, as the Open Methane project prepares TROPOMI's level 2. What its
files do not say, and what it is here taken to be:

- `averaging_kernel` (obs, ak_layer) has the top of the atmosphere first, as TROPOMI's level 2 has; the layers are
  equally thick in pressure from the ground to zero (openmethane/openmethane, scripts/obs_preprocess/
  tropomi_methane_preprocess.py: levels are multiples of `pressure_interval`, zero first). In the files of December
  2022 over Queensland the kernel rises from 0.69 in the first layer to 1.06 in the last, as methane's does downward.
- `model_pweight` and `model_vis` are the pressure weights of another model's layers, ground first, and are not read; in
  those files both are the same numbers, so the second does not hold the kernel.
- `unc` has no unit there and is taken in the unit of the mole fraction.
- `time` is in whole seconds of UTC.
- No prior profile. The modelled column is background + sum_l w_l A_l H_l f, w pressure weight, A kernel, H footprint of
  the layer, f flux: what the kernel does not see, and what lies above the release, comes from the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, FormatError, UnitError
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.files import expand
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.ingest.quality import Limits, range_bits
from pipeline.ingest.rows import OUTSIDE
from pipeline.schema import SATELLITE, Flag, label
from pipeline.settings import ColumnSettings, Settings
from pipeline.units import SPECIES, Species, mole_fraction_factor

#: plausible column means, species unit: wider below than at the ground, for the stratosphere holds less. Our proposal
LIMITS = {"ch4": Limits(fail=(1500.0, 2500.0), suspect=(1650.0, 2100.0))}
NO_POSITION = "no position on the globe"
AGAIN = "duplicate sounding, same value"
_DIMS = dict.fromkeys(("time", "unc", "qa", "lat", "lon"), ("obs",)) | {"averaging_kernel": ("obs", "ak_layer")}
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
            frame, kernel, remarks = _read_openmethane(path, feed, gas)
            frame["source"] = len(sources)
            frames.append(frame)
            kernels.append(kernel)
            edges.append(np.tile(np.linspace(1.0, 0.0, kernel.shape[1] + 1), (len(frame), 1)))
            sources.append((path.relative_to(root).as_posix(), feed))
            notes += [remark for remark in remarks if remark not in notes]
    table, kernel, edge = pd.concat(frames, ignore_index=True), _stacked(kernels), _stacked(edges)
    _judge(table, kernel, settings, LIMITS[gas.name])
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


def _read_openmethane(
    path: Path, feed: ColumnSettings, gas: Species
) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return one file's soundings, their kernels (sounding, layer) from the ground up, and remarks on the layout."""
    name = f"x{gas.name}"
    with open_netcdf(path) as data:
        for key, dims in {name: ("obs",), **_DIMS}.items():
            if key not in data.variables or data[key].dims != dims:
                raise FormatError(
                    f"an openmethane file must hold {key} with dims {dims}",
                    got=data[key].dims if key in data.variables else sorted(map(str, data.variables)),
                    remedy="correct columns.format, columns.files or case.species",
                    where=path.name,
                )
        unit, of_error = data[name].attrs.get("units"), data["unc"].attrs.get("units")
        if not unit:
            raise UnitError(
                "a mole fraction must have a unit", remedy="add units to the file", where=f"{path.name}: {name}"
            )
        factor = mole_fraction_factor(str(unit), gas, where=f"{path.name}: {name}")
        error = mole_fraction_factor(str(of_error or unit), gas, where=f"{path.name}: unc")
        numbers = {key: data[key].values.astype(np.float64) for key in (name, "unc", "qa", "lat", "lon")}
        time = decode_times(data["time"], where=f"{path.name}: time")
        kernel = data["averaging_kernel"].values.astype(np.float64)[:, ::-1]
    frame = pd.DataFrame(
        {
            "time": time,
            "value": numbers[name] * factor,
            "uncertainty": numbers["unc"] * error,
            "quality": numbers["qa"],
            "lon": numbers["lon"],
            "lat": numbers["lat"],
            "least": feed.quality,
            "height": feed.top,
            "station": sounding_ids(feed.id, time, numbers["lon"], numbers["lat"]),
        }
    )
    _check_unit(frame["value"].to_numpy(), LIMITS[gas.name], where=f"{path.name}: {name}")
    remarks = (
        f"{feed.id}: the files hold no prior profile: a modelled column is its background plus the fluxes' share of it "
        f"by averaging kernel and pressure weight below {feed.top:g} m",
    )
    unstated = f"{feed.id}: unc states no unit and is taken in {unit}, the unit of {name}"
    return frame, kernel, remarks if of_error else (*remarks, unstated)


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


def _judge(table: pd.DataFrame, kernel: np.ndarray, settings: Settings, limits: Limits) -> None:
    """Add `reason`, why a sounding is left out, and `bits`, the quality bits of one that is kept."""
    time, value, lon, lat = (table[key].to_numpy() for key in ("time", "value", "lon", "lat"))
    start, end = settings.case.observation_hours.bounds
    reason = np.full(len(table), "", dtype=object)
    # a comparison with NaN is false
    reason[~((np.abs(lat) <= 90.0) & (lon >= -180.0) & (lon <= 360.0))] = NO_POSITION
    reason[(time < start) | (time >= end)] = OUTSIDE
    usable = np.isfinite(value) & (table["uncertainty"] > 0) & np.isfinite(kernel).all(axis=1)
    usable &= np.isfinite(table["quality"])
    bits = range_bits(value, limits)
    bits[~usable.to_numpy()] |= np.uint32(Flag.MISSING)
    bits[(table["quality"] < table["least"]).to_numpy()] |= np.uint32(Flag.INSTRUMENT)
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
        "scale": np.full(size, ""),
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
