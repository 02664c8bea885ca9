"""Small stores to ask: a run of a small window, and a store of hours filled from the same numbers."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pipeline_windows as windows
import xarray as xr

from pipeline.grid import Grid, HourStore, HourVersion, regions_from_polygons, write_store
from pipeline.inversion import assemble, pack, posterior
from pipeline.service import product
from pipeline.units import SPECIES, tonnes_per_flux_unit

TONNES = tonnes_per_flux_unit(SPECIES["co2"]) * 3600
EAST = (118.625, 119.375, 27.875, 29.125)
MEMBERS = 200
AT = datetime(2024, 7, 16, 1, tzinfo=UTC)


@dataclass
class Asked:
    """A run, and where it was written."""

    store: Path
    result: xr.Dataset
    settings: object

    def draws(self, polygon, hours):
        """Totals of the ensemble's members in a polygon, (member, sector), t."""
        grid = Grid.from_dataset(self.result)
        share = regions_from_polygons(grid, ["a"], ["a"], [""], ["a"], [polygon]).fractions.toarray()
        weights = share.reshape(grid.shape) * grid.area * TONNES
        found = self.result["flux_ensemble"].sel(time=hours)
        return (found.values.astype(float) * weights).sum(axis=(2, 3, 4))


def run(folder):
    """A run of a day and six hours before it; beside it one that kept nothing."""
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    settings = windows.settings(precision="double", members=MEMBERS)
    assembled = assemble(settings, windows.GRID, observed, rows, windows.background(rows), windows.fluxes(random))
    solution = windows.solved(assembled.problem)
    result = posterior(settings, windows.GRID, windows.regions(), observed, windows.TIME, assembled, solution)
    write_store(result, folder / "a.zarr", pack(solution, settings))
    write_store(result, folder / "nothing-kept.zarr")
    return Asked(folder / "a.zarr", result, settings)


def hours_of(asked, folder, leave_out=(), prior_only=()):
    """A store of hours with all hours of a run but some, one version each; some are said to be the prior alone."""
    store = HourStore.create(
        folder / "store",
        product.template(asked.settings, windows.GRID, windows.regions()),
        start=np.datetime64("2024-07-01T00", "h"),
    )
    versions = []
    for time in asked.result["time"].values:
        hour = time.astype("datetime64[h]")
        if str(hour) not in leave_out:
            condition = "prior_only" if str(hour) in prior_only else "full"
            facts = {
                "status": "P2",
                "condition": condition,
                "key": str(hour),
                "counts": {"city": {"seen": 2, "used": 2}},
            }
            versions.append(HourVersion(hour, product.of_hour(asked.result, hour), facts))
    store.commit(versions, at=AT)
    return store


def commit_again(store, asked, factor, at):
    """Commit a later version of the last hour, its posterior times a factor; return the snapshot."""
    hour = asked.result["time"].values[-1].astype("datetime64[h]")
    data = product.of_hour(asked.result, hour)
    data = data.assign({name: data[name] * factor for name in ("flux_posterior", "region_posterior")})
    facts = {"status": "P2", "condition": "full", "key": f"again {factor}", "counts": {}}
    return store.commit([HourVersion(hour, data, facts)], at=at).snapshot


def square(west, east, south, north):
    """A rectangle as GeoJSON."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def geojson(path, *geometries):
    """A file of polygons."""
    features = [{"type": "Feature", "properties": {}, "geometry": g} for g in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path
