from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.errors import GridError
from pipeline.grid import Grid, box_regions, lambert_grid, overlap, regrid_total
from pipeline.settings import Box

FLUXES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "fluxes"
pytestmark = pytest.mark.skipif(not FLUXES.exists(), reason="needs ../shared/data")


def test_cdiac_keeps_its_mass_on_the_3_km_grid():
    # one number per cell, Tg C, north to south, west to east (readme.ndp058_v2016.txt)
    field = np.loadtxt(FLUXES / "gridcar.2013").reshape(180, 360)[::-1]
    globe = Grid("EPSG:4326", np.arange(-180.0, 181), np.arange(-90.0, 91))
    target = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=3000, margin=15000)
    result = regrid_total(field, overlap(globe, target))
    assert result.field.sum() + result.outside == pytest.approx(field.sum(), rel=1e-12)
    # the same twenty whole cells, counted on either grid; the 3 km cells on the rim blur it a little
    box = [Box(id="box", name="box", box=(118, 123, 27, 31))]
    assert box_regions(box, globe).totals(field / globe.area)[0] == pytest.approx(125.363, abs=1e-3)
    assert box_regions(box, target).totals(result.field / target.area)[0] == pytest.approx(125.363, rel=3e-3)


def test_coarsened_edgar_is_refused():
    with xr.open_dataset(FLUXES / "v6.0_CO2_excl_short-cycle_org_C_2015_TOTALS.5.3x5.1.nc") as file:
        lon, lat = file["lon"].values, file["lat"].values
    with pytest.raises(GridError, match=r"more than the globe; got '365\.04"):
        Grid.from_centres("EPSG:4326", lon, lat)
