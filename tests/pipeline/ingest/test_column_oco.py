"""Lite files of OCO and ACOS: one contract a product and version, and another is refused with its reason."""

import netCDF4
import numpy as np
import pytest
from column_files import column_case, read_columns
from granule_files import OCO_KERNEL, OCO_SHARE, oco_numbers, write_oco
from ingest_cases import shared_data

from pipeline.errors import ConfigError, FormatError
from pipeline.ingest.netcdf import open_netcdf
from pipeline.ingest.soundings import layer_edges, prior_and_share
from pipeline.schema import Flag
from pipeline.settings.sections import Axis

LON, LAT = [120.0, 120.02, 120.04], [30.0, 30.02, 30.04]
HOURS = ("2024-07-15T00", "2024-07-16T00")
ACOS9, ACOS7 = (f"acos_LtCO2_240715_v2{n}_B{n[:1]}{n[:3]}A_200927014754s.nc4" for n in ("90009", "70007"))
NO_ATTRS = {"Platform": None, "BuildId": None, "creation_date": None}


def case(files=("*",), **changes):
    settings = column_case(files, species="co2", format="oco2-lite", id="SAT", hours=HOURS, **changes)
    grid = settings.grid.model_copy(
        update={"x": Axis(first=119, step=0.5, count=6), "y": Axis(first=29, step=0.5, count=5)}
    )
    return settings.model_copy(update={"grid": grid})


def read(folder, **changes):
    return read_columns(case(**changes), folder)


def test_a_sounding_of_version_11_is_on_x2019_with_levels_from_the_ground_up(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT)
    observations, receptors, accounts, notes = read(tmp_path)
    np.testing.assert_allclose(observations["value"].values, 423.0, rtol=1e-6)
    assert set(observations["scale"].values) == {"WMO CO2 X2019"}
    # the noise alone is stated: twice it
    np.testing.assert_allclose(observations["uncertainty"].values, 1.0, rtol=1e-6)
    np.testing.assert_allclose(receptors["averaging_kernel"].values[0], OCO_KERNEL, rtol=1e-5)
    np.testing.assert_allclose(receptors["pressure_edge"].values[0], layer_edges(OCO_SHARE[None], 20)[0], atol=1e-7)
    assert accounts[0].rows == {"used": 3}
    assert "columns: OCO-2 Lite 11.2, xco2_x2019, on WMO CO2 X2019" in notes


@pytest.mark.parametrize(
    ("name", "attrs", "changes", "told", "value", "scale"),
    [
        ("a.nc4", {"BuildId": "B10.2.06"}, {}, "OCO-2 Lite 10.2, xco2,", 422.8, "WMO CO2 X2007"),
        ("a.nc4", {"Platform": "OCO-3"}, {}, "OCO-3 Lite 11.2, xco2_x2019,", 423.0, "WMO CO2 X2019"),
        (
            "a.nc4",
            {},
            {"xco2_ML": np.full(3, 422.1), "xco2_quality_flag_ML": np.zeros(3)},
            "11.2, xco2_ML,",
            422.1,
            "unknown",
        ),
        (ACOS9, NO_ATTRS, {}, "GOSAT ACOS Lite 9, xco2,", 422.8, "WMO CO2 X2007"),
        (ACOS7, NO_ATTRS, {"warn_level": np.zeros(3)}, "GOSAT ACOS Lite 7, xco2,", 422.8, "WMO CO2 X2007"),
    ],
    ids=["v10", "oco3", "ml", "acos9", "acos7"],
)
def test_every_product_and_version_has_its_own_column(tmp_path, name, attrs, changes, told, value, scale):
    without = () if "x2019" in told else ("xco2_x2019",)
    write_oco(tmp_path / name, LON, LAT, attrs=attrs, without=without, **changes)
    observations, _, _, notes = read(tmp_path)
    np.testing.assert_allclose(observations["value"].values, value, rtol=1e-6)
    assert set(observations["scale"].values) == {scale}
    assert any(told in note for note in notes)


def test_the_learned_variant_is_judged_by_its_own_flag(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT, xco2_ML=np.full(3, 422.1), xco2_quality_flag_ML=np.array([0, 1, 0]),
              xco2_quality_flag=np.array([1, 0, 0]))  # fmt: skip
    observations, _, accounts, _ = read(tmp_path)
    assert observations["flag"].values.tolist() == [0, int(Flag.INSTRUMENT), 0]
    assert accounts[0].rows == {"used": 2, "xco2_quality_flag_ML is not 0 (flagged instrument)": 1}


def test_warn_levels_of_version_7_are_a_rule_of_their_own(tmp_path):
    write_oco(tmp_path / ACOS7, LON, LAT, attrs=NO_ATTRS, warn_level=np.array([9, 10, 19]))
    assert read(tmp_path)[2][0].rows == {"warn level above 9 (flagged instrument)": 2, "used": 1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"without": ("xco2_averaging_kernel",)},
            "a file of OCO-2 Lite 11.2, xco2_x2019 must hold xco2_averaging_kernel",
        ),
        ({"without": ("xco2_x2019",)}, "must hold xco2_x2019"),
        ({"without": ("sounding_id",)}, "must hold sounding_id"),
        ({"levels": 19}, "the kernel of OCO-2 Lite 11.2, xco2_x2019 must have 20 values; got 19"),
        ({"attrs": {"BuildId": "B12.0"}}, "product and version with a contract: oco2-openghg.*'BuildId': 'B12.0'"),
        ({"attrs": {"Platform": "MicroCarb"}}, "product and version with a contract.*MicroCarb"),
        ({"flag_type": "f4"}, "the flag of OCO-2 Lite .* must be stored as int8 or uint8; got 'float32'"),
        (
            {"attrs": {"creation_date": "yesterday"}},
            "the date of making must be readable as %b %d, %Y; got 'yesterday'",
        ),
    ],
)
def test_what_is_not_as_contracted_is_refused_with_its_reason(tmp_path, changes, said):
    write_oco(tmp_path / "a.nc4", LON, LAT, **changes)
    with pytest.raises(FormatError, match=rf"a\.nc4: .*{said}" if "flag" not in said else said):
        read(tmp_path)


def test_levels_that_run_the_other_way_are_refused(tmp_path):
    deep = {name: values[:, ::-1] for name, values in oco_numbers(LON, LAT).items()
            if values.ndim == 2 and "vertex" not in name}  # fmt: skip
    write_oco(tmp_path / "a.nc4", LON, LAT, **deep)
    with pytest.raises(
        FormatError, match=r"the levels of OCO-2 Lite .* must run from space to the surface; got 'the other"
    ):
        read(tmp_path)


def test_a_quality_value_is_no_rule_of_a_product_with_a_flag(tmp_path):
    write_oco(tmp_path / "a.nc4", LON, LAT)
    with pytest.raises(ConfigError, match=r"columns SAT: .*has no quality value, but a flag.*remove quality"):
        read(tmp_path, quality=0.5)


def real():
    return next((shared_data() / "columns").glob("oco2-*.nc"))


def test_layers_about_the_levels_of_a_real_file_have_its_own_weights():
    with open_netcdf(real()) as data:
        names = ("pressure_levels", "pressure_weights", "xco2_averaging_kernel", "co2_profile_apriori")
        pressure, weight, kernel, profile = (data[name].values.astype(float)[:, ::-1] for name in names)
        retrieved = float(data["xco2"].values[0])
    np.testing.assert_allclose(-np.diff(layer_edges(pressure, 20), axis=1), weight, rtol=0.006)
    prior, share = prior_and_share(weight, kernel, profile)
    # background air that the retrieval would see as what it saw
    assert (retrieved - prior[0]) / share[0] == pytest.approx(399.0, abs=1.5)


def test_the_real_sounding_is_read_by_the_contract_of_its_maker(tmp_path):
    settings = column_case([f"columns/{real().name}"], species="co2", format="oco2-lite", id="OCO2",
                           hours=("2015-01-31T00", "2015-02-01T00"))  # fmt: skip
    axes = {"x": Axis(first=73, step=0.5, count=4), "y": Axis(first=53, step=0.5, count=4)}
    settings = settings.model_copy(update={"grid": settings.grid.model_copy(update=axes)})
    observations, receptors, accounts, notes = read_columns(settings, shared_data())
    assert observations["value"].values == pytest.approx([399.24], abs=1e-4)
    assert observations["uncertainty"].values == pytest.approx([2 * 0.99495], abs=1e-4)
    assert observations["scale"].values.tolist() == ["WMO CO2 X2007"]
    # the real kernel falls from the ground to space
    kernel = receptors["averaging_kernel"].values[0]
    assert (kernel[0], kernel[-1]) == pytest.approx((0.977, 0.231), abs=1e-3)
    assert accounts[0].rows == {"used": 1}
    assert "OCO-2 Lite 11.2, xco2: the files hold no quality flag" in notes


def test_a_real_file_that_lacks_its_kernel_is_refused(tmp_path):
    with netCDF4.Dataset(real()) as old, netCDF4.Dataset(tmp_path / "a.nc", "w") as new:
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()})
        for name, dim in old.dimensions.items():
            new.createDimension(name, dim.size)
        for name, variable in old.variables.items():
            if name != "xco2_averaging_kernel":
                new.createVariable(name, variable.dtype, variable.dimensions)[:] = variable[:]
    with pytest.raises(FormatError, match="must hold xco2_averaging_kernel"):
        read(tmp_path)
