"""Columns by level or layer: either order and either form give the same sounding, and the real file's own weights."""

import netCDF4
import numpy as np
import pytest
from column_files import column_case, read_columns, write_columns

from pipeline.errors import ConfigError, FormatError, UnitError
from pipeline.ingest.soundings import layer_edges
from pipeline.schema import Flag
from pipeline.settings.sections import Axis

COUNT, LAYERS = 3, 4
EDGES = np.array([1000.0, 700.0, 400.0, 150.0, 0.0])
LEVELS = np.array([1000.0, 600.0, 300.0, 50.0])
KERNEL = np.array([1.1, 1.0, 0.8, 0.4]) + 0.01 * np.arange(COUNT)[:, None]
PROFILE = np.array([425.0, 422.0, 420.0, 410.0]) + np.arange(COUNT)[:, None]
#: told by its name: TanSat in ESA's common layout
NAME = "ESACCI-GHG-L2-CO2-TANSAT-OCFP-20240715-fv1.nc"
HOURS = ("2024-07-15T00", "2024-07-16T00")


def case(**changes):
    settings = column_case(species="co2", format="ghg-cci", id="SAT", hours=HOURS, **changes)
    grid = settings.grid.model_copy(
        update={"x": Axis(first=119, step=0.5, count=6), "y": Axis(first=29, step=0.5, count=5)}
    )
    return settings.model_copy(update={"grid": grid})


def write(path, *, pressure=EDGES, turned=False, gas="co2", unit="ppm", without=(), **values):
    """Write three soundings a minute apart; `values` replace variables."""
    weight = -np.diff(layer_edges(pressure[None, :], LAYERS)[0])
    columns = {
        "time": 1721023200.0 + 60 * np.arange(COUNT),
        "longitude": 120.0 + 0.1 * np.arange(COUNT),
        "latitude": np.full(COUNT, 30.0),
        f"x{gas}": np.full(COUNT, 423.0),
        f"x{gas}_uncertainty": np.full(COUNT, 0.8),
        f"x{gas}_quality_flag": np.zeros(COUNT),
        f"x{gas}_averaging_kernel": KERNEL,
        f"{gas}_profile_apriori": PROFILE,
        "pressure_levels": np.tile(pressure, (COUNT, 1)),
        "pressure_weight": np.tile(weight, (COUNT, 1)),
    } | {name: np.asarray(value, float) for name, value in values.items()}
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("n", COUNT)
        for name, value in columns.items():
            if name in without:
                continue
            if value.ndim == 2:
                data.createDimension(f"m_{name}", value.shape[1])
            kind, fill = ("i1", -99) if name.endswith("_flag") else ("f8", -999.0)
            variable = data.createVariable(
                name, kind, ("n",) if value.ndim == 1 else ("n", f"m_{name}"), fill_value=fill
            )
            stored = np.where(np.isnan(value), fill, value)
            variable[:] = stored[:, ::-1] if turned and value.ndim == 2 else stored
            if name == "time":
                variable.units = "seconds since 1970-01-01 00:00:00"
            elif unit and (name == f"x{gas}" or name.endswith(("_uncertainty", "_apriori"))):
                variable.units = unit
    return path


def test_the_parts_of_a_column_are_those_of_its_retrieval(tmp_path):
    write(tmp_path / NAME)
    observations, receptors, accounts, _ = read_columns(case(), tmp_path)
    weight = np.array([0.3, 0.3, 0.25, 0.15])
    np.testing.assert_allclose(observations["kernel_sum"].values, (weight * KERNEL).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(
        observations["prior_part"].values, (weight * (1 - KERNEL) * PROFILE).sum(axis=1), rtol=1e-9
    )
    # Connor et al. (2008): of air that is the prior itself the retrieval gives the prior's own column
    own = observations["prior_part"].values + (weight * KERNEL * PROFILE).sum(axis=1)
    np.testing.assert_allclose(own, (weight * PROFILE).sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(receptors["averaging_kernel"].values, KERNEL)
    np.testing.assert_allclose(receptors["pressure_edge"].values, np.tile(EDGES / 1000, (COUNT, 1)), rtol=1e-15)
    assert accounts[0].rows == {"used": 3}


@pytest.mark.parametrize("pressure", [EDGES, LEVELS], ids=["layers", "levels"])
def test_either_order_of_layers_gives_the_same_sounding(tmp_path, pressure):
    for name, turned in (("up", False), ("down", True)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / NAME, pressure=pressure, turned=turned)
    up, down = (read_columns(case(), tmp_path / name)[:2] for name in ("up", "down"))
    for one, two in zip(up, down, strict=True):
        assert one.identical(two)


def test_a_level_stands_for_the_air_half_way_to_its_neighbours(tmp_path):
    write(tmp_path / NAME, pressure=LEVELS)
    edge = read_columns(case(), tmp_path)[1]["pressure_edge"].values
    np.testing.assert_allclose(edge[0], [1.0, 0.8, 0.45, 0.175, 0.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"xco2_quality_flag": [1, 0, 0]}, Flag.INSTRUMENT),
        ({"xco2_quality_flag": [np.nan, 0, 0]}, Flag.MISSING),
        ({"xco2": [np.nan, 423, 423]}, Flag.MISSING),
        ({"xco2_uncertainty": [0, 0.8, 0.8]}, Flag.MISSING),
        ({"co2_profile_apriori": np.where(np.arange(COUNT)[:, None] == 0, np.nan, PROFILE)}, Flag.MISSING),
        ({"pressure_levels": np.where(np.arange(COUNT)[:, None] == 0, EDGES[[0, 2, 1, 3, 4]], EDGES)}, Flag.MISSING),
        ({"xco2": [360.0, 423, 423]}, Flag.RANGE_FAIL),
        ({"xco2": [455.0, 423, 423]}, Flag.RANGE_SUSPECT),
    ],
)
def test_a_bad_sounding_is_flagged_and_the_others_stay(tmp_path, changes, flag):
    write(tmp_path / NAME, **changes)
    observations, _, accounts, _ = read_columns(case(), tmp_path)
    assert observations["flag"].values.tolist() == [int(flag), 0, 0]
    assert sum(accounts[0].rows.values()) == COUNT


def test_uncertainties_known_to_be_too_small_can_be_widened(tmp_path):
    write(tmp_path / NAME)
    observations = read_columns(case(uncertainty_factor=2.0), tmp_path)[0]
    np.testing.assert_allclose(observations["uncertainty"].values, 1.6, rtol=1e-12)


def test_seconds_are_whole_and_units_are_converted(tmp_path):
    write(tmp_path / NAME, unit="mol mol-1", time=1721023200.7 + np.arange(COUNT), xco2=np.full(COUNT, 423e-6),
          xco2_uncertainty=np.full(COUNT, 0.8e-6), co2_profile_apriori=PROFILE * 1e-6)  # fmt: skip
    observations, receptors, _, _ = read_columns(case(), tmp_path)
    np.testing.assert_allclose(observations["value"].values, 423.0, rtol=1e-12)
    assert receptors["time"].values[0] == np.datetime64("2024-07-15T06:00:00")
    in_ppm = (np.array([0.3, 0.3, 0.25, 0.15]) * (1 - KERNEL) * PROFILE).sum(axis=1)
    np.testing.assert_allclose(observations["prior_part"].values, in_ppm, rtol=1e-9)


def test_methane_in_the_common_layout_is_methane(tmp_path):
    write(
        tmp_path / "UoL-GHG-L2-CH4-GOSAT-OCPR-20240715-fv9.0.nc",
        gas="ch4",
        unit="ppb",
        xch4=np.full(COUNT, 1880.0),
        ch4_profile_apriori=PROFILE * 4.4,
    )
    settings = case()
    gas = settings.case.model_copy(update={"species": "ch4"})
    observed = read_columns(settings.model_copy(update={"case": gas}), tmp_path)[0]
    assert observed["value"].values.tolist() == [1880.0] * 3
    assert observed["prior_part"].attrs["units"] == "ppb"


@pytest.mark.parametrize("name", ["xco2_quality_flag", "pressure_levels", "pressure_weight", "time"])
def test_another_layout_is_refused_by_the_variable_it_lacks(tmp_path, name):
    write(tmp_path / NAME, without=(name,))
    with pytest.raises(FormatError, match=f"{NAME}: a file of TanSat OCFP 1, xco2 must hold {name};"):
        read_columns(case(), tmp_path)


def test_what_cannot_be_is_refused(tmp_path):
    write(tmp_path / NAME, pressure_weight=np.ones((COUNT, 3)))
    with pytest.raises(FormatError, match="must have one number a layer"):
        read_columns(case(), tmp_path)
    write(tmp_path / NAME, unit=None)
    with pytest.raises(UnitError, match="a mole fraction must have a unit"):
        read_columns(case(), tmp_path)
    with pytest.raises(ConfigError, match="SAT: oco2-lite files do not hold ch4"):
        read_columns(column_case(id="SAT", format="oco2-lite", files=("*",)), tmp_path)


def test_fewer_layers_of_one_instrument_are_filled_with_layers_of_no_thickness(tmp_path):
    write(tmp_path / "UoL-GHG-L2-CH4-GOSAT-OCPR-20240715-fv9.0.nc", gas="ch4", unit="ppb",
          xch4=np.full(COUNT, 1880.0), ch4_profile_apriori=PROFILE * 4.4)  # fmt: skip
    write_columns(tmp_path / "tropomi.nc", [50, 51], [120.1, 120.2], [30.0, 30.1],
                  units={"time": "seconds since 2024-07-15 06:00:00"})  # fmt: skip
    settings = case(files=("UoL*",))
    other = settings.columns[0].model_copy(update={"id": "TROPOMI", "format": "openmethane", "files": ["tropomi.nc"]})
    gas = settings.case.model_copy(update={"species": "ch4"})
    settings = settings.model_copy(update={"case": gas, "columns": [*settings.columns, other]})
    receptors = read_columns(settings, tmp_path)[1]
    thickness = -np.diff(receptors["pressure_edge"].values, axis=1)
    assert np.isfinite(receptors["averaging_kernel"].values).all()
    np.testing.assert_allclose(thickness.sum(axis=1), 1.0, rtol=1e-14)
    narrow = np.char.startswith(receptors["station"].values.astype(str), "SAT")
    assert ((thickness == 0).sum(axis=1) == np.where(narrow, 8, 0)).all()
    assert narrow.sum() == 3
