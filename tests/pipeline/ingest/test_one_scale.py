"""Observations of a case are on one scale: converted explicitly, taken with more uncertainty, or refused by name."""

import numpy as np
import pytest
import xarray as xr
from ingest_cases import settings

from pipeline.errors import ConfigError
from pipeline.ingest.one_scale import on_one_scale
from pipeline.schema import Flag, label

FEED = {"format": "gcwerks", "files": ["*"], "height": 50, "representation_error": 1.0}
COLUMN = {"id": "OCO2", "format": "oco2-lite", "files": ["*"], "representation_error": 1.0}


def case(*stations, columns=(), scale=None, species="co2"):
    """A case of stations (id, keys) and columns."""
    base = settings()
    window = base.case.model_dump()
    sections = {
        "case": window | {"scale": scale, "species": species},
        "stations": [FEED | {"id": name} | keys for name, keys in stations],
        "columns": list(columns),
        "footprints": [],
        "transport": {"meteorology": {"format": "wrf", "files": ["wrf*"]}, "folder": "out"},
    }
    return settings(**sections)


def observed(*rows, species="co2"):
    """Observations of rows (station, scale, value); one with a hyphen is a sounding, which sees 0.9 of the air."""
    size = len(rows)
    station = np.array([row[0] for row in rows])
    column = np.char.find(station, "-") > 0
    numbers = {"uncertainty": 0.1, "spread": 0.5, "lon": 1.0, "lat": 52.0, "height": 50.0}
    bare = {name: ("obs", np.full(size, number)) for name, number in numbers.items()}
    return label(
        xr.Dataset(
            bare
            | {
                "time": ("obs", np.datetime64("2014-07-01T06", "ns") + np.arange(size) * np.timedelta64(1, "h")),
                "value": ("obs", np.array([row[2] for row in rows], dtype=np.float64)),
                "count": ("obs", np.ones(size, dtype=np.int64)),
                "flag": ("obs", np.zeros(size, dtype=np.uint32)),
                "station": ("obs", station),
                "platform": ("obs", np.where(column, "satellite", "external")),
                "scale": ("obs", np.array([row[1] for row in rows])),
                "kernel_sum": ("obs", np.where(column, 0.9, 1.0)),
                "prior_part": ("obs", np.where(column, 40.0, 0.0)),
            },
            attrs={"species": species},
        ),
        "observations",
    )


def test_observations_of_one_scale_by_several_names_pass_untouched():
    given = observed(("AAA", "WMO CO2 X2019", 400.0), ("BBB", "NOAA CO2 X2019", 410.0))
    found, notes = on_one_scale(given, case(("AAA", {}), ("BBB", {})))
    xr.testing.assert_identical(found, given)
    assert notes == []


def test_two_scales_are_refused_by_name_until_one_is_asked_for():
    given = observed(("AAA", "WMO CO2 X2007", 400.0), ("BBB", "WMO CO2 X2019", 410.0), ("CCC", "WMO CO2 X2007", 400.0))
    feeds = [(name, {}) for name in ("AAA", "BBB", "CCC")]
    with pytest.raises(
        ConfigError, match=r"X2007: AAA at 50 m, CCC at 50 m; WMO CO2 X2019: BBB at 50 m.*set case.scale"
    ):
        on_one_scale(given, case(*feeds))
    found, notes = on_one_scale(given, case(*feeds, scale="X2019"))
    np.testing.assert_allclose(found["value"], [1.00079 * 400 - 0.142, 410.0, 1.00079 * 400 - 0.142], rtol=1e-15)
    np.testing.assert_allclose(found["spread"], [0.5 * 1.00079, 0.5, 0.5 * 1.00079])
    np.testing.assert_allclose(found["uncertainty"], [0.1 * 1.00079, 0.1, 0.1 * 1.00079])
    assert found["scale"].values.tolist() == ["WMO CO2 X2019"] * 3
    assert not found["flag"].values.any()
    assert notes[0] == "AAA at 50 m: converted from WMO CO2 X2007 to WMO CO2 X2019, 1.00079 x -0.142 ppm"
    assert len(notes) == 2


def test_a_scale_without_a_conversion_needs_an_error_of_its_own():
    given = observed(("AAA", "WMO CO2 X2019", 400.0), ("BBB", "NIM CO2 2019", 410.0))
    with pytest.raises(ConfigError, match=r"must be on one calibration scale.*NIM CO2 2019: BBB at 50 m"):
        on_one_scale(given, case(("AAA", {}), ("BBB", {})))
    with pytest.raises(ConfigError, match="BBB at 50 m: a conversion to WMO CO2 X2019 must be published"):
        on_one_scale(given, case(("AAA", {}), ("BBB", {}), scale="WMO CO2 X2019"))
    found, notes = on_one_scale(given, case(("AAA", {}), ("BBB", {"scale_error": 0.3})))
    assert found["value"].values.tolist() == [400.0, 410.0]
    np.testing.assert_allclose(found["uncertainty"], [0.1, np.hypot(0.1, 0.3)])
    assert found["flag"].values.tolist() == [0, Flag.SCALE_UNCONVERTED]
    assert found["scale"].values.tolist() == ["WMO CO2 X2019", "NIM CO2 2019"]
    assert notes == [
        "BBB at 50 m: on NIM CO2 2019, not converted to WMO CO2 X2019; taken with 0.3 ppm more of uncertainty"
    ]


def test_an_error_declared_in_vain_leaves_a_published_conversion_be():
    given = observed(("AAA", "WMO CO2 X2019", 400.0), ("BBB", "WMO CO2 X2007", 410.0))
    found, _ = on_one_scale(given, case(("AAA", {}), ("BBB", {"scale_error": 0.3})))
    assert found["value"].values[1] == pytest.approx(1.00079 * 410 - 0.142)
    assert not found["flag"].values.any()


def test_a_converted_column_sees_the_converted_air():
    # y = prior_part + kernel_sum c on the old scale; on the new one the same with c' = 1.00079 c - 0.142
    old, new = 400.0, 1.00079 * 400.0 - 0.142
    given = observed(("AAA", "WMO CO2 X2019", new), ("OCO2-1", "WMO CO2 X2007", 40.0 + 0.9 * old))
    found, _ = on_one_scale(given, case(("AAA", {}), columns=[COLUMN], scale="WMO CO2 X2019"))
    seen, part = found["kernel_sum"].values, found["prior_part"].values
    np.testing.assert_allclose(found["value"].values, part + seen * new, rtol=1e-15)


def test_a_column_of_no_stated_scale_needs_one_or_an_error():
    given = observed(("OCO2-1", "", 400.0), ("OCO2-2", "unknown", 400.0))
    with pytest.raises(ConfigError, match=r"scale that is known; got 'not known: OCO2'.*declare scale .columns."):
        on_one_scale(given, case(columns=[COLUMN]))
    found, _ = on_one_scale(given, case(columns=[COLUMN | {"scale": "WMO CO2 X2007"}], scale="WMO CO2 X2019"))
    np.testing.assert_allclose(found["value"], 1.00079 * 400 - 0.142)
    found, notes = on_one_scale(given, case(columns=[COLUMN | {"scale_error": 0.0}]))
    assert found["uncertainty"].values.tolist() == [0.1, 0.1]
    assert found["flag"].values.tolist() == [Flag.SCALE_UNCONVERTED] * 2
    assert "OCO2: on a scale that is not known, which no other observation is on" in notes[0]


def test_what_is_not_used_refuses_nothing():
    given = observed(("AAA", "WMO CO2 X2019", 400.0), ("OCO2-1", "", 400.0))
    flag = np.array([0, Flag.MISSING], dtype=np.uint32)
    given["flag"] = given["flag"].copy(data=flag)
    found, notes = on_one_scale(given, case(("AAA", {}), columns=[COLUMN]))
    assert found["flag"].values.tolist() == flag.tolist()
    assert notes == []


def test_what_is_only_compared_on_a_scale_without_conversion_is_told_and_refuses_nothing():
    given = observed(("AAA", "WMO CO2 X2019", 400.0), ("OCO2-1", "NIM CO2 2019", 410.0), ("OCO2-2", "", 410.0))
    flag = np.array([0, Flag.HELD_OUT, Flag.HELD_OUT], dtype=np.uint32)
    given["flag"] = given["flag"].copy(data=flag)
    found, notes = on_one_scale(given, case(("AAA", {}), columns=[COLUMN]))
    assert found["flag"].values.tolist() == [0, *[Flag.HELD_OUT | Flag.SCALE_UNCONVERTED] * 2]
    for name in ("value", "uncertainty", "scale"):
        np.testing.assert_array_equal(found[name], given[name])
    assert notes == [
        "OCO2: on a scale that is not known, not converted to WMO CO2 X2019; compared as it is",
        "OCO2: on NIM CO2 2019, not converted to WMO CO2 X2019; compared as it is",
    ]
    # where no observation is used there is no scale to be on
    bare = given.isel(obs=[1, 2])
    assert on_one_scale(bare, case(("AAA", {}), columns=[COLUMN]))[1] == []
