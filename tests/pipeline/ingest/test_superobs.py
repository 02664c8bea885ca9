"""Super-observations: the averaged operator is the average of the operators, and its error follows the formula."""

import numpy as np
import pandas as pd
import pytest
from column_files import column_case, write_columns
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grid import Grid
from pipeline.ingest.columns import read_columns
from pipeline.ingest.superobs import averaged, blocks
from pipeline.schema import Flag, check, is_used

RANDOM = np.random.default_rng(11)
PROFILE_AT = (np.arange(2000) + 0.5) / 2000


def table(count, **changes):
    return pd.DataFrame(
        {
            "time": pd.Timestamp("2024-07-15T06:00:00") + pd.to_timedelta(np.arange(count), unit="s"),
            "lon": 120.0 + 0.01 * np.arange(count),
            "lat": 30.0 + 0.01 * np.arange(count),
            "value": 420.0 + RANDOM.normal(0, 1, count),
            "uncertainty": 0.5 + RANDOM.random(count),
            "prior_part": RANDOM.normal(0, 3, count),
            "kernel_sum": 0.9 + 0.1 * RANDOM.random(count),
            "spread": np.nan,
            "count": 1,
            "bits": np.zeros(count, np.uint32),
            "station": "A-1",
        }
    ).assign(**changes)


def layered(count, layers, *, equal):
    """Return kernels and edges; of three decimals, so that edges are what they are."""
    inner = np.sort(np.round(RANDOM.uniform(0.01, 0.99, (count, layers - 1)), 3), axis=1)[:, ::-1]
    if equal:
        inner = np.broadcast_to(np.linspace(1, 0, layers + 1)[1:-1], (count, layers - 1))
    edge = np.column_stack([np.ones(count), inner, np.zeros(count)])
    return 0.5 + RANDOM.random((count, layers)), edge


def column(kernel, edge, profile):
    """integral A(s) x(s) ds of steps between edges, by an even sum that the edges' decimals divide."""
    layer = np.clip(np.searchsorted(-edge, -PROFILE_AT, side="right") - 1, 0, kernel.size - 1)
    return np.mean(kernel[layer] * profile)


@pytest.mark.parametrize("equal", [True, False], ids=["same layers", "other layers"])
def test_the_averaged_operator_of_any_profile_is_the_average_of_the_operators(equal):
    rows = table(5)
    kernel, edge = layered(5, 6 if not equal else 8, equal=equal)
    mean, kernels, edges = averaged(rows, kernel, edge, np.zeros(5, int), 0.5)
    for _ in range(5):
        profile = 400 + 50 * RANDOM.random(PROFILE_AT.size)
        each = [p + column(k, e, profile) for p, k, e in zip(rows["prior_part"], kernel, edge, strict=True)]
        assert mean["prior_part"][0] + column(kernels[0], edges[0], profile) == pytest.approx(np.mean(each), rel=1e-12)
    assert mean["value"][0] == pytest.approx(rows["value"].mean(), rel=1e-14)
    assert mean["kernel_sum"][0] == pytest.approx(rows["kernel_sum"].mean(), rel=1e-14)
    assert kernels[0].size == (8 if equal else np.unique(edge).size - 1)


@given(count=st.integers(1, 40), sigma=st.floats(0.1, 50), correlation=st.floats(0, 1))
def test_of_equal_errors_the_error_of_the_mean_is_the_published_formula(count, sigma, correlation):
    """sigma_o^2 ((1 - r) / p + r), Chen et al. (2023)."""
    rows = table(count, uncertainty=sigma)
    kernel, edge = np.ones((count, 2)), np.tile([1.0, 0.5, 0.0], (count, 1))
    mean = averaged(rows, kernel, edge, np.zeros(count, int), correlation)[0]
    expected = sigma**2 * ((1 - correlation) / count + correlation)
    assert mean["uncertainty"][0] ** 2 == pytest.approx(expected, rel=1e-12)
    assert mean["count"][0] == count


def test_of_any_errors_it_is_that_of_a_mean_of_errors_that_correlate_by_r():
    rows = table(6)
    sigma, r = rows["uncertainty"].to_numpy(), 0.55
    dense = np.outer(sigma, sigma) * (r + (1 - r) * np.eye(6))
    mean = averaged(rows, np.ones((6, 2)), np.tile([1.0, 0.5, 0.0], (6, 1)), np.zeros(6, int), r)[0]
    assert mean["uncertainty"][0] ** 2 == pytest.approx(dense.mean(), rel=1e-12)


def test_one_sounding_alone_is_itself():
    rows = table(1)
    kernel, edge = layered(1, 5, equal=False)
    mean, kernels, edges = averaged(rows, kernel, edge, np.zeros(1, int), 0.3)
    pd.testing.assert_frame_equal(mean, rows)
    np.testing.assert_array_equal(kernels[0], kernel[0])
    np.testing.assert_array_equal(edges[0], edge[0])


def test_a_group_over_the_date_line_lies_on_it():
    mean = averaged(table(2, lon=[179.9, -179.9]), np.ones((2, 1)), np.tile([1.0, 0.0], (2, 1)), np.zeros(2, int), 0)[0]
    assert abs(mean["lon"][0]) == pytest.approx(180.0)


def test_blocks_are_of_so_many_cells_a_side():
    grid = Grid.from_centres("EPSG:4326", 118.05 + 0.1 * np.arange(7), 28.05 + 0.1 * np.arange(5))
    lon, lat = grid.lonlat
    one, two = (blocks(lon.ravel(), lat.ravel(), grid, cells).reshape(grid.shape) for cells in (1, 2))
    assert np.unique(one).size == grid.size
    assert np.unique(two).size == 4 * 3
    assert np.unique(two[:2, :2]).size == 1
    assert two[0, 1] != two[0, 2]


# cells of the case are half a degree: three soundings in one, two passes over it, and one elsewhere
SECONDS = [0, 1, 2, 6000, 6001, 3]
LON, LAT = [148.0, 148.1, 148.2, 148.0, 148.1, 149.0], [-23.5, -23.45, -23.4, -23.5, -23.45, -23.0]


def test_soundings_of_a_cell_and_pass_are_one_and_the_flagged_stay_out(tmp_path):
    write_columns(tmp_path / "a.nc", SECONDS, LON, LAT, xch4=[1850.0, 1860.0, 1900.0, 1870.0, 1880.0, 1890.0],
                  qa=[1, 1, 0.1, 1, 1, 1])  # fmt: skip
    observations, receptors, accounts, notes = read_columns(
        column_case(superobs_cells=1, superobs_correlation=0.5), tmp_path
    )
    check(observations, "observations")
    check(receptors, "receptors")
    used = is_used(observations["flag"].values)
    assert sorted(observations["value"].values[used]) == [1855.0, 1875.0, 1890.0]
    assert sorted(observations["count"].values[used]) == [1, 2, 2]
    assert observations["flag"].values[~used].tolist() == [int(Flag.INSTRUMENT)]
    pair = np.flatnonzero(observations["value"].values == 1855.0)[0]
    assert observations["uncertainty"].values[pair] == pytest.approx(20 * np.sqrt(0.75))
    assert observations["spread"].values[pair] == pytest.approx(np.sqrt(50))
    assert observations["station"].values[pair] == "TROPOMI-20221207T034425-23.475+148.050"
    # the operator of the pair is the mean of the two
    np.testing.assert_allclose(
        receptors["averaging_kernel"].values[pair], 0.7 + 0.03 * np.arange(12)[::-1] + 0.0005, rtol=1e-12
    )
    assert accounts[0].hours_usable == 5
    assert "TROPOMI: 5 soundings of 2 pass(es) make 3 super-observations" in notes


def test_a_pass_over_the_full_hour_is_averaged_in_each_hour_so_that_a_window_of_one_makes_the_same(tmp_path):
    hour = np.timedelta64(60 * 15 + 35, "s") / np.timedelta64(1, "s")  # of START: 03:44:25
    write_columns(tmp_path / "a.nc", hour + np.array([-2, -1, 0, 1]), 148.0 + 0.05 * np.arange(4), [-23.5] * 4)
    whole = read_columns(column_case(superobs_cells=1), tmp_path)[0]
    assert whole["count"].values.tolist() == [2, 2]
    later = read_columns(column_case(superobs_cells=1, hours=("2022-12-07T04", "2022-12-07T05")), tmp_path)[0]
    assert later.identical(whole.isel(obs=[1]))


def test_without_the_setting_every_sounding_stays(tmp_path):
    write_columns(tmp_path / "a.nc", SECONDS, LON, LAT)
    observations = read_columns(column_case(), tmp_path)[0]
    assert observations.sizes["obs"] == 6
    assert set(observations["count"].values) == {1}
    assert "track" not in observations


def test_the_product_says_how_errors_correlate_when_the_case_does_not(tmp_path):
    write_columns(tmp_path / "a.nc", SECONDS[:2], LON[:2], LAT[:2])
    observations = read_columns(column_case(superobs_cells=2), tmp_path)[0]
    assert observations["uncertainty"].values == pytest.approx([20 * np.sqrt(0.45 / 2 + 0.55)])


def test_a_correlation_without_averaging_is_refused():
    with pytest.raises(ValueError, match="superobs_correlation goes with superobs_cells"):
        column_case(superobs_correlation=0.5)
