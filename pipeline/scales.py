"""Calibration scales: one name for each, and the published conversions between them.

A scale is what its primary standards say. Two scales differ by parts in a thousand, which over a province is as much
as the signal of a city: they are converted by a published formula, or kept apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pipeline.errors import UnitError
from pipeline.units import Species

#: bodies whose scales of these gases are one: NOAA keeps the scales of WMO's Global Atmosphere Watch
_WMO = {"WMO", "NOAA", "GAW", "GML", "ESRL", "CCL"}
_YEAR = re.compile(r"X?(\d{4}[A-Z]?)")


@dataclass(frozen=True)
class Conversion:
    """`slope * x + offset`, x and offset in the species' own unit."""

    slope: float
    offset: float

    def inverse(self) -> Conversion:
        """Return the way back."""
        return Conversion(1.0 / self.slope, -self.offset / self.slope)


#: WMO CO2 X2007 to X2019: Hall et al. 2021, doi:10.5194/amt-14-3015-2021. It stands for a calibration of each standard
#: anew, from which it departs by hundredths of a ppm. WMO CH4 X2004 to X2004A has no such formula: NOAA reassigned
#: every standard by its own history (gml.noaa.gov/ccl/ch4_scale.html). Nor has NIM's chain of primary gas mixtures
_PUBLISHED = {("WMO CO2 X2007", "WMO CO2 X2019"): Conversion(1.00079, -0.142)}
_CONVERSIONS = {**_PUBLISHED, **{(two, one): found.inverse() for (one, two), found in _PUBLISHED.items()}}


def scale_name(text: str, gas: Species) -> str:
    """Return the one name of a scale: "WMO GAS XYEAR" for those of WMO, however they are written; else as written.

    A name with another body in it (NIM, Scripps, ...) is a scale of its own, even with the year of one of WMO's.

    Parameters
    ----------
    text
        As a file or a table writes it.
    gas
        The species it is a scale of.

    Examples
    --------
    >>> from pipeline.units import SPECIES
    >>> ch4 = SPECIES["ch4"]
    >>> scale_name("NOAA 2004A CH4", ch4), scale_name("wmo-x2004a", ch4), scale_name(" NIM  CH4 2019", ch4)
    ('WMO CH4 X2004A', 'WMO CH4 X2004A', 'NIM CH4 2019')
    """
    words = re.split(r"[\s_\-/,()]+", text.strip().upper())
    years = [found[1] for word in words if (found := _YEAR.fullmatch(word))]
    others = (
        {word for word in words if word and not _YEAR.fullmatch(word)}
        - _WMO
        - {gas.name.upper(), "SCALE", "MOLE", "FRACTION"}
    )
    by_wmo = bool(_WMO & set(words)) or any(_YEAR.fullmatch(word) and word.startswith("X") for word in words)
    if len(years) == 1 and by_wmo and not others:
        return f"WMO {gas.name.upper()} X{years[0]}"
    return " ".join(text.split())


def same_scale(one: str, other: str, gas: Species) -> bool:
    """Return whether two names mean one scale.

    Examples
    --------
    >>> from pipeline.units import SPECIES
    >>> co2, ch4 = SPECIES["co2"], SPECIES["ch4"]
    >>> same_scale("NOAA 2004A CH4", "WMO CH4 X2004A", ch4), same_scale("WMO CO2 X2007", "WMO CO2 X2019", co2)
    (True, False)
    >>> same_scale("NIM CO2 2019", "WMO CO2 X2019", co2)
    False
    """
    return scale_name(one, gas).casefold() == scale_name(other, gas).casefold()


def conversion(source: str, target: str, gas: Species) -> Conversion | None:
    """Return the published conversion from one scale to another; None when there is none.

    Examples
    --------
    >>> from pipeline.units import SPECIES
    >>> conversion("NOAA CO2 X2007", "WMO CO2 X2019", SPECIES["co2"])
    Conversion(slope=1.00079, offset=-0.142)
    """
    if same_scale(source, target, gas):
        return Conversion(1.0, 0.0)
    return _CONVERSIONS.get((scale_name(source, gas), scale_name(target, gas)))


def convert(value: np.ndarray, source: str, target: str, gas: Species, *, where: str = "") -> np.ndarray:
    """Return mole fractions on another scale.

    Parameters
    ----------
    value : any shape, float64
        In the species' own unit, on the scale `source`.

    Raises
    ------
    UnitError
        When no conversion is published.

    Examples
    --------
    >>> from pipeline.units import SPECIES
    >>> convert(np.array([400.0]), "WMO CO2 X2007", "WMO CO2 X2019", SPECIES["co2"]).round(3).tolist()
    [400.174]
    """
    found = conversion(source, target, gas)
    if found is None:
        raise UnitError(
            f"a conversion to {target} must be published",
            got=source or "a scale that is not known",
            remedy="declare scale_error, the one-sigma difference of the two scales, or leave those data out",
            where=where,
        )
    return found.slope * value + found.offset
