"""Constants with their source, and the only place that converts units.

Inside tianyan a species has one mole-fraction unit, one flux unit, and a footprint whose number is the same in
both: ppm per (umol m-2 s-1) for CO2, ppb per (nmol m-2 s-1) for CH4 and CO; both equal
(mol mol-1) / (mol m-2 s-1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import UnitError

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
#: mean Gregorian year; inventories "per year" are spread over it unless they say otherwise
SECONDS_PER_YEAR = 365.2425 * SECONDS_PER_DAY
#: molar mass of dry air, kg mol-1 (US Standard Atmosphere 1976)
MOLAR_MASS_AIR = 28.9644e-3
#: molar mass of carbon, kg mol-1 (IUPAC 2021, conventional value)
MOLAR_MASS_CARBON = 12.011e-3


@dataclass(frozen=True)
class Species:
    """A gas, with the units it has everywhere inside tianyan."""

    name: str
    #: kg mol-1 (IUPAC 2021 conventional atomic weights)
    molar_mass: float
    mole_fraction_unit: str
    #: mol mol-1 in one mole_fraction_unit
    mole_fraction_in_si: float
    flux_unit: str
    standard_name: str

    @property
    def footprint_unit(self) -> str:
        """Unit of a footprint: mole fraction per flux."""
        return f"{self.mole_fraction_unit} ({self.flux_unit})-1"

    @property
    def flux_in_si(self) -> float:
        """Mol m-2 s-1 in one flux_unit: the same number as mole_fraction_in_si, so footprints need no factor."""
        return self.mole_fraction_in_si


SPECIES = {
    "co2": Species("co2", 44.009e-3, "ppm", 1e-6, "umol m-2 s-1", "carbon_dioxide"),
    "ch4": Species("ch4", 16.043e-3, "ppb", 1e-9, "nmol m-2 s-1", "methane"),
    "co": Species("co", 28.010e-3, "ppb", 1e-9, "nmol m-2 s-1", "carbon_monoxide"),
}

# Spellings met in files, after folding case, spaces and the characters of `_fold`.
_MOLE_FRACTION_IN_SI = {
    "mol mol-1": 1.0, "mol/mol": 1.0, "1": 1.0,
    "1e-6": 1e-6, "ppm": 1e-6, "ppmv": 1e-6, "umol mol-1": 1e-6, "umol/mol": 1e-6,
    "micromol mol-1": 1e-6, "micromole mol-1": 1e-6,
    "1e-9": 1e-9, "ppb": 1e-9, "ppbv": 1e-9, "nmol mol-1": 1e-9, "nmol/mol": 1e-9,
    "nanomol mol-1": 1e-9, "nanomole mol-1": 1e-9,
}  # fmt: skip

_AMOUNT_FLUX_IN_SI = {
    "mol m-2 s-1": 1.0, "mol/m2/s": 1.0, "mol/(m2 s)": 1.0,
    "umol m-2 s-1": 1e-6, "umol/m2/s": 1e-6,
    "nmol m-2 s-1": 1e-9, "nmol/m2/s": 1e-9,
}  # fmt: skip

# kg of the species per m2 and second
_MASS_FLUX_IN_SI = {
    "kg m-2 s-1": 1.0, "kg/m2/s": 1.0,
    "g m-2 s-1": 1e-3, "g/m2/s": 1e-3,
    "g m-2 day-1": 1e-3 / SECONDS_PER_DAY, "g m-2 d-1": 1e-3 / SECONDS_PER_DAY,
}  # fmt: skip

# kg of carbon per m2 and second
_CARBON_FLUX_IN_SI = {
    "gc m-2 day-1": 1e-3 / SECONDS_PER_DAY, "gc m-2 d-1": 1e-3 / SECONDS_PER_DAY, "gc/m2/day": 1e-3 / SECONDS_PER_DAY,
    "gc m-2 s-1": 1e-3, "kgc m-2 s-1": 1.0,
}  # fmt: skip

# kg of the species, or of carbon, per grid cell and second
_TONNE_PER_YEAR = 1e3 / SECONDS_PER_YEAR
_MASS_PER_CELL_IN_SI = {
    "t cell-1 year-1": _TONNE_PER_YEAR, "t/cell/year": _TONNE_PER_YEAR, "t cell-1 yr-1": _TONNE_PER_YEAR,
    "kg cell-1 s-1": 1.0,
}  # fmt: skip
_CARBON_PER_CELL_IN_SI = {
    "tgc cell-1 year-1": 1e6 * _TONNE_PER_YEAR,
    "tc cell-1 year-1": _TONNE_PER_YEAR, "tc/cell/year": _TONNE_PER_YEAR, "tc cell-1 yr-1": _TONNE_PER_YEAR,
}  # fmt: skip

_PRESSURE_IN_SI = {
    "pa": 1.0, "pascal": 1.0, "pascals": 1.0, "atm": 101325.0,
    "hpa": 100.0, "mb": 100.0, "mbar": 100.0, "millibar": 100.0, "millibars": 100.0,
}  # fmt: skip


def _fold(unit: str) -> str:
    """Fold the spellings of one unit together: case of letters that carry none, Greek mu, dots, carets, spaces."""
    text = unit.strip().replace("µ", "u").replace("μ", "u").replace("⁻", "-").replace("¹", "1").replace("²", "2")
    text = text.replace("^", "").replace("·", " ").replace("*", " ")
    text = re.sub(r"\.(?=[a-z])", " ", text)  # "nmol.mol-1", as ICOS writes it
    return re.sub(r"\s+", " ", text).lower()


def species(name: str) -> Species:
    """Return the declared species.

    Raises
    ------
    UnitError
        When the gas is not declared in `SPECIES`.

    Examples
    --------
    >>> species("CO2").footprint_unit
    'ppm (umol m-2 s-1)-1'
    """
    try:
        return SPECIES[name.lower()]
    except KeyError:
        known = ", ".join(SPECIES)
        raise UnitError("the species must be declared", got=name, remedy=f"use one of {known}") from None


def mole_fraction_factor(unit: str, gas: Species, *, where: str = "") -> float:
    """Return the factor from `unit` to the species' own mole-fraction unit.

    Raises
    ------
    UnitError
        When the unit is not a known dry-air mole fraction (a mass concentration is never converted silently).

    Examples
    --------
    >>> mole_fraction_factor("nmol.mol-¹", SPECIES["ch4"])
    1.0
    >>> round(mole_fraction_factor("mol mol-1", SPECIES["co2"]))
    1000000
    """
    si = _MOLE_FRACTION_IN_SI.get(_fold(unit))
    if si is None:
        raise UnitError(
            "the unit must be a dry-air mole fraction",
            got=unit,
            remedy=f"declare one of {', '.join(_MOLE_FRACTION_IN_SI)}; a mass per volume needs p and T",
            where=where,
        )
    return si / gas.mole_fraction_in_si


def pressure_factor(unit: str, *, where: str = "") -> float:
    """Return the factor from `unit` to Pa.

    Raises
    ------
    UnitError
        When the unit is not a known pressure.

    Examples
    --------
    >>> pressure_factor("hPa")
    100.0
    """
    factor = _PRESSURE_IN_SI.get(_fold(unit))
    if factor is None:
        raise UnitError(
            "the unit must be a pressure",
            got=unit,
            remedy=f"correct the attribute units; one of {', '.join(_PRESSURE_IN_SI)}",
            where=where,
        )
    return factor


def is_pressure(unit: str) -> bool:
    """Return whether `pressure_factor` knows the unit."""
    return _fold(unit) in _PRESSURE_IN_SI


def flux_factor(unit: str, gas: Species, *, where: str = "") -> tuple[float, bool]:
    """Return (factor, per_cell): from `unit` to the species' flux unit; per_cell totals still need 1/area.

    Returns
    -------
    factor
        Multiply by it to get the species' flux unit (or that unit times m2 when per_cell).
    per_cell
        True when the unit is a total per grid cell: divide the result by the source cell's area in m2.

    Raises
    ------
    UnitError
        When the unit is unknown, or is a carbon mass for a gas without carbon.

    Examples
    --------
    >>> factor, per_cell = flux_factor("kg m-2 s-1", SPECIES["co2"])
    >>> round(factor * 44.009e-9, 9), per_cell
    (1.0, False)
    """
    text = _fold(unit)
    for table, molar_mass, per_cell in (
        (_AMOUNT_FLUX_IN_SI, 1.0, False),
        (_MASS_FLUX_IN_SI, gas.molar_mass, False),
        (_CARBON_FLUX_IN_SI, MOLAR_MASS_CARBON, False),
        (_MASS_PER_CELL_IN_SI, gas.molar_mass, True),
        (_CARBON_PER_CELL_IN_SI, MOLAR_MASS_CARBON, True),
    ):
        if text in table:
            return table[text] / molar_mass / gas.flux_in_si, per_cell
    known = ", ".join(
        [
            *_AMOUNT_FLUX_IN_SI,
            *_MASS_FLUX_IN_SI,
            *_CARBON_FLUX_IN_SI,
            *_MASS_PER_CELL_IN_SI,
            *_CARBON_PER_CELL_IN_SI,
        ]
    )
    raise UnitError("the flux unit must be known", got=unit, remedy=f"declare one of {known}", where=where)


def footprint_factor(unit: str, *, where: str = "") -> float:
    """Return the factor from a footprint's unit to the species' own, one number for every gas.

    Raises
    ------
    UnitError
        When the unit is not a mole fraction per amount flux.

    Examples
    --------
    >>> footprint_factor("(mol/mol)/(mol/m2/s)")
    1.0
    >>> footprint_factor("ppm (umol-1 m2 s)")
    1.0
    """
    known = {
        "(mol/mol)/(mol/m2/s)", "(mol mol-1)/(mol m-2 s-1)", "(mol mol-1) (mol m-2 s-1)-1", "mol-1 m2 s", "m2 s mol-1",
        "ppm (umol-1 m2 s)", "ppm (umol m-2 s-1)-1", "ppm/(umol/m2/s)",
        "ppb (nmol-1 m2 s)", "ppb (nmol m-2 s-1)-1", "ppb/(nmol/m2/s)",
    }  # fmt: skip
    if _fold(unit) in known:
        return 1.0
    if _fold(unit) in {"ppb (umol-1 m2 s)", "ppb (umol m-2 s-1)-1"}:
        return 1e-3
    raise UnitError(
        "the footprint unit must be a mole fraction per amount flux",
        got=unit,
        remedy=f"convert it to one of {', '.join(sorted(known))}",
        where=where,
    )


def tonnes_per_flux_unit(gas: Species) -> float:
    """Return tonnes of the species in one (flux unit x m2 x s).

    Examples
    --------
    >>> tonnes_per_flux_unit(SPECIES["co2"])
    4.4009e-11
    """
    return gas.flux_in_si * gas.molar_mass * 1e-3
