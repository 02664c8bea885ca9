"""How far the upper estimate of sigma is from the exact one: `python -m benchmarks.upper STORE [HOURS]`.

STORE is that of a run with outputs.query. Its hours are put into a store of hours as the hourly service would keep
them; then regions, boxes and periods are asked of both. Printed are quantiles of upper over exact.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.answers import GRID, HoursSource, RunSource, query
from pipeline.grid import HourStore, HourVersion
from pipeline.service import product

AT = datetime(2024, 1, 1, tzinfo=UTC)


def kept_as_hours(run: RunSource, folder: Path) -> Path:
    """Put a run's hours into a store of hours; return its folder."""
    told = run.posterior
    names = [f"region_{name}" for name in product.TOTALS]
    fields = {name: told[name].isel(time=0, drop=True) for name in product.FIELDS}
    shape = (len(run.sectors), len(run.regions.ids))
    tables = {name: (("sector", "region"), np.zeros(shape)) for name in names}
    squared = (("sector", "sector_2", "region"), np.zeros((shape[0], *shape)))
    coords = {**run.grid.coordinates(), **{n: told[n] for n in ("sector", "sector_2", "region")}}
    for name in ("region_name", "region_name_en", "region_level", "region_area", "region_fraction"):
        coords[name] = told[name]
    coords |= {n: c for n, c in run.kept.coords.items() if str(n).startswith("correlation_")}
    template = xr.Dataset(
        {**fields, **tables, "region_covariance": squared}, coords=coords, attrs={"species": run.species}
    )
    store = HourStore.create(folder / "store", template, start=run.hours[0], hours=run.hours.size)
    versions = [
        HourVersion(hour, product.of_hour(told, hour), {"status": "P2", "condition": "full", "key": str(hour)})
        for hour in run.hours
    ]
    store.commit(versions, at=AT)
    return folder / "store"


def report(store: Path, hours: int) -> str:
    """Return quantiles of upper over exact, by kind of area and length of period."""
    run = RunSource(store)
    lines = [f"{store.name}: {run.hours.size} hours, {len(run.regions.ids)} regions", ""]
    with tempfile.TemporaryDirectory() as folder:
        kept = HoursSource(HourStore.open(kept_as_hours(run, Path(folder))))
        lines.append(f"{'area':<12}{'period':<10}{'sector':<16}{'least':>8}{'median':>8}{'most':>8}   upper / exact")
        areas = {
            level: [run.regions.ids[at] for at in run.regions.at_level(level)]
            for level in dict.fromkeys(run.regions.levels)
        }
        random = np.random.default_rng(1)
        west, east = run.grid.lonlat[0].min(), run.grid.lonlat[0].max()
        south, north = run.grid.lonlat[1].min(), run.grid.lonlat[1].max()
        boxes = []
        for _ in range(12):
            x, y = random.uniform(west + 0.3, east - 1.3), random.uniform(south + 0.3, north - 1.3)
            size = random.uniform(0.2, 1.0)
            boxes.append((x, x + size, y, y + size))
        areas |= {"box": boxes, "grid": [GRID]}
        last = run.hours[-1] + 1
        for level, asked in areas.items():
            for length in (1, 6, hours):
                period = (last - length, last)
                exact, upper = (query(source, asked, period) for source in (run, kept))
                ratio = (upper["posterior_std"] / exact["posterior_std"]).isel(time=0)
                for sector in ratio["sector"].values:
                    least, middle, most = np.nanquantile(ratio.sel(sector=sector).values, [0.0, 0.5, 1.0])
                    lines.append(f"{level:<12}{f'{length} h':<10}{sector:<16}{least:8.3f}{middle:8.3f}{most:8.3f}")
        kept.close()
    return "\n".join(lines)


if __name__ == "__main__":
    began = time.monotonic()
    print(report(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24))
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)
