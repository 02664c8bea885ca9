"""Columns in: "observations" of soundings, and the receptors whose particles stand for their columns.

The files are read by `column_file`; what all layouts share stands here. The modelled column is prior_part + kernel_sum
* background + sum_l w_l A_l H_l f, w pressure weight, A kernel, H footprint of the layer, f flux; what lies above the
release is taken to hold no flux of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, InputError
from pipeline.grid import Grid, grid_from_settings
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.column_file import read_column_file, read_products
from pipeline.ingest.column_versions import require_one_version, superseded
from pipeline.ingest.files import expand
from pipeline.ingest.nothing import nothing
from pipeline.ingest.quality import range_bits
from pipeline.ingest.quarantine import Refused
from pipeline.ingest.rows import OUTSIDE
from pipeline.ingest.soundings import Soundings, sounding_ids
from pipeline.ingest.superobs import averaged, blocks
from pipeline.ingest.tracks import passes, tracks
from pipeline.schema import SATELLITE, Flag, is_used, label
from pipeline.settings import ColumnSettings, Settings
from pipeline.units import SPECIES, Species
from station_meta import ColumnLimits, Contract, Products

NO_POSITION = "no position on the globe"
AGAIN = "duplicate sounding, same value"
#: what of an observation becomes a column of numbers, as it stands in the table
_NUMBERS = ("value", "uncertainty", "spread", "lon", "lat", "height", "prior_part", "kernel_sum")


def read_columns(
    settings: Settings, root: Path, *, cache: Path | None = None
) -> tuple[xr.Dataset, xr.Dataset, list[Account], list[str]]:
    """Return the soundings of a case, their receptors, and what became of every sounding of the files.

    Parameters
    ----------
    settings
        The case; `columns` names the files, at least one.
    root
        Folder of the input paths.
    cache
        Folder of what files held that were read before; it changes nothing.

    Returns
    -------
    observations
        Dataset "observations" of `pipeline.schema`, sorted by time to the second, then station. The station is the
        sounding's id, `sounding_ids`; the time is the hour the sounding lies in; the height is `columns.top`. Soundings
        of low quality or implausible value, and those of a superseded edition, are in it, flagged; those outside the
        grid or the observation hours are not. With `columns.superobs_cells`, those that are used are averaged.
    receptors
        Dataset "receptors", row for row the soundings: instants to the second, with kernel and layer edges from the
        ground up. Of instruments with fewer layers than others, the spare layers are of no thickness, at the top.
    accounts
        One per file, in the order of the settings and then of the names; of a file that cannot be used, why. A sounding
        stands as an hour of its own.
    notes
        What was taken for granted about the files, and what was averaged.

    Raises
    ------
    ConfigError
        For a gas whose plausible columns are not declared, or files of two versions of one product.
    InputError
        When a pattern matches no file. A file that cannot be used is set aside.
    """
    gas, products = SPECIES[settings.case.species], read_products()
    limits, grid = _limits(products, gas, [feed.id for feed in settings.columns]), grid_from_settings(settings.grid)
    sources: list[tuple[str, ColumnSettings, Contract]] = []
    said: list[Soundings] = []
    refused: list[Account] = []
    for feed in settings.columns:
        for path in sorted({path for pattern in feed.files for path in expand(root, pattern)}):
            name = path.relative_to(root).as_posix()
            try:
                found = read_column_file(path, feed, gas, settings.grid, cache=cache)
            except InputError as error:
                refused.append(Refused(path, name, error).account(feed.id, gas.name, feed.top))
                continue
            sources.append((name, feed, found.contract))
            said.append(found.soundings)
    along = any(feed.correlated_share > 0 for feed in settings.columns)
    if not said:
        return *_nothing(gas, along=along), refused, []
    require_one_version([(name, one.identity) for (name, _, _), one in zip(sources, said, strict=True)])
    table = pd.concat(
        [_frame(one, feed, contract).assign(source=number)
         for number, (one, (_, feed, contract)) in enumerate(zip(said, sources, strict=True))],
        ignore_index=True,
    )  # fmt: skip
    for feed in settings.columns:
        mine = [number for number, (_, other, _) in enumerate(sources) if other is feed]
        old = superseded([(said[number].identity, said[number].native) for number in mine])
        table.loc[table["source"].isin(np.array(mine)[old]), "superseded"] = True
    _judge(table, limits, settings.case.observation_hours.bounds)
    accounts = [
        _account(table[table["source"] == number], one.left_out, name, feed, gas)
        for number, (one, (name, feed, _)) in enumerate(zip(said, sources, strict=True))
    ]
    place = {feed.id: number for number, feed in enumerate(settings.columns)}
    accounts = sorted(accounts + refused, key=lambda told: (place[told.station], told.source))
    notes = list(dict.fromkeys(remark for one in said for remark in (_remark(one), *one.remarks)))
    layers = _stacked([one.kernel for one in said]), _stacked([one.edge for one in said])
    kept = np.flatnonzero(table["reason"] == "")
    rows, kernel, edge, told = _superobserved(
        table.iloc[kept], layers[0][kept], layers[1][kept], sources, grid, products
    )
    rows = rows.assign(**_tracked(rows, sources, products))
    order = np.lexsort([rows[key].to_numpy() for key in ("value", "station", "time")])
    rows = rows.iloc[order]
    return (
        _observations(rows, gas, along=along),
        _receptors(rows, kernel[order], edge[order], gas),
        accounts,
        notes + told,
    )


def inspect_columns(
    path: Path, feed: ColumnSettings, gas: Species, box: tuple[float, float, float, float] | None = None
) -> tuple[Account, list[str]]:
    """Return what becomes of every sounding of one file, and what was taken for granted about it.

    Parameters
    ----------
    path
        The file.
    feed
        How it is read.
    box
        West, east, south, north of the soundings to read, degrees; all when not given.

    Raises
    ------
    ConfigError, InputError
        When the file cannot be used.
    """
    limits = _limits(read_products(), gas, [feed.id])
    found = read_column_file(path, feed, gas, box)
    said = found.soundings
    table = _frame(said, feed, found.contract)
    _judge(table, limits, None)
    return _account(table, said.left_out, path.name, feed, gas), [_remark(said), *said.remarks]


def _limits(products: Products, gas: Species, feeds: list[str]) -> ColumnLimits:
    if gas.name not in products.limits:
        raise ConfigError(
            f"plausible columns of {gas.name} must be declared",
            got=feeds,
            remedy=f"columns of {', '.join(products.limits)} can be read",
            where="columns",
        )
    return products.limits[gas.name]


def _remark(said: Soundings) -> str:
    return f"columns: {said.identity}, {f'on {said.identity.scale}' if said.identity.scale else 'no scale stated'}"


def _frame(said: Soundings, feed: ColumnSettings, contract: Contract) -> pd.DataFrame:
    """Return what a file says sounding by sounding, without its layers."""
    return pd.DataFrame(
        {
            "time": said.time,
            "value": said.value,
            "uncertainty": said.uncertainty,
            "spread": np.nan,
            "count": 1,
            "lon": said.lon,
            "lat": said.lat,
            "complete": said.complete & np.isfinite(said.value) & (said.uncertainty > 0),
            "fault": said.fault,
            "height": feed.top,
            "prior_part": said.prior_part,
            "kernel_sum": said.kernel_sum,
            "scale": said.identity.scale,
            "station": sounding_ids(feed.id, said.time, said.lon, said.lat),
            "superseded": False,
            "held_out": contract.held_out,
        }
    )


def _judge(table: pd.DataFrame, limits: ColumnLimits, hours: tuple[np.datetime64, np.datetime64] | None) -> None:
    """Add `reason`, why a sounding is left out, and `bits`, the quality bits of one that is kept."""
    time, value, lon, lat = (table[key].to_numpy() for key in ("time", "value", "lon", "lat"))
    reason = np.full(len(table), "", dtype=object)
    # a comparison with NaN is false
    reason[~((np.abs(lat) <= 90.0) & (lon >= -180.0) & (lon <= 360.0))] = NO_POSITION
    if hours is not None:
        reason[(time < hours[0]) | (time >= hours[1])] = OUTSIDE
    bits = range_bits(value, limits)
    old = table["superseded"].to_numpy(dtype=bool)
    for mask, flag in (
        (~table["complete"].to_numpy(dtype=bool), Flag.MISSING),
        (table["fault"].to_numpy() != "", Flag.INSTRUMENT),
        (table["held_out"].to_numpy(dtype=bool), Flag.HELD_OUT),
        (old, Flag.SUPERSEDED),
    ):
        bits[mask] |= np.uint32(flag)
    kept = table.loc[(reason == "") & ~old, ["station", "value"]]
    spread = kept.groupby("station")["value"].transform("nunique", dropna=False)
    conflict = kept.index[spread > 1]
    again = kept.index[kept.duplicated("station") & (spread == 1)]
    reason[again] = AGAIN
    # two numbers for one sounding: neither is to be trusted
    bits[conflict] |= np.uint32(Flag.DUPLICATE)
    table["reason"], table["bits"] = reason, bits


def _usable(rows: pd.DataFrame) -> np.ndarray:
    """Return which soundings are used, or would be if they were not held out."""
    return is_used(rows["bits"].to_numpy(dtype=np.uint32) & ~np.uint32(Flag.HELD_OUT))


def _superobserved(
    rows: pd.DataFrame,
    kernel: np.ndarray,
    edge: np.ndarray,
    sources: Sequence[tuple[str, ColumnSettings, Contract]],
    grid: Grid,
    products: Products,
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, list[str]]:
    """Return the soundings with those of feeds with `superobs_cells` averaged, and what was averaged."""
    whole, parts, notes = np.ones(len(rows), dtype=bool), [], []
    kernels, edges = [], []
    for feed, contract in {feed.id: (feed, contract) for _, feed, contract in sources}.values():
        if feed.superobs_cells is None:
            continue
        mine = np.flatnonzero(_usable(rows) & _of(rows, sources, feed))
        if mine.size == 0:
            continue
        used = rows.iloc[mine]
        block = blocks(used["lon"].to_numpy(), used["lat"].to_numpy(), grid, feed.superobs_cells)
        number = passes(used["time"].to_numpy(), products.passes.gap_minutes)
        # of one hour: a window of other hours makes the same of it
        hour = used["time"].to_numpy().astype("datetime64[h]").astype(np.int64)
        _, group = np.unique(np.stack([number, hour, block]), axis=1, return_inverse=True)
        table, its_kernels, its_edges = averaged(
            used, kernel[mine], edge[mine], group.reshape(-1), contract.superobs_correlation
        )
        place = (table[key].to_numpy() for key in ("time", "lon", "lat"))
        parts.append(table.assign(station=sounding_ids(feed.id, *place)))
        kernels += its_kernels
        edges += its_edges
        whole[mine] = False
        notes.append(
            f"{feed.id}: {mine.size} soundings of {number.max() + 1} pass(es) make {len(table)} super-observations"
        )
    alone = np.flatnonzero(whole)
    return (
        pd.concat([rows.iloc[alone], *parts], ignore_index=True) if parts else rows,
        _stacked([kernel[alone], *(values[None, :] for values in kernels)]),
        _stacked([edge[alone], *(values[None, :] for values in edges)]),
        notes,
    )


def _tracked(
    rows: pd.DataFrame, sources: Sequence[tuple[str, ColumnSettings, Contract]], products: Products
) -> dict[str, np.ndarray]:
    """Return strip and distance along it of the used soundings whose errors are correlated; -1 and 0 of others."""
    strip, along = np.full(len(rows), -1, dtype=np.int64), np.zeros(len(rows))
    for feed in {feed.id: feed for _, feed, _ in sources}.values():
        mine = np.flatnonzero(_usable(rows) & _of(rows, sources, feed))
        if feed.correlated_share > 0 and mine.size:
            time, lon, lat = (rows[key].to_numpy()[mine] for key in ("time", "lon", "lat"))
            number = passes(time, products.passes.gap_minutes)
            strip[mine], along[mine] = tracks(time, lon, lat, number, feed.correlation_km)
    return {"track": strip, "along": along}


def _of(
    rows: pd.DataFrame, sources: Sequence[tuple[str, ColumnSettings, Contract]], feed: ColumnSettings
) -> np.ndarray:
    """Return which rows are of a feed's files."""
    mine = [number for number, (_, other, _) in enumerate(sources) if other is feed]
    return rows["source"].isin(mine).to_numpy()


def _stacked(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Return blocks (row, layer) one under the other; the last column of narrower ones is repeated."""
    width = max(block.shape[1] for block in blocks)
    return np.concatenate([np.pad(block, ((0, 0), (0, width - block.shape[1])), mode="edge") for block in blocks])


def _account(rows: pd.DataFrame, left_out: dict[str, int], name: str, feed: ColumnSettings, gas: Species) -> Account:
    """Return the account of one file."""
    reason, bits = rows["reason"].to_numpy(dtype=object), rows["bits"].to_numpy(dtype=np.uint32)
    fault = rows["fault"].to_numpy(dtype=object)
    flag = bits[reason == ""]
    told = np.where((reason == "") & (fault != ""), fault + " (flagged instrument)", reason)
    counts = account.count_rows(told, bits) | {words: number for words, number in left_out.items() if number}
    return Account(
        source=name,
        station=feed.id,
        species=gas.name,
        height=feed.top,
        rows_read=len(rows) + sum(left_out.values()),
        rows=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        hours=int(flag.size),
        hours_usable=account.count_usable(flag),
        flags=account.count_flags(flag),
        notes=("a row is a sounding, and stands as an hour of its own",),
    )


def _observations(rows: pd.DataFrame, gas: Species, *, along: bool) -> xr.Dataset:
    columns = {
        "time": rows["time"].to_numpy().astype("datetime64[h]").astype("datetime64[ns]"),
        **{name: rows[name].to_numpy(dtype=np.float64) for name in _NUMBERS},
        "count": rows["count"].to_numpy(dtype=np.int64),
        "flag": rows["bits"].to_numpy(dtype=np.uint32),
        "station": rows["station"].to_numpy().astype(np.str_),
        "platform": np.full(len(rows), SATELLITE),
        "scale": rows["scale"].to_numpy().astype(np.str_),
    }
    if along:
        columns |= {name: rows[name].to_numpy() for name in ("track", "along")}
    bare = xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})
    return label(bare, "observations")


def _nothing(gas: Species, *, along: bool) -> tuple[xr.Dataset, xr.Dataset]:
    observed = nothing("observations", gas, "prior_part", "kernel_sum", *(("track", "along") if along else ()))
    released = nothing("receptors", gas, "averaging_kernel", "pressure_edge")
    return label(observed, "observations"), label(released, "receptors")


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
