"""Units: one mass of gas has one flux, whatever unit it is written in."""

import pytest

from pipeline.errors import UnitError
from pipeline.units import (
    MOLAR_MASS_CARBON,
    SECONDS_PER_DAY,
    SECONDS_PER_YEAR,
    SPECIES,
    flux_factor,
    footprint_factor,
    mole_fraction_factor,
    species,
    tonnes_per_flux_unit,
)

CO2 = SPECIES["co2"]
ONE = 1e-6  # mol m-2 s-1 in one umol m-2 s-1


@pytest.mark.parametrize(
    ("unit", "number"),
    [
        ("mol m-2 s-1", ONE),
        ("mol/m2/s", ONE),
        ("umol m-2 s-1", 1.0),
        ("µmol m⁻² s⁻¹", 1.0),
        ("kg m-2 s-1", ONE * CO2.molar_mass),
        ("g m-2 day-1", ONE * CO2.molar_mass * 1e3 * SECONDS_PER_DAY),
        ("gC m-2 day-1", ONE * MOLAR_MASS_CARBON * 1e3 * SECONDS_PER_DAY),
    ],
)
def test_the_same_flux_in_every_density_unit(unit, number):
    factor, per_cell = flux_factor(unit, CO2)
    assert not per_cell
    assert number * factor == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "molar_mass", "tonnes"),
    [
        ("t cell-1 year-1", CO2.molar_mass, 1),
        ("tC cell-1 year-1", MOLAR_MASS_CARBON, 1),
        ("TgC cell-1 year-1", MOLAR_MASS_CARBON, 1e6),
    ],
)
def test_totals_per_cell_need_the_area(unit, molar_mass, tonnes):
    factor, per_cell = flux_factor(unit, CO2)
    assert per_cell
    area = 9e6
    number = ONE * area * molar_mass * 1e-3 / tonnes * SECONDS_PER_YEAR
    assert number * factor / area == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "gas", "factor"),
    [
        ("ppm", "co2", 1),
        ("µmol mol-1", "co2", 1),
        ("mol mol-1", "co2", 1e6),
        ("nanomol mol-1", "ch4", 1),
        ("ppm", "ch4", 1e3),
    ],
)
def test_mole_fractions_end_in_the_species_unit(unit, gas, factor):
    assert mole_fraction_factor(unit, SPECIES[gas]) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("unit", ["mg m-3", "ppmv2", "", "degC"])
def test_an_unknown_mole_fraction_unit_is_refused_by_name(unit):
    with pytest.raises(UnitError, match="dry-air mole fraction") as caught:
        mole_fraction_factor(unit, CO2, where="feed.csv")
    assert repr(unit) in str(caught.value)
    assert "feed.csv" in str(caught.value)


def test_unknown_flux_footprint_and_species_are_refused():
    with pytest.raises(UnitError, match="flux unit must be known; got 'kg/s'"):
        flux_factor("kg/s", CO2)
    with pytest.raises(UnitError, match="footprint unit"):
        footprint_factor("s m3 kg-1")
    with pytest.raises(UnitError, match="species must be declared; got 'sf6'"):
        species("sf6")


def test_a_footprint_is_one_number_in_si_and_in_the_species_units():
    for gas in SPECIES.values():
        assert gas.mole_fraction_in_si / gas.flux_in_si == 1.0


def test_one_square_kilometre_at_one_umol_for_a_day():
    # 1e6 m2 x 1e-6 mol x 86400 s x 44.009 g = 3.802 t
    assert tonnes_per_flux_unit(CO2) * 1e6 * SECONDS_PER_DAY == pytest.approx(3.8023776, rel=1e-9)
