"""Truth, prior and posterior side by side: how well an inversion of a simulated case did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.grid import Grid, open_store
from pipeline.units import SECONDS_PER_HOUR, species, tonnes_per_flux_unit

#: half width of a central 90 % interval of a normal distribution, in sigma
_NINETY = 1.6448536269514722
_COLUMNS = ("truth", "prior", "prior_sigma", "posterior", "sigma")


def score(store: Path, truth: Path) -> pd.DataFrame:
    """Return the totals of every sector and region over the hours with observations.

    Parameters
    ----------
    store
        Zarr folder of the inversion.
    truth
        The truth.nc of the same case.

    Returns
    -------
    DataFrame
        One row per sector (and "net", their sum) and region: sector, region, name, level; truth, prior, prior_sigma,
        posterior and sigma in kt of the gas; `covered`, whether the truth lies within the 90 % interval. The truth is
        summed with the same region fractions as the inversion's totals.

    Raises
    ------
    InputError
        When store and truth are not of one case.
    """
    with xr.open_dataset(truth) as known:
        dataset = open_store(store).sel(period="all")
        _require_same(dataset, known, store)
        true = _true_totals(known, dataset)
        values = {
            "truth": true,
            "prior": dataset["region_prior"].values,
            "prior_sigma": dataset["region_prior_std"].values,
            "posterior": dataset["region_posterior"].values,
            "sigma": dataset["region_posterior_std"].values,
        }
    net = {
        "truth": true.sum(axis=0),
        "prior": values["prior"].sum(axis=0),
        "prior_sigma": dataset["region_net_prior_std"].values,
        "posterior": values["posterior"].sum(axis=0),
        "sigma": dataset["region_net_posterior_std"].values,
    }
    frames = [
        _frame(dataset, name, {key: value[k] for key, value in values.items()})
        for k, name in enumerate(dataset["sector"].values)
    ]
    table = pd.concat([*frames, _frame(dataset, "net", net)], ignore_index=True)
    table["covered"] = (table["truth"] - table["posterior"]).abs() <= _NINETY * table["sigma"]
    return table


def summary(table: pd.DataFrame, sector: str) -> dict[str, float]:
    """Return how the cities of a sector did.

    Returns
    -------
    prior_rmse, posterior_rmse (kt), and covered, the share of cities whose truth lies within the 90 % interval.
    """
    cities = table[(table["sector"] == sector) & (table["level"] == "city")]
    return {
        "prior_rmse": float(np.sqrt(((cities["prior"] - cities["truth"]) ** 2).mean())),
        "posterior_rmse": float(np.sqrt(((cities["posterior"] - cities["truth"]) ** 2).mean())),
        "covered": float(cities["covered"].mean()),
    }


def print_score(store: Path, truth: Path, console: Console | None = None) -> pd.DataFrame:
    """Print the table of the cities and what it comes to; return `score`'s table.

    Parameters
    ----------
    store, truth
        As for `score`.
    console
        Where to print; standard output when not given.
    """
    console = console or Console()
    table = score(store, truth)
    for sector in ("anthropogenic", "net"):
        console.print(_rendered(table[table["sector"] == sector], sector))
        found = summary(table, sector)
        console.print(
            f"cities: RMSE prior {found['prior_rmse']:.1f} kt, posterior {found['posterior_rmse']:.1f} kt; "
            f"truth within the 90 % interval in {found['covered']:.0%} of them",
            highlight=False,
            soft_wrap=True,
        )
    return table


def _rendered(rows: pd.DataFrame, sector: str) -> Table:
    """Return the printable table of one sector."""
    out = Table(title=f"{sector} CO2 over the observed hours, kt, simulated", title_justify="left")
    out.add_column("region")
    for column in ("truth", "prior", "posterior", "± sigma", "within 90 %"):
        out.add_column(column, justify="right")
    numbers = rows[["truth", "prior", "posterior", "sigma"]].to_numpy(dtype=np.float64)
    for name, row, covered in zip(rows["name"], numbers, rows["covered"], strict=True):
        out.add_row(str(name), *(f"{number:.1f}" for number in row), "yes" if covered else "no")
    return out


def _frame(dataset: xr.Dataset, sector: str, tonnes: dict[str, np.ndarray]) -> pd.DataFrame:
    names = zip(dataset["region_name_en"].values, dataset["region_name"].values, strict=True)
    return pd.DataFrame(
        {
            "sector": sector,
            "region": dataset["region"].values,
            "name": [english or name for english, name in names],
            "level": dataset["region_level"].values,
            **{key: np.asarray(tonnes[key], dtype=np.float64) * 1e-3 for key in _COLUMNS},
        }
    )


def _true_totals(known: xr.Dataset, dataset: xr.Dataset) -> np.ndarray:
    """Return the true totals, t: (sector, region)."""
    time = known["time"].values
    start, end = (np.datetime64(str(known.attrs[f"observation_{name}"])) for name in ("start", "end"))
    observed = known.sel(sector=dataset["sector"].values, time=(time >= start) & (time < end))
    density = observed["flux"].sum("time").transpose("sector", "y", "x").values.astype(np.float64)
    weights = dataset["region_fraction"].values * Grid.from_dataset(known).area
    tonnes = tonnes_per_flux_unit(species(str(known.attrs["species"]))) * SECONDS_PER_HOUR
    return np.einsum("syx,ryx->sr", density, weights) * tonnes


def _require_same(dataset: xr.Dataset, known: xr.Dataset, store: Path) -> None:
    """Raise unless both are on one grid and cover the same hours."""
    if Grid.from_dataset(dataset) != Grid.from_dataset(known) or not np.array_equal(
        dataset["time"].values, known["time"].values
    ):
        raise InputError(
            "store and truth must be of one case",
            got=f"{dict(dataset.sizes)} against {dict(known.sizes)}",
            remedy="run the case.toml that lies beside the truth",
            where=str(store),
        )
