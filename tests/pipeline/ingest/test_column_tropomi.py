"""TROPOMI's swath and the product blended with GOSAT: what is used of them, and what is refused."""

import numpy as np
import pytest
from column_files import column_case, read_columns, write_columns
from granule_files import S5P_KERNEL, S5P_LAYERS, S5P_PRIOR, write_blended, write_s5p

from pipeline.errors import ConfigError, FormatError, TimeError, UnitError
from pipeline.ingest.column_tropomi import NOT_RETRIEVED
from pipeline.ingest.soundings import OUTSIDE_AREA
from pipeline.schema import Flag, check

#: six pixels of the case's grid, two lines of three
LON, LAT = np.meshgrid([148.0, 148.3], [-23.8, -23.5, -23.2], indexing="ij")
BLENDED = "S5P_BLND_L2__CH4____20221207T025543_20221207T043713_26671_03_020400_20230616T092354.nc"


def case(layout="tropomi-l2", **changes):
    return column_case(format=layout, **changes)


def read(folder, layout="tropomi-l2", **changes):
    return read_columns(case(layout, **changes), folder)


def as_pixels(values):
    return np.asarray(values, float).reshape(LON.shape)


def test_a_pixel_keeps_its_numbers(tmp_path):
    write_s5p(tmp_path / "a.nc", LON, LAT)
    observations, receptors, accounts, notes = read(tmp_path)
    check(observations, "observations")
    check(receptors, "receptors")
    assert observations.sizes["obs"] == 6
    assert set(observations["value"].values) == {1865.0}
    # twice the precision, as the product's page asks
    np.testing.assert_allclose(observations["uncertainty"].values, 10.0, rtol=1e-6)
    assert set(receptors["time"].values.astype("datetime64[s]").astype(str)) == {"2022-12-07T03:44:25"}
    first = np.flatnonzero((receptors["lon"].values < 148.1) & (receptors["lat"].values < -23.7))[0]
    np.testing.assert_allclose(receptors["averaging_kernel"].values[first], S5P_KERNEL, rtol=1e-6)
    share = np.linspace(1.0, 0.0, S5P_LAYERS + 1)
    np.testing.assert_allclose(receptors["pressure_edge"].values, np.tile(share, (6, 1)), atol=1e-6)
    # layers of equal air: weights are 1 / 12
    np.testing.assert_allclose(
        observations["prior_part"].values[first], ((1 - S5P_KERNEL) * S5P_PRIOR).mean(), rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(observations["kernel_sum"].values[first], S5P_KERNEL.mean(), rtol=1e-6)
    assert accounts[0].rows == {"used": 6}
    assert "columns: TROPOMI CH4 2.07, methane_mixing_ratio_bias_corrected_destriped, no scale stated" in notes


def test_before_the_destriped_field_the_bias_corrected_one_is_read(tmp_path):
    write_s5p(tmp_path / "a.nc", LON, LAT, attrs={"processor_version": "02.06.00"})
    assert set(read(tmp_path)[0]["value"].values) == {1860.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"qa_value": as_pixels([0.4, 1, 1, 1, 1, 1])}, "quality value below 1"),
        ({"qa_value": as_pixels([0.99, 1, 1, 1, 1, 1])}, "quality value below 1"),
        ({"surface_classification": as_pixels([1, 0, 0, 0, 0, 0])}, "water"),
        ({"surface_classification": as_pixels([3, 0, 0, 0, 0, 0])}, "coast"),
        # 184 is snow or ice over land, whatever bits 1 and 2 say
        ({"surface_classification": as_pixels([184, 0, 0, 0, 0, 0])}, "snow or ice"),
        (
            {
                "surface_classification": as_pixels([2, 2, 0, 0, 0, 0]),
                "chi_square_SWIR": as_pixels([20001, 20000, 30000, 1, 1, 1]),
            },
            "inland water, chi square above 20000",
        ),
        (
            {"surface_classification": as_pixels([2] + 5 * [0]), "chi_square_SWIR": as_pixels([np.nan] + 5 * [1.0])},
            "inland water, chi square above 20000",
        ),
    ],
)
def test_every_rule_on_quality_and_ground_is_counted_by_its_name(tmp_path, changes, words):
    write_s5p(tmp_path / "a.nc", LON, LAT, **changes)
    observations, _, accounts, _ = read(tmp_path)
    bad = observations["flag"].values == int(Flag.INSTRUMENT)
    assert bad.sum() == 1
    assert (observations["lon"].values[bad][0], observations["lat"].values[bad][0]) == pytest.approx((148.0, -23.8))
    assert accounts[0].rows == {"used": 5, f"{words} (flagged instrument)": 1}
    assert accounts[0].hours_usable == 5


def test_a_case_may_ask_otherwise(tmp_path):
    ground = as_pixels([1, 3, 2, 0, 0, 0])
    write_s5p(tmp_path / "a.nc", LON, LAT, qa_value=as_pixels([1, 1, 1, 0.5, 0.4, 1]), surface_classification=ground,
              chi_square_SWIR=as_pixels(6 * [25000.0]))  # fmt: skip
    asked = {"quality": 0.5, "excluded_surfaces": [1], "chi_square_most": 30000.0, "uncertainty_factor": 1.0}
    observations, _, accounts, _ = read(tmp_path, **asked)
    assert accounts[0].rows == {
        "used": 4, "quality value below 0.5 (flagged instrument)": 1, "water (flagged instrument)": 1
    }  # fmt: skip
    np.testing.assert_allclose(observations["uncertainty"].values, 5.0)


def test_rules_a_product_has_not_are_refused(tmp_path):
    write_columns(tmp_path / "x.nc", [0], [148.0], [-23.5])
    for asked, words in (({"excluded_surfaces": [1]}, "no classes of the surface"), ({"chi_square_most": 1.0}, "chi")):
        with pytest.raises(ConfigError, match=words):
            read(tmp_path, "openmethane", **asked)


def test_pixels_without_a_column_or_elsewhere_are_counted_not_kept(tmp_path):
    lon = LON.copy()
    lon[0, 1] = 100.0
    value = as_pixels([1865, 1865, np.nan, 1865, 1865, 1865])
    write_s5p(tmp_path / "a.nc", lon, LAT, methane_mixing_ratio_bias_corrected_destriped=value)
    observations, _, accounts, _ = read(tmp_path)
    assert observations.sizes["obs"] == 4
    assert accounts[0].rows == {"used": 4, NOT_RETRIEVED: 1, OUTSIDE_AREA: 1}


def test_an_orbit_that_misses_the_grid_is_told(tmp_path):
    write_s5p(tmp_path / "a.nc", LON + 40.0, LAT)
    observations, receptors, accounts, _ = read(tmp_path)
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 0
    assert accounts[0].rows == {OUTSIDE_AREA: 6}


def test_a_pixel_that_lacks_a_number_is_missing(tmp_path):
    pressure = as_pixels([np.nan, 100000, 100000, 100000, 100000, 100000])
    write_s5p(tmp_path / "a.nc", LON, LAT, surface_pressure=pressure)
    assert sorted(read(tmp_path)[0]["flag"].values.tolist())[-1] == int(Flag.MISSING)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"without": ("column_averaging_kernel",)}, FormatError, "must hold PRODUCT/SUPPORT_DATA/.*_kernel"),
        ({"without": ("methane_mixing_ratio_bias_corrected_destriped",)}, FormatError, "must hold PRODUCT/methane_"),
        ({"types": {"qa_value": "f4"}}, FormatError, "flag of TROPOMI .* must be stored as uint8; got 'float32'"),
        ({"attrs": {"processor_version": "03.00.00"}}, FormatError, "product and version with a contract.*'03.00.00'"),
        ({"attrs": {"id": "S5P_OFFL_L2__CO_____2022"}}, FormatError, "product and version with a contract"),
        ({"units": {"dry_air_subcolumns": "kg m-2"}}, UnitError, "prior and dry air of a layer must be in one unit"),
        ({"units": {"surface_pressure": "K"}}, UnitError, "must be a pressure"),
        ({"time_utc": np.array(["yesterday", ""], dtype=object)}, TimeError, "times must be ISO text"),
    ],
)
def test_what_is_not_as_contracted_is_refused(tmp_path, changes, error, said):
    write_s5p(tmp_path / "a.nc", LON, LAT, **changes)
    with pytest.raises(error, match=said):
        read(tmp_path)


def test_layers_that_run_the_other_way_are_refused_by_their_numbers(tmp_path):
    prior = np.broadcast_to(S5P_PRIOR * 1e-9 * 30000.0, (*LON.shape, S5P_LAYERS))
    write_s5p(tmp_path / "a.nc", LON, LAT, methane_profile_apriori=prior)
    with pytest.raises(FormatError, match=r"the levels of TROPOMI CH4 .* must run from space to the surface; got 'the"):
        read(tmp_path)


def test_the_blended_product_is_read_by_its_own_names(tmp_path):
    write_blended(tmp_path / BLENDED, LON.ravel(), LAT.ravel(), surface_classification=[0, 3, 0, 0, 0, 0])
    observations, receptors, accounts, notes = read(tmp_path, "tropomi-blended")
    assert set(observations["value"].values) == {1870.0}
    assert accounts[0].rows == {"used": 5, "coast (flagged instrument)": 1}
    assert any("TROPOMI+GOSAT blended CH4 0204, methane_mixing_ratio_blended" in note for note in notes)
    assert receptors["averaging_kernel"].shape == (6, S5P_LAYERS)


def test_a_blended_file_under_another_name_tells_no_version_and_is_refused(tmp_path):
    write_blended(tmp_path / "blended.nc", LON.ravel(), LAT.ravel())
    with pytest.raises(FormatError, match="the file must be a product and version with a contract: tropomi-blended"):
        read(tmp_path, "tropomi-blended")


def test_both_layouts_of_one_pixel_have_the_same_operator(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    write_s5p(one / "a.nc", LON[:1], LAT[:1])
    write_blended(other / BLENDED, LON[0], LAT[0])
    swath, blended = read(one), read(other, "tropomi-blended")
    for name in ("averaging_kernel", "pressure_edge", "lon", "lat"):
        np.testing.assert_array_equal(swath[1][name].values, blended[1][name].values)
    for name in ("prior_part", "kernel_sum", "uncertainty"):
        np.testing.assert_array_equal(swath[0][name].values, blended[0][name].values)
