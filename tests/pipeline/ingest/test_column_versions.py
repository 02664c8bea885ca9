"""Versions never mixed, and of two editions of one granule the later: incidents that operators had."""

import numpy as np
import pytest
from column_files import column_case
from granule_files import oco_numbers, write_oco, write_s5p

from pipeline.errors import ConfigError
from pipeline.ingest.columns import AGAIN, read_columns
from pipeline.ingest.soundings import Identity
from pipeline.schema import Flag, is_used
from pipeline.settings.sections import Axis

LON, LAT = [120.0, 120.02, 120.04], [30.0, 30.02, 30.04]
EARLY, LATE = {"creation_date": "Feb 03, 2021"}, {"creation_date": "Nov 20, 2020"}


def case(files=("*",), species="co2", layout="oco2-lite", more=(), hours=("2024-07-15T00", "2024-07-16T00")):
    settings = column_case(files, species=species, format=layout, id="SAT", hours=hours)
    grid = settings.grid.model_copy(
        update={"x": Axis(first=119, step=0.5, count=6), "y": Axis(first=29, step=0.5, count=5)}
    )
    columns = [*settings.columns, *(settings.columns[0].model_copy(update=other) for other in more)]
    return settings.model_copy(update={"grid": grid, "columns": columns})


@pytest.mark.parametrize(
    ("attrs", "changes", "said"),
    [
        ({"BuildId": "B10.2.06"}, {"without": ("xco2_x2019",)}, "b.nc4 is OCO-2 Lite 10.2, xco2 on WMO CO2 X2007"),
        ({"BuildId": "B11.1.05"}, {}, "b.nc4 is OCO-2 Lite 11.1, xco2_x2019 on WMO CO2 X2019"),
        ({}, {"xco2_ML": np.full(3, 422.0), "xco2_quality_flag_ML": np.zeros(3)}, "b.nc4 is OCO-2 Lite 11.2, xco2_ML"),
    ],
    ids=["x2007", "build", "ml"],
)
def test_two_versions_or_variants_in_one_window_are_refused_by_both_files(tmp_path, attrs, changes, said):
    write_oco(tmp_path / "a.nc4", LON, LAT)
    write_oco(tmp_path / "b.nc4", LON, LAT, attrs=attrs, **changes)
    told = "must not be mixed in one window; got 'a.nc4 is OCO-2 Lite 11.2, xco2_x2019 on WMO CO2 X2019; " + said
    with pytest.raises(ConfigError, match=told):
        read_columns(case(), tmp_path)
    # a section of its own makes them no less mixed
    with pytest.raises(ConfigError, match=told):
        read_columns(case(["a.nc4"], more=[{"id": "OTHER", "files": ["b.nc4"]}]), tmp_path)


def test_two_products_stand_side_by_side(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT)
    write_oco(tmp_path / "b.nc4", LON, LAT, attrs={"Platform": "OCO-3"})
    assert read_columns(case(), tmp_path)[2][0].rows_read == 3


def test_a_processor_that_changed_within_the_window_is_refused(tmp_path):
    lon, lat = np.array([LON]), np.array([LAT])
    write_s5p(tmp_path / "a.nc", lon, lat, start="2024-07-15T05:00:00")
    write_s5p(tmp_path / "b.nc", lon, lat, start="2024-07-15T06:40:00", attrs={"processor_version": "02.08.00"})
    with pytest.raises(ConfigError, match=r"a.nc is TROPOMI CH4 2.07.*; b.nc is TROPOMI CH4 2.08"):
        read_columns(case(species="ch4", layout="tropomi-l2"), tmp_path)


def test_a_reissued_granule_supersedes_the_older_whole(tmp_path):
    """OCO-2 of 2020: pointing 300 m wrong, files made anew under the same version; one sounding did not come back."""
    numbers = oco_numbers(LON, LAT)
    write_oco(tmp_path / "older.nc4", LON, LAT, attrs=LATE)
    moved = [value + 0.003 for value in LAT[:2]]
    write_oco(tmp_path / "newer.nc4", LON[:2], moved, attrs=EARLY, xco2_x2019=np.full(2, 424.0),
              sounding_id=numbers["sounding_id"][:2])  # fmt: skip
    observations, receptors, accounts, _ = read_columns(case(), tmp_path)
    used = is_used(observations["flag"].values)
    np.testing.assert_allclose(observations["value"].values[used], [424.0, 424.0], rtol=1e-6)
    assert (observations["flag"].values[~used] == int(Flag.SUPERSEDED)).all()
    rows = {told.source: told.rows for told in accounts}
    assert rows == {"older.nc4": {"used, flagged superseded": 3}, "newer.nc4": {"used": 2}}
    assert receptors.sizes["obs"] == 5


def test_days_on_which_every_flag_is_bad_are_a_gap_and_the_other_days_are_as_they_were(tmp_path):
    """GOSAT of January 2020: eight days without one good sounding, by a fault of the year's change."""
    first = oco_numbers(LON, LAT)
    for day in range(8):
        write_oco(tmp_path / f"{day}.nc4", LON, LAT, xco2_quality_flag=np.ones(3), time=first["time"] + 86400.0 * day,
                  sounding_id=first["sounding_id"] + 1000000 * day)  # fmt: skip
    write_oco(tmp_path / "9.nc4", LON, LAT, time=first["time"] + 86400.0 * 9,
              sounding_id=first["sounding_id"] + 9000000)  # fmt: skip
    observations, _, accounts, _ = read_columns(case(hours=("2024-07-15T00", "2024-07-25T00")), tmp_path)
    assert [told.hours_usable for told in accounts] == [0] * 8 + [3]
    assert [told.refused for told in accounts] == [None] * 9
    used = is_used(observations["flag"].values)
    assert set(observations["time"].values[used].astype("datetime64[D]").astype(str)) == {"2024-07-24"}
    assert (observations["flag"].values[~used] == int(Flag.INSTRUMENT)).all()


def test_a_higher_build_supersedes_whatever_the_date_says(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT, attrs={"BuildId": "B11.2.10", **LATE})
    write_oco(tmp_path / "b.nc4", LON, LAT, attrs={"BuildId": "B11.2.9", **EARLY}, xco2_x2019=np.full(3, 425.0))
    observations, _, accounts, _ = read_columns(case(), tmp_path)
    assert [told.hours_usable for told in accounts] == [3, 0]
    np.testing.assert_allclose(observations["value"].values[is_used(observations["flag"].values)], 423.0, rtol=1e-6)


def test_granules_that_share_no_sounding_are_no_editions_of_each_other(tmp_path):
    later = oco_numbers(LON, LAT)["sounding_id"] + 1000
    write_oco(tmp_path / "a.nc4", LON, LAT, attrs=LATE)
    write_oco(tmp_path / "b.nc4", LON, LAT, attrs=EARLY, sounding_id=later, time=1721030000.0 + np.arange(3))
    assert [told.hours_usable for told in read_columns(case(), tmp_path)[2]] == [3, 3]


def test_the_same_edition_twice_is_one(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT)
    write_oco(tmp_path / "b.nc4", LON, LAT)
    assert [told.rows for told in read_columns(case(), tmp_path)[2]] == [{"used": 3}, {AGAIN: 3}]


def test_a_swath_made_again_from_a_higher_collection_supersedes(tmp_path):
    lon, lat = np.array([LON]), np.array([LAT])
    stem = "S5P_{}_L2__CH4____20240715T045543_20240715T063713_26671_{}_020700_20240717T012345"
    write_s5p(tmp_path / "a.nc", lon, lat, start="2024-07-15T05:00:00", attrs={"id": stem.format("RPRO", "04")})
    write_s5p(tmp_path / "b.nc", lon + 0.003, lat, start="2024-07-15T05:00:00", attrs={"id": stem.format("OFFL", "03")})
    accounts = read_columns(case(species="ch4", layout="tropomi-l2"), tmp_path)[2]
    assert [told.hours_usable for told in accounts] == [3, 0]


def test_an_identity_says_itself():
    assert str(Identity("One", "", "x", "")) == "One of no stated version, x"
