import numpy as np
import pyproj
import pytest
import xarray as xr
from scipy.integrate import quad

from pipeline.errors import CoordinateError, GridError
from pipeline.grid import Grid, ascending, lambert_grid

A, F = 6378137.0, 1 / 298.257223563
E2 = F * (2 - F)


def zone_area(south, north, width):
    """Ellipsoid area of a lon-lat rectangle by quadrature of M N cos(lat): another route than the plane's q."""
    integral, _ = quad(
        lambda p: A * A * (1 - E2) * np.cos(p) / (1 - E2 * np.sin(p) ** 2) ** 2,
        np.radians(south),
        np.radians(north),
        epsabs=0,
        epsrel=1e-13,
    )
    return np.radians(width) * integral


def lonlat(west, east, south, north, step):
    return Grid(
        "EPSG:4326",
        np.linspace(west, east, round((east - west) / step) + 1),
        np.linspace(south, north, round((north - south) / step) + 1),
    )


ZHEJIANG = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000, margin=15000)
REGIONAL = lonlat(118, 123, 27, 31.5, 0.1)


def test_rows_of_a_lonlat_grid_sum_to_the_zones_of_the_ellipsoid():
    rows = REGIONAL.area.sum(axis=1)
    expected = [zone_area(s, n, 5) for s, n in zip(REGIONAL.y_edges[:-1], REGIONAL.y_edges[1:], strict=True)]
    np.testing.assert_allclose(rows, expected, rtol=1e-10)


@pytest.mark.parametrize("step", [1.0, 7.5])
def test_whole_globe_has_the_area_of_the_ellipsoid(step):
    assert lonlat(-180, 180, -90, 90, step).area.sum() == pytest.approx(510065621.72e6, rel=1e-9)


def test_rectangle_areas_agree_with_the_outlines_route():
    rings = REGIONAL.rings()
    x, y = (rings - rings[:, :1])[..., 0], (rings - rings[:, :1])[..., 1]
    shoelace = 0.5 * np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1)
    np.testing.assert_allclose(shoelace.reshape(REGIONAL.shape), REGIONAL.area, rtol=1e-11)


def test_lambert_areas_agree_with_geodesic_polygons():
    geod = pyproj.Geod(ellps="WGS84")
    for row, column in [(0, 0), (5, 40), (ZHEJIANG.ny - 1, ZHEJIANG.nx - 1)]:
        t = np.linspace(0, 1, 400, endpoint=False)
        x0, x1 = ZHEJIANG.x_edges[column : column + 2]
        y0, y1 = ZHEJIANG.y_edges[row : row + 2]
        x = np.concatenate([x0 + (x1 - x0) * t, 0 * t + x1, x1 - (x1 - x0) * t, 0 * t + x0])
        y = np.concatenate([0 * t + y0, y0 + (y1 - y0) * t, 0 * t + y1, y1 - (y1 - y0) * t])
        area, _ = geod.polygon_area_perimeter(*ZHEJIANG.to_lonlat(x, y))
        assert ZHEJIANG.area[row, column] == pytest.approx(abs(area), rel=1e-6)


def test_three_kilometre_cells_keep_their_area_to_1e_9():
    coarse = lambert_grid(west=119.9, east=120.1, south=27, north=27.1, spacing=3000)
    edges = [np.linspace(e[0], e[-1], 16 * (e.size - 1) + 1) for e in (coarse.x_edges, coarse.y_edges)]
    fine = Grid(coarse.crs, *edges).area.reshape(coarse.ny, 16, coarse.nx, 16).sum(axis=(1, 3))
    np.testing.assert_allclose(coarse.area, fine, rtol=1e-9)


def test_a_lambert_grid_covers_its_box_and_margin():
    lon, lat = np.meshgrid(np.linspace(118, 123, 60), np.linspace(27, 31.5, 60))
    assert (ZHEJIANG.locate(lon.ravel(), lat.ravel()) >= 0).all()
    assert np.diff(ZHEJIANG.x_edges).tolist() == [9000.0] * ZHEJIANG.nx


@pytest.mark.parametrize("name", ["x_edges", "y_edges", "x", "y", "area"])
def test_a_grid_cannot_be_changed(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(REGIONAL, name)[0] = 0.0
    with pytest.raises(AttributeError):
        setattr(REGIONAL, name, 0.0)


def test_edges_are_copied_from_the_caller():
    edges = np.array([0.0, 1.0, 2.0])
    grid = Grid("EPSG:4326", edges, edges)
    edges[0] = -50.0
    assert grid.x_edges[0] == 0.0


@pytest.mark.parametrize(
    "crs",
    [
        "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +datum=WGS84",
        "+proj=longlat +pm=paris +datum=WGS84",
        "+proj=utm +zone=50 +datum=WGS84 +units=km",
        "EPSG:4978",
    ],
)
def test_coordinates_that_are_neither_degrees_from_greenwich_nor_metres_are_refused(crs):
    with pytest.raises(GridError, match="must be longitude and latitude in degrees, or projected in metres"):
        Grid(crs, np.arange(3.0), np.arange(3.0))


def test_grids_are_compared_by_value():
    again = lonlat(118, 123, 27, 31.5, 0.1)
    assert again == REGIONAL
    assert hash(REGIONAL) == hash(again)
    shifted = Grid(REGIONAL.crs, REGIONAL.x_edges + 1e-9, REGIONAL.y_edges)
    assert shifted != REGIONAL
    assert REGIONAL != "EPSG:4326"


def test_one_crs_written_in_two_ways_makes_equal_grids_with_equal_hashes():
    edges = 1000.0 * np.arange(3)
    utm, text = Grid("EPSG:32650", edges, edges), Grid("+proj=utm +zone=50 +datum=WGS84", edges, edges)
    assert utm == text
    assert hash(utm) == hash(text)


def test_a_point_on_a_side_belongs_to_the_cell_east_or_north_of_it():
    grid = Grid("EPSG:4326", np.arange(4.0), np.arange(3.0))
    lon, lat = [0.0, 1.0, 1.0, 2.999, 3.0, 0.5, 0.5, -0.001, np.nan], [0.0, 0.5, 1.0, 1.5, 0.5, 2.0, -0.1, 0.5, 0.5]
    assert grid.locate(lon, lat).tolist() == [0, 1, 4, 5, -1, -1, -1, -1, -1]


def test_locate_turns_longitudes_to_the_grid():
    grid = lonlat(0, 360, -90, 90, 10)
    assert grid.locate([-5.0, 355.0], [3.0, 3.0]).tolist() == [9 * 36 + 35] * 2
    assert lonlat(-10, 10, 40, 50, 1).locate([359.5], [40.5]).tolist() == [9]


def test_locate_finds_every_centre_of_a_lambert_grid():
    lon, lat = ZHEJIANG.lonlat
    assert ZHEJIANG.locate(lon.ravel(), lat.ravel()).tolist() == list(range(ZHEJIANG.size))


def test_descending_axes_are_turned_with_their_field():
    x, y = np.arange(0.5, 4), np.arange(2.5, 0, -1)
    grid = Grid.from_centres("EPSG:4326", x, y)
    assert grid == Grid("EPSG:4326", np.arange(5.0), np.arange(4.0))
    lon, lat = np.meshgrid(x, y)
    field = np.stack([lon, lat])
    np.testing.assert_array_equal(ascending(field, x, y), np.stack(np.meshgrid(grid.x, grid.y)))


@pytest.mark.parametrize("centres", [[0.0, 1.0, 3.0], [0.0, np.nan, 2.0], [1.0, 1.0]])
def test_uneven_centres_are_refused(centres):
    with pytest.raises(CoordinateError, match="evenly spaced"):
        Grid.from_centres("EPSG:4326", centres, [0.0, 1.0])


def test_one_centre_is_refused():
    with pytest.raises(CoordinateError, match="at least two centres"):
        Grid.from_centres("EPSG:4326", [0.0], [0.0, 1.0])


def test_cells_that_cover_more_than_the_globe_are_refused():
    # the coarsened EDGAR file: 71 centres from 0.05 to 359.95 stand 5.14 degrees apart
    with pytest.raises(GridError, match=r"more than the globe; got '365\.\d+ degrees'"):
        Grid.from_centres("EPSG:4326", np.linspace(0.05, 359.95, 71), np.linspace(-87, 87, 36))


def test_swapped_latitude_and_longitude_are_refused():
    with pytest.raises(GridError, match=r"latitude edges .*117.55.*Remedy: check whether lat and lon are swapped"):
        Grid.from_centres("EPSG:4326", np.arange(27.05, 31), np.arange(118.05, 123))


def test_unknown_crs_and_unsorted_edges_are_refused():
    with pytest.raises(GridError, match="known to PROJ; got 'EPSG:0'"):
        Grid("EPSG:0", np.arange(3.0), np.arange(3.0))
    for edges in ([0.0, 1.0, 1.0], [0.0], [0.0, np.inf], [2.0, 1.0]):
        with pytest.raises(GridError, match="finite, ascending and at least two"):
            Grid("EPSG:4326", np.array(edges), np.arange(3.0))


def test_a_cell_round_the_pole_is_refused():
    edges = np.array([-150e3, -50e3, 50e3, 150e3])
    with pytest.raises(GridError, match="may hold a pole"):
        _ = Grid("EPSG:3413", edges, edges).area


def test_cells_outside_the_domain_of_the_crs_are_refused():
    edges = np.array([2.0e7, 4.0e7])
    with pytest.raises(GridError, match="domain of the CRS"):
        _ = Grid("+proj=laea +lat_0=30 +lon_0=120 +datum=WGS84", edges, edges).area


@pytest.mark.parametrize("grid", [REGIONAL, ZHEJIANG], ids=["lonlat", "lambert"])
def test_a_grid_survives_xarray_and_zarr(grid, tmp_path):
    dataset = xr.Dataset({"flux": (("y", "x"), grid.area)}, coords=grid.coordinates())
    assert Grid.from_dataset(dataset) == grid
    dataset.to_zarr(tmp_path / "a.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False) as back:
        assert Grid.from_dataset(back) == grid
        assert pyproj.CRS.from_cf(back["crs"].attrs).to_wkt() == pyproj.CRS(grid.crs).to_wkt()
        assert back["x"].attrs["units"] == ("degrees_east" if grid.is_geographic else "m")


def test_a_dataset_without_a_grid_is_refused():
    with pytest.raises(GridError, match="must carry its grid"):
        Grid.from_dataset(xr.Dataset({"crs": ((), 0)}))


def test_a_files_grid_must_match_the_domains():
    float32 = Grid.from_centres("WGS84", REGIONAL.x.astype(np.float32), REGIONAL.y.astype(np.float32))
    REGIONAL.require_match(float32, where="a.nc")
    with pytest.raises(CoordinateError, match=r"a\.nc: .*x cells must be the domain's; got 'edges off by 0\.05"):
        REGIONAL.require_match(Grid("EPSG:4326", REGIONAL.x_edges + 0.05, REGIONAL.y_edges), where="a.nc")
    with pytest.raises(CoordinateError, match=r"got '\(45, 49\) cells"):
        REGIONAL.require_match(Grid("EPSG:4326", REGIONAL.x_edges[:-1], REGIONAL.y_edges), where="a.nc")
    with pytest.raises(CoordinateError, match=r"CRS must be the domain's; got 'EPSG:32650'"):
        REGIONAL.require_match(Grid("EPSG:32650", REGIONAL.x_edges, REGIONAL.y_edges), where="a.nc")
