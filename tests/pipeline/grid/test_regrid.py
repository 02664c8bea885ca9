import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import GridError
from pipeline.grid import Grid, lambert_grid, overlap, regrid_density, regrid_total
from pipeline.grid.overlap import Overlap, intersect
from pipeline.grid.plane import TURN

LAMBERT = lambert_grid(west=119, east=121, south=29, north=30.5, spacing=15000, margin=10000)
INSIDE = Grid("EPSG:4326", np.linspace(119.3, 120.7, 15), np.linspace(29.2, 30.2, 11))
AROUND = Grid("EPSG:4326", np.linspace(118, 122, 17), np.linspace(28, 31.5, 15))
CUT = Grid("EPSG:4326", np.linspace(120.05, 122.05, 21), np.linspace(28.33, 29.83, 16))
GLOBAL = Grid("EPSG:4326", np.linspace(0, 360, 181), np.linspace(-90, 90, 91))
UTM = Grid("EPSG:32651", 200e3 + 12e3 * np.arange(20), 3200e3 + 12e3 * np.arange(15))
NESTED = Grid(LAMBERT.crs, LAMBERT.x_edges[1::3], LAMBERT.y_edges[:-1:2])

PAIRS = {
    "lonlat inside lambert": (INSIDE, LAMBERT),
    "lonlat around lambert": (AROUND, LAMBERT),
    "lonlat cut by lambert": (CUT, LAMBERT),
    "lambert to lonlat around": (LAMBERT, AROUND),
    "lambert to lonlat cut": (LAMBERT, CUT),
    "global to lambert": (GLOBAL, LAMBERT),
    "lambert to global": (LAMBERT, GLOBAL),
    "lonlat to lonlat": (CUT, AROUND),
    "global to lonlat": (GLOBAL, CUT),
    "lambert to utm": (LAMBERT, UTM),
    "utm to lambert": (UTM, LAMBERT),
    "fine to nested": (LAMBERT, NESTED),
    "nested to fine": (NESTED, LAMBERT),
}
OVERLAPS = {name: overlap(*pair) for name, pair in PAIRS.items()}


def lognormal(grid, *leading):
    return np.random.default_rng(7).lognormal(0, 2, (*leading, *grid.shape))


@pytest.mark.parametrize("name", PAIRS)
def test_density_keeps_the_integral_over_area(name):
    shared = OVERLAPS[name]
    field = lognormal(shared.source, 3)
    result = regrid_density(field, shared)
    inside = (result.field * shared.target.area).sum(axis=(-2, -1))
    np.testing.assert_allclose(inside + result.outside, (field * shared.source.area).sum(axis=(-2, -1)), rtol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_totals_keep_the_sum(name):
    shared = OVERLAPS[name]
    field = lognormal(shared.source, 2, 2)
    result = regrid_total(field, shared)
    assert result.outside.shape == (2, 2)
    np.testing.assert_allclose(result.field.sum(axis=(-2, -1)) + result.outside, field.sum(axis=(-2, -1)), rtol=1e-12)


@pytest.mark.parametrize("name", ["lonlat inside lambert", "lambert to lonlat around", "lambert to global"])
def test_nothing_of_a_source_inside_the_target_falls_outside(name):
    assert not OVERLAPS[name].outside_share.any()
    field = lognormal(OVERLAPS[name].source)
    result = regrid_total(field, OVERLAPS[name])
    assert result.outside == 0.0
    assert result.field.sum() == pytest.approx(field.sum(), rel=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_a_constant_density_stays_constant_where_covered_and_scales_with_coverage_elsewhere(name):
    shared = OVERLAPS[name]
    result = regrid_density(np.full(shared.source.shape, 3.5), shared)
    np.testing.assert_allclose(result.field, 3.5 * shared.coverage, rtol=1e-11, atol=1e-12)
    assert ((shared.coverage >= 0) & (shared.coverage <= 1)).all()


@pytest.mark.parametrize("name", ["lonlat around lambert", "global to lambert", "global to lonlat"])
def test_a_source_around_the_target_covers_it_wholly(name):
    assert (OVERLAPS[name].coverage == 1).all()
    assert (OVERLAPS[name].outside_share == 1).any()


@pytest.mark.parametrize("grid", [LAMBERT, INSIDE, GLOBAL], ids=["lambert", "lonlat", "global"])
def test_regridding_to_the_same_grid_changes_nothing(grid):
    field = lognormal(grid)
    shared = overlap(grid, grid)
    assert shared.area.nnz == grid.size
    np.testing.assert_allclose(regrid_density(field, shared).field, field, rtol=1e-14)
    np.testing.assert_allclose(regrid_total(field, shared).field, field, rtol=1e-14)
    assert regrid_density(field, shared).outside == 0


def test_outlines_of_equal_grids_give_the_identity_too():
    area = intersect(LAMBERT, LAMBERT)
    np.testing.assert_allclose(area.toarray(), np.diag(LAMBERT.area.ravel()), rtol=1e-12, atol=1e-3)


def test_regridding_is_linear():
    shared = OVERLAPS["lonlat cut by lambert"]
    a, b = lognormal(CUT, 2)
    for regrid in (regrid_density, regrid_total):
        both = regrid(2 * a - 3 * b, shared)
        np.testing.assert_allclose(both.field, 2 * regrid(a, shared).field - 3 * regrid(b, shared).field, atol=1e-9)
        np.testing.assert_allclose(both.outside, 2 * regrid(a, shared).outside - 3 * regrid(b, shared).outside)


def test_leading_dimensions_are_regridded_one_by_one():
    shared = OVERLAPS["lonlat around lambert"]
    fields = lognormal(AROUND, 2, 3)
    many = regrid_density(fields, shared)
    assert many.field.shape == (2, 3, *LAMBERT.shape)
    np.testing.assert_allclose(many.field[1, 2], regrid_density(fields[1, 2], shared).field, rtol=1e-14)


def test_rectangles_and_outlines_agree():
    for source, target in [(CUT, AROUND), (GLOBAL, CUT), (AROUND, GLOBAL)]:
        exact, outlines = overlap(source, target).area, intersect(source, target)
        assert abs(exact - outlines).max() < 1e-9 * exact.max()


def test_common_cells_and_outlines_agree_to_the_bend_of_the_sides():
    # outlines of large cells cut across the bend of their sides; the common cells do not
    exact, outlines = OVERLAPS["nested to fine"].area, intersect(NESTED, LAMBERT)
    assert abs(exact - outlines).max() < 1e-3 * exact.max()


def test_overlap_back_is_the_transpose():
    there, back = overlap(CUT, LAMBERT).area, overlap(LAMBERT, CUT).area
    assert abs(there - back.T).max() < 1e-9 * there.max()


@pytest.mark.parametrize("turn", [-360.0, 360.0, 720.0])
@pytest.mark.parametrize("target", [AROUND, LAMBERT], ids=["lonlat", "lambert"])
def test_whole_turns_of_longitude_change_nothing(turn, target):
    turned = Grid("EPSG:4326", CUT.x_edges + turn, CUT.y_edges)
    difference = overlap(turned, target).area - overlap(CUT, target).area
    assert abs(difference).max() < 1e-9 * target.area.max()


def test_a_source_from_0_to_360_covers_a_target_across_greenwich():
    field = lognormal(GLOBAL)
    turned = Grid("EPSG:4326", GLOBAL.x_edges - 180, GLOBAL.y_edges)
    for target in (
        Grid("EPSG:4326", np.linspace(-11, 9, 41), np.linspace(45, 60, 31)),
        lambert_grid(west=-10, east=8, south=46, north=60, spacing=100e3),
    ):
        one, two = overlap(GLOBAL, target), overlap(turned, target)
        assert (one.coverage == 1).all()
        np.testing.assert_allclose(
            regrid_density(field, one).field,
            regrid_density(np.roll(field, 90, axis=1), two).field,
            rtol=1e-9,
        )


def test_cells_across_the_date_line_are_kept_whole():
    fiji = lambert_grid(west=176, east=184, south=-22, north=-14, spacing=40e3)
    assert fiji.area.max() < 1.1 * fiji.area.min()
    for lonlat in (GLOBAL, Grid("EPSG:4326", GLOBAL.x_edges - 180, GLOBAL.y_edges)):
        field = lognormal(fiji)
        result = regrid_total(field, overlap(fiji, lonlat))
        assert result.field.sum() == pytest.approx(field.sum(), rel=1e-12)
        assert (overlap(lonlat, fiji).coverage == 1).all()


def test_the_plane_turns_by_the_length_of_the_equator():
    assert pytest.approx(40075016.6856, rel=1e-10) == TURN


@pytest.mark.parametrize(
    ("values", "count"), [([np.nan], 1), ([np.nan, np.inf, -np.inf], 3)], ids=["nan", "nan and infinity"]
)
def test_missing_source_values_are_refused_with_their_number(values, count):
    field = lognormal(CUT)
    field.ravel()[: len(values)] = values
    for regrid in (regrid_density, regrid_total):
        with pytest.raises(GridError, match=f"must be finite; got '{count} of 300 values missing'"):
            regrid(field, OVERLAPS["lonlat cut by lambert"])


def test_masked_source_values_are_missing_values():
    field = np.ma.masked_less(lognormal(CUT), 0.5)
    with pytest.raises(GridError, match=f"got '{field.mask.sum()} of 300"):
        regrid_density(field, OVERLAPS["lonlat cut by lambert"])


def test_a_field_on_another_grid_is_refused():
    with pytest.raises(GridError, match=r"on the source grid; got \(21, 15\)"):
        regrid_density(np.ones((21, 15)), OVERLAPS["lonlat cut by lambert"])


@pytest.mark.parametrize("target", [AROUND, LAMBERT], ids=["lonlat", "lambert"])
def test_grids_that_do_not_touch_are_refused(target):
    far = Grid("EPSG:4326", np.linspace(-5, 5, 6), np.linspace(50, 55, 6))
    with pytest.raises(GridError, match=r"must cover part of the target; got 'lon -5\.00 to 5\.00"):
        overlap(far, target)
    with pytest.raises(GridError, match="must cover part of the target"):
        overlap(Grid(LAMBERT.crs, LAMBERT.x_edges + 5e6, LAMBERT.y_edges), LAMBERT)


def edges(low, high, most):
    """Ascending rows of edges with steps between a tenth and one part of the width."""
    steps = st.lists(st.floats(0.1, 1.0), min_size=1, max_size=most)
    start = st.floats(low, low + (high - low) / 2)
    return st.tuples(start, steps, st.floats(0.1, 1.0)).map(
        lambda t: t[0] + (high - t[0]) * t[2] * np.concatenate([[0.0], np.cumsum(t[1])]) / np.sum(t[1])
    )


@settings(max_examples=60, deadline=None)
@given(edges(100, 140, 5), edges(10, 50, 4), edges(100, 140, 5), edges(10, 50, 4), st.integers(0, 2**32 - 1))
def test_any_rectilinear_grids_keep_mass(x_source, y_source, x_target, y_target, seed):
    source, target = Grid("EPSG:4326", x_source, y_source), Grid("EPSG:4326", x_target, y_target)
    try:
        shared: Overlap = overlap(source, target)
    except GridError:
        assert (
            x_source[-1] <= x_target[0]
            or x_target[-1] <= x_source[0]
            or (y_source[-1] <= y_target[0] or y_target[-1] <= y_source[0])
        )
        return
    field = np.random.default_rng(seed).lognormal(0, 2, source.shape)
    dense = regrid_density(field, shared)
    mass = (field * source.area).sum()
    assert (dense.field * target.area).sum() + dense.outside == pytest.approx(mass, rel=1e-12)
    total = regrid_total(field, shared)
    assert total.field.sum() + total.outside == pytest.approx(field.sum(), rel=1e-12)
    outlines = intersect(source, target)
    assert abs(shared.area - outlines).max() < 1e-9 * source.area.max()
