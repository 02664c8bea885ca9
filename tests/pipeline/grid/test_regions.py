import numpy as np
import pytest
import shapely
from scipy.integrate import quad

from pipeline.errors import GridError
from pipeline.grid import Grid, box_regions, lambert_grid, regions_from_polygons
from pipeline.settings import Box

LAMBERT = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=12000, margin=15000)
LONLAT = Grid("EPSG:4326", np.linspace(118, 123, 51), np.linspace(27, 31.5, 46))
GLOBAL = Grid("EPSG:4326", np.linspace(0, 360, 73), np.linspace(-90, 90, 37))


def box(name, *corners):
    return Box(id=name, name=name, box=corners)


def box_area(west, east, south, north):
    """Ellipsoid area by quadrature of M N cos(lat)."""
    a, e2 = 6378137.0, (2 - 1 / 298.257223563) / 298.257223563
    integral, _ = quad(
        lambda p: a * a * (1 - e2) * np.cos(p) / (1 - e2 * np.sin(p) ** 2) ** 2,
        np.radians(south),
        np.radians(north),
        epsabs=0,
        epsrel=1e-13,
    )
    return np.radians(east - west) * integral


def polygons(grid, *shapes):
    names = [f"p{i}" for i in range(len(shapes))]
    return regions_from_polygons(grid, names, names, names, ["file"] * len(shapes), shapes)


HOLED = shapely.Polygon(
    [(119, 28), (121.7, 28.4), (122.1, 30.9), (119.6, 30.2)], [[(120, 29), (120.5, 29.1), (120.4, 29.6)]]
)


@pytest.mark.parametrize("grid", [LAMBERT, LONLAT], ids=["lambert", "lonlat"])
@pytest.mark.parametrize("corners", [(119.03, 121.47, 28.111, 30.222), (120.001, 120.002, 29.001, 29.002)])
def test_a_box_has_its_area_on_the_ellipsoid(grid, corners):
    regions = box_regions([box("b", *corners)], grid)
    assert regions.areas[0] == pytest.approx(box_area(*corners), rel=1e-9)
    assert regions.outside_share[0] == pytest.approx(0, abs=1e-9)


def test_a_box_wider_than_the_grid_says_what_lies_outside():
    regions = box_regions([box("b", 120, 130, 28, 30)], LONLAT)
    assert regions.areas[0] == pytest.approx(box_area(120, 123, 28, 30), rel=1e-9)
    assert regions.outside_share[0] == pytest.approx(0.7, rel=1e-9)


@pytest.mark.parametrize("grid", [LAMBERT, LONLAT], ids=["lambert", "lonlat"])
def test_shares_lie_in_0_to_1_and_total_of_ones_is_the_area(grid):
    regions = polygons(grid, HOLED, shapely.box(117, 26, 124, 32))
    assert regions.fractions.data.min() > 0
    assert regions.fractions.data.max() <= 1
    np.testing.assert_allclose(regions.totals(np.ones(grid.shape)), regions.areas, rtol=1e-14)
    assert regions.totals(np.ones((4, 2, *grid.shape))).shape == (4, 2, 2)
    np.testing.assert_allclose(regions.weights.sum(axis=1), regions.areas, rtol=1e-14)


def test_shares_of_a_region_and_of_the_rest_add_up_to_one():
    whole = shapely.box(117, 26, 124, 33)
    regions = polygons(LAMBERT, HOLED, shapely.difference(whole, HOLED))
    np.testing.assert_allclose(regions.fractions.sum(axis=0), 1.0, rtol=1e-12)


def test_shares_agree_with_counting_points_in_the_plane():
    lon, lat = np.meshgrid(np.linspace(118, 123, 2001)[:-1] + 0.00125, np.linspace(27, 31.5, 1801)[:-1] + 0.00125)
    inside = shapely.contains_xy(HOLED, lon, lat).reshape(45, 40, 50, 40).mean(axis=(1, 3))
    found = polygons(LONLAT, HOLED).fractions.toarray().reshape(LONLAT.shape)
    np.testing.assert_allclose(found, inside, atol=0.01)


@pytest.mark.parametrize("grid", [LAMBERT, LONLAT], ids=["lambert", "lonlat"])
def test_two_grids_give_a_polygon_one_area(grid):
    fine = Grid("EPSG:4326", np.linspace(117, 124, 8), np.linspace(26, 32, 7))
    assert polygons(grid, HOLED).areas[0] == pytest.approx(polygons(fine, HOLED).areas[0], rel=1e-12)


def test_moving_a_polygon_by_whole_cells_moves_its_shares():
    here = polygons(LONLAT, HOLED).fractions.toarray().reshape(LONLAT.shape)
    moved = polygons(LONLAT, shapely.transform(HOLED, lambda c: c + np.array([0.3, 0.0])))
    there = moved.fractions.toarray().reshape(LONLAT.shape)
    np.testing.assert_allclose(there[:, 3:], here[:, :-3], atol=1e-9)


@pytest.mark.parametrize("turn", [-360.0, 0.0, 360.0])
def test_whole_turns_of_longitude_change_nothing(turn):
    corners = (-3.0 + turn, 8.0 + turn, 44.0, 52.0)
    polygon = shapely.box(corners[0], corners[2], corners[1], corners[3])
    found = polygons(GLOBAL, polygon)
    assert found.areas[0] == pytest.approx(box_area(-3, 8, 44, 52), rel=1e-9)
    west = found.fractions.toarray().reshape(GLOBAL.shape)[:, -1]
    assert west.max() == pytest.approx(0.6)


def test_long_edges_are_straight_in_lonlat():
    # the triangle's edge is the line lat = 27.5 + 0.8 (lon - 118.5): cells are shared along it, not along the plane's
    triangle = shapely.Polygon([(118.5, 27.5), (122.5, 27.5), (122.5, 30.7)])
    area, _ = quad(lambda lon: box_area(lon, lon + 1, 27.5, 27.5 + 0.8 * (lon - 118.5)), 118.5, 122.5)
    assert polygons(LAMBERT, triangle).areas[0] == pytest.approx(area, rel=1e-6)


def test_a_polygon_that_crosses_itself_is_repaired_and_named():
    bow = shapely.Polygon([(119, 28), (121, 30), (121, 28), (119, 30)])
    halves = shapely.union_all(
        [shapely.Polygon([(119, 28), (120, 29), (119, 30)]), shapely.Polygon([(121, 28), (121, 30), (120, 29)])]
    )
    regions = polygons(LONLAT, HOLED, bow, halves)
    assert regions.repaired == ("p1",)
    assert regions.areas[1] == pytest.approx(regions.areas[2], rel=1e-8)


def test_a_coast_of_many_points_is_cut_without_loss():
    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    radius = 1 + 0.2 * np.sin(40 * angle) + 0.05 * np.sin(333 * angle)
    coast = shapely.Polygon(np.stack([120.5 + 1.5 * radius * np.cos(angle), 29.2 + 1.3 * radius * np.sin(angle)], 1))
    coarse = Grid("EPSG:4326", np.array([115.0, 126.0]), np.array([25.0, 34.0]))
    assert polygons(LAMBERT, coast).areas[0] == pytest.approx(polygons(coarse, coast).areas[0], rel=1e-12)


def test_a_region_wholly_outside_the_grid_is_refused_by_name():
    with pytest.raises(GridError, match=r"must reach into the grid; got 'far'.*lon 118\.05 to 122\.95"):
        box_regions([box("near", 119, 120, 28, 29), box("far", 10, 11, 50, 51)], LONLAT)


def test_a_region_without_area_is_refused_by_name():
    for shape in (shapely.Polygon(), shapely.Polygon([(119, 28), (120, 29), (119, 28)])):
        with pytest.raises(GridError, match="must have an area; got 'p1'"):
            polygons(LONLAT, HOLED, shape)


def test_an_id_used_twice_is_refused():
    with pytest.raises(GridError, match=r"ids must be unique; got \['b'\]"):
        box_regions([box("b", 119, 120, 28, 29), box("b", 120, 121, 28, 29)], LONLAT)


@pytest.mark.parametrize("corners", [(28, 29, 119, 120), (120, 119, 28, 29), (119, 120, 29, 28), (-300, 300, 0, 1)])
def test_an_impossible_box_is_refused(corners):
    with pytest.raises(ValueError, match=r"box must be west < east"):
        box("b", *corners)
