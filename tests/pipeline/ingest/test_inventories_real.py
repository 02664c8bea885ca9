"""Inventories on the real files: totals, cells, and what must be refused."""

import netCDF4
import numpy as np
import pytest
from ingest_cases import settings, shared_data, source

from pipeline.errors import GridError, InputError, TimeError
from pipeline.grid.definition import Grid
from pipeline.ingest.inventories import read_fluxes


def real(folder, grid, *sources, start="2014-06-29T18:00:00Z", end="2014-07-04T01:00:00Z", species="co2"):
    window = {"start": start, "end": end}
    case = {"name": "real", "title": "t", "species": species, "flux_hours": window, "observation_hours": window}
    sector = {"name": "prior", "sigma_fraction": 0.5, "length": 50, "hours": 5, "sources": list(sources)}
    return read_fluxes(settings(case=case, sectors=[sector]), grid, folder)


def test_real_cdiac_box_of_zhejiang():
    # rows and columns whose centres lie in 118-123 E, 27-31 N: 125.36 TgC
    grid = Grid("EPSG:4326", np.arange(118.0, 123.5), np.arange(27.0, 31.5))
    file = source(file="fluxes/gridcar.2013", format="cdiac", variable=None, unit="TgC cell-1 year-1")
    _, notes = real(shared_data(), grid, file)
    inside, outside = float(notes[0].split()[2]), float(notes[0].split("grid, ")[1].split()[0])
    assert inside * 12.011 / 44.009 / 1e6 == pytest.approx(125.363, abs=1e-3)
    assert (inside + outside) * 12.011 / 44.009 / 1e6 == pytest.approx(9233.63, abs=0.1)


def tac_grid():
    return Grid.from_centres("EPSG:4326", -0.396 + 0.352 * np.arange(12), 51.211 + 0.234 * np.arange(12))


def test_real_tacolneston_fluxes():
    folder = "fluxes/tacolneston_co2/"
    root, grid = shared_data(), tac_grid()
    respiration = source(file=folder + "co2-rtot-cardamom-2hr_TEST_2014.nc", time="hourly")
    uptake = source(file=folder + "co2-gpp-cardamom_EUROPE_2013.nc", profile="daylight", negative="allow")
    ocean = source(file=folder + "co2-nemo-ocean-mth_TEST_2014.nc", missing="zero", negative="allow")
    _, notes = real(root, grid, respiration, uptake, ocean)
    kept = [float(note.split()[2]) for note in notes]
    assert kept == pytest.approx([2.67546e8, -2.99602e8 / 6, -3.38957e6], rel=1e-4)
    assert "74 of 144 missing values taken as no flux" in notes[2]
    # the European file's cells are exactly the domain's
    with netCDF4.Dataset(root / uptake["file"]) as data:
        x = int(np.argmin(np.abs(data["lon"][:] - grid.x[0])))
        y = int(np.argmin(np.abs(data["lat"][:] - grid.y[0])))
        own = np.asarray(data["flux"][y : y + 12, x : x + 12, 0]) * 1e6
    alone, _ = real(root, grid, uptake | {"profile": "flat"})
    np.testing.assert_allclose(alone["flux"].values[0, 0], own, rtol=1e-9, atol=1e-9)
    with pytest.raises(InputError, match="74 of 144 values missing"):
        real(root, grid, ocean | {"missing": "refuse"})
    with pytest.raises(TimeError, match=r"missing 2014-06-29T00:00:00\.0+ to 2014-06-29T18:00"):
        real(root, grid, respiration, start="2014-06-29T00:00:00Z")
    # the last label, 4 July 00:00, holds for two hours
    real(root, grid, respiration, end="2014-07-04T02:00:00Z")


def test_real_coarsened_edgar_covers_more_than_the_globe():
    file = source(file="fluxes/v6.0_CO2_excl_short-cycle_org_C_2015_TOTALS.5.3x5.1.nc", variable="emi_co2")
    with pytest.raises(GridError, match=r"v6\.0.*emi_co2: .*more than the globe; got '365\.0.* degrees'"):
        real(shared_data(), tac_grid(), file)


def test_real_bowen_inventory_on_its_own_sphere():
    with netCDF4.Dataset(shared_data() / "fluxes/bowen_ch4/prior-emissions.nc") as data:
        x, y = np.asarray(data["x"][:]), np.asarray(data["y"][:])
        crs = str(data["lambert_conformal"].crs_wkt)
        total = np.asarray(data["ch4_total"][0, 0])
    grid = Grid.from_centres(crs, x, y)
    file = source(file="fluxes/bowen_ch4/prior-emissions.nc", variable="ch4_total")
    found, _ = real(shared_data(), grid, file, species="ch4")
    np.testing.assert_allclose(found["flux"].values[0, 0], total / 16.043e-3 * 1e9, rtol=1e-9)
