"""Receptors of stations and columns in one dataset: one for every observation that can be used, in one order."""

import numpy as np
import pytest
import xarray as xr
from column_files import column_case, write_columns
from station_files import gcwerks, minutes, registry

from pipeline.ingest.receptors import all_receptors, merge, station_receptors
from pipeline.ingest.stations import read_stations
from pipeline.inversion import match_rows
from pipeline.schema import check, is_used

STATION = {"id": "ABC", "format": "gcwerks", "files": ["abc.dat"], "height": 50, "representation_error": 5.0}


@pytest.fixture
def folder(tmp_path):
    """Four hours of a station, the third too short, and three soundings, one of poor quality."""
    times = [t for t in minutes("2022-12-07T02:00", 240) if not (t.hour == 4 and t.minute > 10)]
    noise = np.random.default_rng(3).normal(0, 1, (2, len(times)))
    gcwerks(tmp_path / "abc.dat", times, 420 + noise[0], ch4=1950 + noise[1])
    write_columns(tmp_path / "t.nc", [0, 0, 5], [148.5, 148.4, 148.3], [-23.5, -23.4, -23.3], qa=[1.0, 0.1, 1.0])
    return tmp_path


def read(folder, **changes):
    return all_receptors(column_case(**changes), folder, registry(folder))


def test_every_used_observation_has_its_receptor_and_no_other(folder):
    observations, receptors, accounts, notes = read(folder, stations=[STATION])
    check(receptors, "receptors")
    check(observations, "observations")
    used = is_used(observations["flag"].values)
    assert (used.size, used.sum()) == (7, 5)
    # the inversion matches a footprint by the receptor's keys
    rows = match_rows(observations, receptors)
    assert np.array_equal(rows >= 0, used)
    assert sorted(rows[used]) == list(range(5))
    assert "receptors: 2 of 7 observations are flagged, and have none" in notes
    assert [told.station for told in accounts] == ["ABC", "TROPOMI"]


def test_points_and_columns_keep_their_kind_side_by_side(folder):
    _, receptors, _, _ = read(folder, stations=[STATION])
    column = np.char.startswith(receptors["station"].values.astype(str), "TROPOMI-")
    assert column.sum() == 2
    assert np.all(receptors["duration"].values == np.where(column, 0.0, 3600.0))
    for name in ("averaging_kernel", "pressure_edge"):
        assert np.array_equal(np.isfinite(receptors[name].values).all(axis=1), column)
        assert np.array_equal(np.isnan(receptors[name].values).all(axis=1), ~column)
    assert np.all(receptors["height"].values == np.where(column, 6000.0, 50.0))


def test_a_point_is_all_air_of_the_model_beside_columns(folder):
    observations, _, _, _ = read(folder, stations=[STATION])
    assert np.all(observations["prior_part"].values == 0)
    # these files hold no prior profile, so neither do their columns
    assert np.all(observations["kernel_sum"].values == 1)
    assert "kernel_sum" not in all_receptors(column_case(files=(), stations=[STATION]), folder, registry(folder))[0]


def test_rows_are_sorted_by_time_station_and_height(folder):
    for dataset in read(folder, stations=[{**STATION, "height": 10}, STATION])[:2]:
        keys = [
            (int(t), str(s), float(h))
            for t, s, h in zip(
                dataset["time"].values.astype(np.int64), dataset["station"].values, dataset["height"].values,
                strict=True,
            )
        ]  # fmt: skip
        assert keys == sorted(keys)


def test_a_case_of_stations_alone_has_points_alone(folder):
    case = column_case(files=(), stations=[STATION])
    observations, receptors, _, _ = all_receptors(case, folder, registry(folder))
    assert "averaging_kernel" not in receptors
    xr.testing.assert_identical(observations, read_stations(case, folder, registry(folder))[0])


def test_a_case_of_columns_alone_needs_no_station(folder):
    observations, receptors, _, notes = read(folder)
    assert observations.sizes["obs"] == 3
    assert receptors.sizes["obs"] == 2
    assert notes[-1] == "receptors: 1 of 3 observations are flagged, and have none"


def test_a_station_releases_over_its_whole_hour(folder):
    observations, _, _, _ = all_receptors(column_case(files=(), stations=[STATION]), folder, registry(folder))
    points = station_receptors(observations)
    assert points.sizes["obs"] == observations.sizes["obs"] == 4
    assert np.all(points["duration"].values == 3600)
    for name in ("time", "station", "lon", "lat", "height"):
        assert np.array_equal(points[name].values, observations[name].values)


def test_the_order_of_the_parts_does_not_matter(folder):
    _, both, _, _ = read(folder, stations=[STATION])
    parts = [both.isel(obs=slice(0, 3)), both.isel(obs=slice(3, None))]
    xr.testing.assert_identical(merge(parts), both)
    xr.testing.assert_identical(merge(parts[::-1]), both)
