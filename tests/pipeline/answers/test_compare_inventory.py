"""An inventory file beside a store: its mass is kept, it has no sigma, and what cannot be read is told."""

import json

import numpy as np
import pandas as pd
import pipeline_windows as windows
import pytest
import query_stores as stores
import rasterio
from command_line import command
from ingest_cases import write_field

from pipeline import units
from pipeline.answers import query
from pipeline.answers.compare import Inventory, Operand, compare
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.ingest import read_inventory
from pipeline.settings import FluxSource

GAS = units.species("co2")
#: of the day of the store that is compared
HOURS = 24
#: inside the store's grid, over it, and away from it
INSIDE = Grid.from_centres("EPSG:4326", 118.05 + 0.1 * np.arange(11), 28.05 + 0.1 * np.arange(9))
OVER = Grid.from_centres("EPSG:4326", 117.05 + 0.1 * np.arange(31), 27.05 + 0.1 * np.arange(29))
AWAY = Grid.from_centres("EPSG:4326", 10.05 + 0.1 * np.arange(5), 50.05 + 0.1 * np.arange(4))
PER_YEAR = HOURS * units.SECONDS_PER_HOUR / units.SECONDS_PER_YEAR


def tonnes(grid, seed=4):
    """Return t per cell and year, all cells different."""
    return np.random.default_rng(seed).uniform(1e3, 9e3, grid.shape)


def netcdf(path, values, grid, unit="t cell-1 year-1", name="emi", dims=("lat", "lon"), **axes):
    attrs = {} if unit is None else {"units": unit}
    return write_field(path, name, values, dims, {"lat": grid.y, "lon": grid.x, **axes}, attrs=attrs)


def geotiff(path, values, grid):
    north, west = grid.y_edges[-1], grid.x_edges[0]
    cell = grid.x_edges[1] - west, grid.y_edges[1] - grid.y_edges[0]
    profile = {
        "driver": "GTiff", "width": grid.nx, "height": grid.ny, "count": 1, "dtype": "float64", "crs": "EPSG:4326",
        "transform": rasterio.Affine(cell[0], 0.0, west, 0.0, -cell[1], north),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as image:
        image.write(values[::-1], 1)
    return path


def inventory(path, sector="anthropogenic", notes=None, **told):
    kind = "geotiff" if path.suffix == ".tif" else "netcdf"
    told = {"file": path.name, "format": kind, "variable": "emi", **told}

    def mean(grid, gas, hours):
        source = FluxSource.model_validate(told)
        flux, note = read_inventory(path, sector, source, hours.astype("datetime64[ns]"), grid, units.species(gas))
        if notes is not None:
            notes.append(note)
        return flux

    return Inventory(path.name, sector, mean)


def mass(maps, which):
    """Return the total of a map over the day, t."""
    return float((maps[which].values * windows.GRID.area).sum()) * stores.TONNES * HOURS


@pytest.mark.parametrize("kind", ["netcdf", "geotiff"])
def test_the_mass_of_a_file_inside_the_grid_is_kept(hours, tmp_path, kind):
    values = tonnes(INSIDE)
    if kind == "netcdf":
        one = inventory(netcdf(tmp_path / "a.nc", values, INSIDE))
    else:
        one = inventory(geotiff(tmp_path / "a.tif", values, INSIDE), unit="t cell-1 year-1")
    found = compare(one, Operand.of(str(hours)), "2024-07-15", "box")
    assert mass(found.maps, "a") == pytest.approx(values.sum() * PER_YEAR, rel=1e-12)
    table = found.table.set_index("region")
    assert list(found.table["sector"]) == ["anthropogenic"] * 3
    assert table.loc["ALL", "a"] == pytest.approx(values.sum() * PER_YEAR, rel=1e-12)
    assert table.loc["EAST", "a"] + table.loc["WEST", "a"] == pytest.approx(table.loc["ALL", "a"], rel=1e-12)


def test_what_lies_outside_is_told_and_makes_up_the_rest(run, tmp_path):
    values, notes = tonnes(OVER), []
    one = inventory(netcdf(tmp_path / "a.nc", values, OVER), notes=notes)
    found = compare(Operand.of(str(run.store)), one, "2024-07-15", "box")
    outside = float(notes[0].partition("inside the grid, ")[2].partition(" t outside")[0])
    assert mass(found.maps, "b") / PER_YEAR + outside == pytest.approx(values.sum(), rel=1e-5)
    # an even flux stays what it is
    even = inventory(netcdf(tmp_path / "b.nc", np.full(OVER.shape, 2.5), OVER, unit="umol m-2 s-1"))
    maps = compare(Operand.of(str(run.store)), even, "2024-07-15", "box").maps
    np.testing.assert_allclose(maps["b"].values, 2.5, rtol=1e-12)


def test_a_file_of_the_prior_is_the_prior_and_states_no_sigma(run, tmp_path):
    prior = run.result["flux_prior"].sel(sector="biosphere", time=slice("2024-07-15T00", "2024-07-15T23"))
    path = netcdf(tmp_path / "a.nc", prior.mean("time").values.astype(float), windows.GRID, "umol m-2 s-1")
    found = compare(inventory(path, "biosphere", negative="allow"), Operand.of(str(run.store)), "2024-07-15", "box")
    told = compare(Operand.of(f"{run.store}#prior"), Operand.of(str(run.store)), "2024-07-15", "box")
    told = told.table[told.table["sector"] == "biosphere"].set_index("region")
    for row in found.table.to_dict("records"):
        assert row["a"] == pytest.approx(told.loc[row["region"], "a"], rel=1e-5)
        assert np.isnan(row["a_std"])
        # how far apart is told by what the store knows
        assert row["sigmas"] == pytest.approx(row["difference"] / row["b_std"], rel=1e-12)


def test_of_a_file_with_times_each_field_counts_in_its_hours(hours, tmp_path):
    times = np.datetime64("2024-07-14T00") + 3 * np.arange(20) * np.timedelta64(1, "h")
    values = np.random.default_rng(2).uniform(1.0, 5.0, (times.size, *windows.GRID.shape))
    path = netcdf(tmp_path / "a.nc", values, windows.GRID, "umol m-2 s-1", dims=("time", "lat", "lon"), time=times)
    found = compare(inventory(path), Operand.of(str(hours)), "2024-07-15T01Z/2024-07-15T06Z")
    # two hours of one field and three of the next
    np.testing.assert_allclose(
        found.maps["a"].sel(sector="anthropogenic"), (2 * values[8] + 3 * values[9]) / 5, rtol=1e-12
    )
    with pytest.raises(InputError, match="the file must cover every flux hour"):
        compare(inventory(netcdf(tmp_path / "b.nc", values[:9], windows.GRID, "umol m-2 s-1",
                                 dims=("time", "lat", "lon"), time=times[:9])),
                Operand.of(str(hours)), "2024-07-15")  # fmt: skip


def test_one_side_must_be_a_store(tmp_path):
    one = inventory(netcdf(tmp_path / "a.nc", tonnes(INSIDE), INSIDE))
    with pytest.raises(InputError, match=r"one of the two must be a store; got 'a\.nc and a\.nc'"):
        compare(one, one)


def test_the_command_leaves_the_sigma_of_a_file_blank(hours, tmp_path, monkeypatch, capsys):
    path = geotiff(tmp_path / "plants.tif", tonnes(INSIDE), INSIDE)
    words = ["compare", path, hours, "--sector", "anthropogenic", "--unit", "t cell-1 year-1", "--level", "box"]
    period = ["--period", "2024-07-15"]
    answer = query(hours, "ALL", "2024-07-15", sector="anthropogenic")
    for ending in ("csv", "json"):
        files = ["--output", tmp_path / f"a.{ending}", "--picture", tmp_path / "a.png"]
        assert command(monkeypatch, *words, *period, *files) == 0
    printed = capsys.readouterr().out
    cells = next(line for line in printed.splitlines() if line.startswith("│ all")).split("│")
    assert "±" not in cells[3]
    assert "±" in cells[4]
    assert "an inventory file states none" in printed
    assert "anthropogenic: plants.tif: " in printed
    row = pd.read_csv(tmp_path / "a.csv").set_index("region").loc["ALL"]
    assert np.isnan(row["a_std"])
    assert row["b"] == pytest.approx(float(answer["posterior"].item()), rel=1e-9)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))[0]["a_std"] is None
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


SECTOR = ["--sector", "anthropogenic"]
NAMED = [*SECTOR, "--variable", "emi"]


@pytest.mark.parametrize(
    ("make", "words", "text"),
    [
        (lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE), [], "must be of one of the store's sectors, or net"),
        (lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE), SECTOR, "it holds emi"),
        (
            lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE),
            ["--variable", "emi", "--sector", "traffic"],
            "the sector must be one of the store's; got 'traffic'",
        ),
        (lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE, None), NAMED, "a flux must have a unit"),
        (lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE, "ppm"), NAMED, "the flux unit must be known; got 'ppm'"),
        (
            lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE),
            [*NAMED, "--unit", "kg m-2 s-1"],
            "the declared unit must be the file's",
        ),
        (lambda p: geotiff(p / "a.tif", tonnes(INSIDE), INSIDE), SECTOR, "a GeoTIFF states no unit"),
        (
            lambda p: netcdf(p / "a.nc", tonnes(INSIDE), INSIDE, name="emi_ch4"),
            [*SECTOR, "--variable", "emi_ch4"],
            "the inventory must be of the store's gas, co2; got 'emi_ch4'",
        ),
        (lambda p: netcdf(p / "a.nc", tonnes(AWAY), AWAY), NAMED, "a.nc: "),
        (lambda p: netcdf(p / "a.nc", -tonnes(INSIDE), INSIDE), NAMED, 'declare negative = "allow"'),
        (
            lambda p: netcdf(p / "a.nc", np.full(INSIDE.shape, np.nan), INSIDE),
            NAMED,
            'declare missing = "zero"',
        ),
        (lambda p: (p / "a.nc").write_bytes(b"CDF\x01") and p / "a.nc", NAMED, "a.nc: "),
        (lambda p: (p / "a.txt").write_bytes(b"1 2 3") and p / "a.txt", NAMED, "inventory file is netCDF or GeoTIFF"),
        (lambda p: p / "none.nc", NAMED, "--missing and --negative tell of an inventory file"),
    ],
)  # fmt: skip
def test_a_bad_file_ends_with_2_and_a_remedy(hours, tmp_path, monkeypatch, capsys, make, words, text):
    assert command(monkeypatch, "compare", make(tmp_path), hours, "--period", "2024-07-15", *words) == 2
    told = capsys.readouterr().err
    assert text in told
    assert "Remedy: " in told


def test_missing_and_negative_values_are_read_when_they_are_declared(hours, tmp_path, monkeypatch, capsys):
    values = -tonnes(INSIDE)
    values[0, 0] = np.nan
    words = ["compare", netcdf(tmp_path / "a.nc", values, INSIDE), hours, *NAMED, "--period", "2024-07-15"]
    assert command(monkeypatch, *words, "--missing", "zero", "--negative", "allow") == 0
    assert "1 of 99 missing values taken as no flux" in capsys.readouterr().out
