"""Truth, prior and posterior side by side: how well an inversion of a simulated case did.

Every number is computed from the stored run and the truth; targets are those of an observing-system simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
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
#: levels whose regions are printed one by one
_SHOWN = ("province", "city")
#: levels of which one sentence is printed
_MANY = {"city": "cities", "county": "counties"}
#: the sector the targets are about
_SECTOR = "anthropogenic"


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
        posterior and sigma in kt of the gas; `covered`, whether the truth lies within the 90 % interval;
        `correlation`, of the posterior's error with that of the other sector in the region. The truth is summed with
        the same region fractions as the inversion's totals.

    Raises
    ------
    InputError
        When store and truth are not of one case.
    """
    with xr.open_dataset(truth) as known:
        dataset = open_store(store).sel(period="all", period_2=0)
        _require_same(dataset, known, store)
        true, correlation = _true_totals(known, dataset), _correlation(dataset)
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
    table["correlation"] = np.append(correlation.ravel(), np.full(dataset.sizes["region"], np.nan))
    table["covered"] = (table["truth"] - table["posterior"]).abs() <= _NINETY * table["sigma"]
    return table


@dataclass(frozen=True)
class Figure:
    """One figure of merit.

    Parameters
    ----------
    name
        What it is.
    prior, posterior
        The figure; NaN where the prior has none.
    unit
        "%" or "".
    target
        Least and most the posterior's may be.
    note
        What a reader of one run should know.
    """

    name: str
    prior: float
    posterior: float
    unit: str
    target: tuple[float, float]
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the posterior's figure lies within the target."""
        return self.target[0] <= self.posterior <= self.target[1]


def summary(table: pd.DataFrame, sector: str) -> dict[str, float]:
    """Return how the cities and the province of a sector did.

    Parameters
    ----------
    table
        Of `score`.
    sector
        One of its sectors.

    Returns
    -------
    prior_rmse, posterior_rmse (kt) of the cities, the same in % of the cities' mean truth (prior_rmse_percent,
    posterior_rmse_percent); covered, the share of cities whose truth lies within the 90 % interval; and the errors of
    the provincial total in % of it (prior_error_percent, posterior_error_percent), with sign.
    """
    rows = table[table["sector"] == sector]
    cities, province = rows[rows["level"] == "city"], rows[rows["level"] == "province"].iloc[0]
    mean = abs(float(cities["truth"].mean()))
    out = {"covered": float(cities["covered"].mean())}
    for name in ("prior", "posterior"):
        rmse = _rmse(cities, name)
        out[f"{name}_rmse"], out[f"{name}_rmse_percent"] = rmse, 100 * rmse / mean
        out[f"{name}_error_percent"] = float(100 * (province[name] - province["truth"]) / abs(province["truth"]))
    return out


def _rmse(rows: pd.DataFrame, name: str) -> float:
    """Return the root mean square error of some regions' totals, kt."""
    return float(np.sqrt(((rows[name] - rows["truth"]) ** 2).mean()))


def figures(store: Path, truth: Path) -> list[Figure]:
    """Return the figures of merit of a run with their targets.

    Parameters
    ----------
    store, truth
        As for `score`.
    """
    found = summary(score(store, truth), _SECTOR)
    dataset = open_store(store)
    ratio = float(dataset["diagnostic_left_out_rmse"] / dataset["diagnostic_left_out_sigma"])
    none = float("nan")
    prior, posterior = (abs(found[f"{name}_error_percent"]) for name in ("prior", "posterior"))
    many = "of one run: over many draws"
    return [
        Figure("provincial anthropogenic total, error", prior, posterior, "%", (0.0, 5.0)),
        Figure(
            "city totals, RMSE over their mean",
            found["prior_rmse_percent"],
            found["posterior_rmse_percent"],
            "%",
            (0.0, 12.0),
        ),
        Figure("city totals within their 90 % interval", none, 100 * found["covered"], "%", (85.0, 95.0), many),
        Figure("reduced chi2", none, float(dataset["diagnostic_chi2"]), "", (0.9, 1.1), "where errors are matched"),
        Figure("left-out stations, RMSE over stated sigma", none, ratio, "", (0.8, 1.25)),
    ]


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
    for sector in (_SECTOR, "net"):
        shown = table["level"].isin(_SHOWN) & (table["sector"] == sector)
        console.print(_cities(table[shown], sector))
        for level, many in _MANY.items():
            rows = table[(table["sector"] == sector) & (table["level"] == level)]
            if len(rows):
                before, after = (_rmse(rows, name) for name in ("prior", "posterior"))
                console.print(
                    f"{len(rows)} {many}: RMSE prior {before:.1f} kt, posterior {after:.1f} kt; truth within the 90 % "
                    f"interval in {rows['covered'].mean():.0%} of them",
                    highlight=False,
                    soft_wrap=True,
                )
    console.print(_merit(figures(store, truth)))
    console.print(_classes(open_store(store)))
    return table


def _cities(rows: pd.DataFrame, sector: str) -> Table:
    """Return the printable table of one sector."""
    out = Table(title=f"{sector} CO2 over the observed hours, kt, simulated", title_justify="left")
    out.add_column("region")
    for column in ("truth", "prior", "posterior", "± sigma", "within 90 %"):
        out.add_column(column, justify="right")
    split = sector == _SECTOR
    if split:
        out.add_column("correlation with biosphere", justify="right")
    for row in rows.to_dict("records"):
        numbers = [f"{row[name]:.1f}" for name in ("truth", "prior", "posterior", "sigma")]
        more = [f"{row['correlation']:+.2f}"] if split else []
        out.add_row(str(row["name"]), *numbers, "yes" if row["covered"] else "no", *more)
    return out


def _merit(rows: list[Figure]) -> Table:
    """Return the printable table of figures and targets."""
    out = Table(title="figures of merit", title_justify="left")
    for column, side in (("figure", "left"), ("prior", "right"), ("posterior", "right"), ("target", "right")):
        out.add_column(column, justify="left" if side == "left" else "right")
    out.add_column("")
    for row in rows:
        low, high = row.target
        wanted = f"at most {high:g}" if low == 0 else f"{low:g} to {high:g}"
        values = ["" if np.isnan(value) else f"{value:.3g} {row.unit}".strip() for value in (row.prior, row.posterior)]
        verdict = "met" if row.met else "not met"
        out.add_row(
            row.name, *values, f"{wanted} {row.unit}".strip(), f"{verdict} ({row.note})" if row.note else verdict
        )
    return out


def _classes(dataset: xr.Dataset) -> Table:
    """Return the printable table of left-out residuals by class of station."""
    out = Table(title="stations left out, by class", title_justify="left")
    for column in ("class", "observations", "residual", "stated sigma", "ratio"):
        out.add_column(column, justify="left" if column == "class" else "right")
    platform, count = (dataset[f"station_{name}"].values for name in ("platform", "count"))
    residual, sigma = (dataset[f"station_left_out_{name}"].values for name in ("rmse", "sigma"))
    for name in sorted(set(map(str, platform))):
        mine = (platform.astype(str) == name) & (count > 0)
        weight = count[mine] / count[mine].sum()
        rms = [float(np.sqrt((weight * values[mine] ** 2).sum())) for values in (residual, sigma)]
        out.add_row(name, str(int(count[mine].sum())), *(f"{value:.2f}" for value in rms), f"{rms[0] / rms[1]:.2f}")
    return out


def _correlation(dataset: xr.Dataset) -> np.ndarray:
    """Return the posterior error correlation of each sector's total with the other's, of one region: (sector, region).

    NaN unless there are two sectors.
    """
    if dataset.sizes["sector"] != 2:
        return np.full((dataset.sizes["sector"], dataset.sizes["region"]), np.nan)
    covariance = dataset["region_posterior_covariance"].values
    both = np.einsum("irjr->ijr", covariance)
    one = both[0, 1] / np.sqrt(both[0, 0] * both[1, 1])
    return np.stack([one, one])


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
