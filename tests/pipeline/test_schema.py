"""The contracts: each breach is named with the variable and the remedy."""

import numpy as np
import pytest
import xarray as xr

from pipeline.errors import SchemaError
from pipeline.schema import FAIL, SCHEMAS, UNUSED, Flag, check, hours_between, is_used, label


def bare_fluxes():
    time = hours_between(np.datetime64("2024-07-15T00"), np.datetime64("2024-07-15T02"))
    field = np.arange(24.0).reshape(1, 2, 3, 4)
    return xr.Dataset(
        {"flux": (("sector", "time", "y", "x"), field), "flux_std": (("sector", "time", "y", "x"), field + 1)},
        coords={"time": time, "sector": np.array(["biosphere"], dtype=object)},
        attrs={"species": "co2"},
    )


def test_label_gives_units_and_meaning_and_leaves_its_input_alone():
    bare = bare_fluxes()
    labelled = label(bare, "fluxes")
    assert labelled["flux"].attrs["units"] == "umol m-2 s-1"
    assert "positive upward" in labelled["flux"].attrs["long_name"]
    assert "units" not in bare["flux"].attrs
    assert check(labelled, "fluxes") is labelled


def test_methane_has_its_own_units():
    assert label(bare_fluxes().assign_attrs(species="ch4"), "fluxes")["flux"].attrs["units"] == "nmol m-2 s-1"


@pytest.mark.parametrize(
    ("breach", "text"),
    [
        (lambda d: d.drop_vars("flux_std"), "fluxes.flux_std: the variable must be present"),
        (lambda d: d.transpose("time", "sector", "y", "x"), "fluxes.flux: the dims must match"),
        (lambda d: d.assign(flux=d["flux"].astype(int)), "fluxes.flux: the dtype kind must match"),
        (lambda d: d.assign(flux=d["flux"].assign_attrs(units="kg m-2 s-1")), "unit must match; got 'kg m-2 s-1'"),
        (lambda d: d.drop_attrs(deep=False), "the species must be stated"),
        (lambda d: d.assign_coords(time=np.arange(2)), "fluxes.time: the dtype kind must match"),
    ],
)
def test_a_breach_is_named(breach, text):
    with pytest.raises(SchemaError, match=text):
        check(breach(label(bare_fluxes(), "fluxes")), "fluxes")


def test_bad_and_good_but_not_selected_are_different_bits():
    assert not FAIL & UNUSED
    flags = np.array([int(bit) for bit in Flag], dtype=np.uint32)
    used = {bit.name for bit, ok in zip(Flag, is_used(flags), strict=True) if ok}
    assert used == {
        "CALIBRATION", "CALIBRATION_AGE", "RANGE_SUSPECT", "SPIKE", "RATE", "HOURLY_SPREAD", "SCALE_UNCONVERTED",
        "BUDDY", "ANCHOR_AGE", "JUMP_RESET", "MANUAL_ACCEPT",
    }  # fmt: skip


def test_flags_are_distinct_single_bits_of_a_uint32():
    values = [int(bit) for bit in Flag]
    assert sorted(values) == [1 << k for k in range(31)]


def test_every_declared_variable_has_dims_kind_and_meaning():
    for name, variables in SCHEMAS.items():
        for key, variable in variables.items():
            assert variable.dims, f"{name}.{key}"
            assert variable.kind in "fiMT", f"{name}.{key}"
            assert variable.meaning, f"{name}.{key}"
