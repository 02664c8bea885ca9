"""Sections of our own transport: the weather, the particles, and the columns they are released along."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from pipeline.settings.base import NonNegative, Positive, Section


class ForecastSettings(Section):
    """Weather of earlier forecasts, for times that the other files lack."""

    files: list[str] = Field(
        min_length=1, description="paths or glob patterns under inputs.root; they may name nothing"
    )
    cycle: str = Field(
        default="%Y%m%d%H",
        description="how a path tells the cycle it is of, UTC, as strptime writes it; the first place that fits counts",
    )
    lead_most: int = Field(default=36, ge=1, description="a time farther from its cycle is not used, hours")
    inflation: Positive = Field(
        default=1.5, description="factor on the errors of comparing with the model, for hours whose weather is forecast"
    )


class MeteorologySettings(Section):
    """The weather that carries the particles."""

    format: Literal["wrf", "era5", "arl"] = Field(
        description=(
            "wrf: wrfout; era5: pressure levels, netCDF or GRIB (extra: grib); arl: STILT's and HYSPLIT's files, on "
            "pressure levels"
        )
    )
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    forecast: ForecastSettings | None = Field(
        default=None, description="what to take for times that files lack; nothing when not given"
    )
    roughness: Positive | None = Field(
        default=None, description="roughness length, m, everywhere, for files that hold none"
    )
    boundary_layer: Literal["file", "richardson"] = Field(
        default="file",
        description="boundary-layer height: the file's, or where it holds none by bulk Richardson number",
    )
    #: no setting of a case: what a file cannot be used for, as the hourly service found out
    _left_out: frozenset[tuple[Path, np.datetime64]] = PrivateAttr(default=frozenset())

    @property
    def left_out(self) -> frozenset[tuple[Path, np.datetime64]]:
        """Files and the times for which they are as if they were not there."""
        return self._left_out

    def leaving_out(self, found: frozenset[tuple[Path, np.datetime64]]) -> MeteorologySettings:
        """Return the section without the weather of some files at some times."""
        changed = self.model_copy()
        changed._left_out = found
        return changed


class TransportSettings(Section):
    """Our own footprints: backward particles through the weather."""

    meteorology: MeteorologySettings = Field(description="the weather")
    folder: str = Field(description="folder of footprints and prepared weather, relative to this file")
    hours: int = Field(default=24, ge=1, le=240, description="longest travel time back, hours")
    particles: int = Field(default=1000, ge=1, le=100_000, description="particles per receptor")
    seed: int = Field(default=1, ge=0, lt=2**32, description="seed of the turbulence")
    top: float = Field(default=12_000.0, ge=2000.0, le=20_000.0, description="lid of the particles, m above ground")
    lowest_layer: Positive = Field(default=150.0, description="the boundary layer is at least this deep, m")
    dilution: Positive = Field(
        default=0.5, le=1.0, description="share of the boundary layer through which surface fluxes are mixed at once"
    )
    near_field: bool = Field(
        default=True, description="near the receptor, mix only through the plume's own depth (Fasoli et al. 2018)"
    )
    smoothing: NonNegative = Field(
        default=1.0, description="factor on the bandwidth of Fasoli et al. (2018); 0 switches smoothing off"
    )
    truncation: float = Field(
        default=1e-3, ge=0, lt=0.1, description="largest share of a footprint's integral left out to keep it sparse"
    )
    convection: bool = Field(default=False, description="mix particles through deep convection where a parcel rises")
    #: no setting of a case: the hour from which on others, too, still trace particles
    _oldest: np.datetime64 | None = PrivateAttr(default=None)

    @property
    def oldest(self) -> np.datetime64 | None:
        """Hour from which on receptors are traced by other processes at the same time; None without such."""
        return self._oldest

    def keeping(self, oldest: np.datetime64) -> TransportSettings:
        """Return the section with an hour whose weather others still need."""
        changed = self.model_copy()
        changed._oldest = oldest
        return changed


class ColumnSettings(Section):
    """One instrument's columns. What is not given here is the product's own, of station_meta."""

    id: str = Field(pattern=r"^[A-Z0-9_]{2,16}$", description="name of the instrument, for example TROPOMI")
    format: Literal["openmethane", "oco2-lite", "ghg-cci", "tropomi-l2", "tropomi-blended", "tccon"] = Field(
        description=(
            "layout of the files: oco2-lite (OCO-2, OCO-3, GOSAT by ACOS), ghg-cci (ESA's common layout: GOSAT, "
            "TanSat, WFMD), tropomi-l2 and tropomi-blended (methane), openmethane (TROPOMI as that project makes it), "
            "tccon (spectrometers on the ground: compared with, never assimilated)"
        )
    )
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    top: Positive = Field(default=6000.0, description="particles are released from the ground to this height, m")
    quality: NonNegative | None = Field(
        default=None, description="soundings of a lower quality value are not used, for layouts that have one"
    )
    excluded_surfaces: list[int] | None = Field(
        default=None,
        description="classes of the surface that are not used (TROPOMI: 0 land, 1 water, 2 inland, 3 coast)",
    )
    chi_square_most: Positive | None = Field(
        default=None, description="inland water is used up to this chi square of the fit only (TROPOMI)"
    )
    uncertainty_factor: Positive | None = Field(
        default=None, description="factor on the files' uncertainties, for those known to be too small"
    )
    superobs_cells: int | None = Field(
        default=None, ge=1, description="soundings of one pass are averaged over blocks of so many cells a side"
    )
    superobs_correlation: float | None = Field(
        default=None, ge=0, le=1, description="correlation of the errors of two soundings that are averaged"
    )
    correlated_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the retrieval's error variance that is correlated along the track",
    )
    correlation_km: Positive = Field(default=20.0, description="e-folding distance of it, km (Baker et al. 2022)")
    representation_error: NonNegative = Field(
        description="one-sigma error of comparing a column with the model, species unit"
    )
    scale: str | None = Field(default=None, description="calibration scale of files that do not state theirs")
    scale_error: NonNegative | None = Field(
        default=None,
        description="one-sigma difference of the scale, unknown or not convertible, from the others', species unit",
    )

    @model_validator(mode="after")
    def _averaged(self) -> Self:
        if self.superobs_correlation is not None and self.superobs_cells is None:
            raise ValueError("superobs_correlation goes with superobs_cells")
        return self
