"""A real day of a spectrometer on the ground: read as TCCON says, compared with, never assimilated."""

import netCDF4
import numpy as np
import pytest
from column_files import column_case, read_columns
from ingest_cases import shared_data

from pipeline.errors import FormatError, UnitError
from pipeline.ingest.receptors import all_receptors
from pipeline.schema import Flag, is_used
from pipeline.settings.sections import Axis

HOURS = ("2023-04-02T00", "2023-04-03T00")


def real():
    return next((shared_data() / "columns").glob("hw*.nc"))


def case(species="co2", files=None):
    files = [f"columns/{real().name}"] if files is None else files
    settings = column_case(files, species=species, format="tccon", id="TCCON_HW", hours=HOURS)
    axes = {"x": Axis(first=-2, step=0.5, count=4), "y": Axis(first=51, step=0.5, count=4)}
    return settings.model_copy(update={"grid": settings.grid.model_copy(update=axes)})


@pytest.mark.parametrize(("species", "scale"), [("co2", "WMO CO2 X2019"), ("ch4", "WMO CH4 X2004")])
def test_every_spectrum_is_held_out(species, scale):
    observations, _, accounts, _ = read_columns(case(species), shared_data())
    assert observations.sizes["obs"] == 64
    assert set(observations["flag"].values) == {int(Flag.HELD_OUT)}
    assert not is_used(observations["flag"].values).any()
    assert set(observations["scale"].values) == {scale}
    assert accounts[0].rows == {"used, flagged held out": 64}


def test_its_operator_applied_to_its_own_prior_is_its_own_prior_column():
    """prior_part + sum o A (1 - h) x_a,dry = sum o x_a, which the file states as prior_xco2_x2019."""
    observations, receptors, _, _ = read_columns(case(), shared_data())
    with netCDF4.Dataset(real()) as data:
        wet = data["prior_co2"][:].filled(np.nan).astype(float)
        kernel = data["ak_xco2"][:].filled(np.nan).astype(float)
        operator = data["integration_operator_x2019"][:].filled(np.nan).astype(float)
        stated = data["prior_xco2_x2019"][:].filled(np.nan).astype(float)
    own = observations["prior_part"].values + (operator * kernel * wet).sum(axis=1)
    np.testing.assert_allclose(own, stated, rtol=1e-4)
    np.testing.assert_allclose(receptors["averaging_kernel"].values, kernel, rtol=1e-12)


def test_taking_off_the_operator_of_each_spectrum_leaves_less_scatter_than_the_columns_have():
    """The operator holds each spectrum's own oxygen: read wrongly, it would add scatter."""
    observations, _, _, _ = read_columns(case(), shared_data())
    air = (observations["value"].values - observations["prior_part"].values) / observations["kernel_sum"].values
    assert np.std(np.diff(air)) < 0.75 * np.std(np.diff(observations["value"].values))
    assert 421 < air.mean() < 423


def test_layers_are_half_way_between_the_levels_from_the_measured_ground():
    _, receptors, _, _ = read_columns(case(), shared_data())
    edge = receptors["pressure_edge"].values
    assert edge.shape == (64, 52)
    assert np.all(edge[:, 0] == 1)
    assert np.all(edge[:, -1] == 0)
    assert np.all(np.diff(edge, axis=1) <= 0)
    # the operator's own weights, but for the oxygen, are the thickness of these layers
    with netCDF4.Dataset(real()) as data:
        operator = data["integration_operator"][:].filled(np.nan).astype(float)
    np.testing.assert_allclose(-np.diff(edge, axis=1), operator, atol=0.006)


def test_what_is_only_compared_with_has_receptors_too(tmp_path):
    observations, receptors, _, _ = all_receptors(case(), shared_data(), None)
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 64
    assert set(receptors["station"].values) == set(observations["station"].values)


@pytest.mark.parametrize(
    ("attrs", "scale", "error", "said"),
    [
        (
            {"file_format_version": "2014.A"},
            None,
            FormatError,
            "a product and version with a contract: tccon-co2.*2014.A",
        ),
        ({}, "WMO CO2 X2007", UnitError, "must be on WMO CO2 X2019; got 'WMO CO2 X2007'"),
    ],
)
def test_another_version_or_scale_is_refused(tmp_path, attrs, scale, error, said):
    with netCDF4.Dataset(real()) as old, netCDF4.Dataset(tmp_path / "hw.nc", "w") as new:
        new.setncatts({name: old.getncattr(name) for name in old.ncattrs()} | attrs)
        for name, dim in old.dimensions.items():
            new.createDimension(name, dim.size)
        for name, variable in old.variables.items():
            copy = new.createVariable(name, variable.dtype, variable.dimensions)
            copy[:] = variable[:]
            copy.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
        if scale:
            new["xco2_x2019"].wmo_or_analogous_scale = scale
    with pytest.raises(error, match=said):
        read_columns(case(files=["hw.nc"]), tmp_path)
