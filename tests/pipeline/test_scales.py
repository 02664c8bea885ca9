"""Scales have one name each; conversions are exact ways there and back, and absent ones are refused."""

import numpy as np
import pytest

from pipeline.errors import UnitError
from pipeline.scales import Conversion, conversion, convert, same_scale, scale_name
from pipeline.units import SPECIES

CO2, CH4, CO = (SPECIES[name] for name in ("co2", "ch4", "co"))
VALUES = np.array([350.0, 400.0, 430.0, 600.0])


def test_the_published_conversion_gives_the_published_differences():
    # Hall et al. 2021, abstract: X2019 is 0.18 ppm above X2007 at 400 ppm
    found = convert(VALUES, "WMO CO2 X2007", "WMO CO2 X2019", CO2)
    np.testing.assert_allclose(found - VALUES, 0.00079 * VALUES - 0.142, rtol=0, atol=1e-9)
    assert found[1] - VALUES[1] == pytest.approx(0.18, abs=0.01)


def test_there_and_back_is_the_identity():
    there = convert(VALUES, "WMO CO2 X2007", "WMO CO2 X2019", CO2)
    assert np.all(there != VALUES)
    np.testing.assert_allclose(convert(there, "WMO CO2 X2019", "WMO CO2 X2007", CO2), VALUES, rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "gas", "name"),
    [
        ("WMO CO2 X2019", CO2, "WMO CO2 X2019"),
        ("WMO_CO2_X2019", CO2, "WMO CO2 X2019"),
        ("WMO-CO2-X2007", CO2, "WMO CO2 X2007"),
        ("X2007", CO2, "WMO CO2 X2007"),
        ("NOAA 2004A CH4", CH4, "WMO CH4 X2004A"),
        ("WMO X2004A", CH4, "WMO CH4 X2004A"),
        ("wmo-x2004", CH4, "WMO CH4 X2004"),
        ("WMO CO X2014A", CO, "WMO CO X2014A"),
        ("NIM CO2 2019", CO2, "NIM CO2 2019"),
        ("NIM-WMO X2019", CO2, "NIM-WMO X2019"),
        ("SIO-X12", CO2, "SIO-X12"),
        ("WMO CO2 X2019", CH4, "WMO CO2 X2019"),
        ("2019", CO2, "2019"),
        ("", CO2, ""),
    ],
)
def test_a_scale_has_one_name(text, gas, name):
    assert scale_name(text, gas) == name
    assert scale_name(name, gas) == name


@pytest.mark.parametrize(
    ("one", "other", "gas"),
    [
        ("WMO CO2 X2007", "WMO CO2 X2019", CO2),
        ("WMO CH4 X2004", "WMO CH4 X2004A", CH4),
        ("NIM CO2 2019", "WMO CO2 X2019", CO2),
        ("", "WMO CO2 X2019", CO2),
    ],
)
def test_two_scales_are_not_one(one, other, gas):
    assert not same_scale(one, other, gas)
    assert same_scale(one, one.lower(), gas)


@pytest.mark.parametrize(
    ("source", "target", "gas"),
    [
        ("WMO CH4 X2004", "WMO CH4 X2004A", CH4),
        ("NIM CO2 2019", "WMO CO2 X2019", CO2),
        ("WMO CO2 X2007", "NIM CO2 2019", CO2),
        ("", "WMO CO2 X2019", CO2),
    ],
)
def test_a_conversion_nobody_published_is_refused(source, target, gas):
    assert conversion(source, target, gas) is None
    with pytest.raises(UnitError, match=f"a.csv: a conversion to {target} must be published.*scale_error"):
        convert(VALUES, source, target, gas, where="a.csv")


def test_one_scale_by_two_names_converts_to_itself_to_the_bit():
    assert conversion("NOAA 2004A CH4", "WMO CH4 X2004A", CH4) == Conversion(1.0, 0.0)
    assert convert(VALUES, "NOAA 2004A CH4", "WMO CH4 X2004A", CH4).tolist() == VALUES.tolist()
