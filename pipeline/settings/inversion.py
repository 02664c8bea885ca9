"""Sections of the inversion: sectors and the covariance of their errors, offsets of sensors, solver, outputs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings.base import Finite, NonNegative, Positive, Section


class OffsetSettings(Section):
    """A sensor's slowly drifting offset, solved with the fluxes."""

    sigma: Positive = Field(description="one-sigma size of the offset, species unit")
    hours: Positive = Field(description="e-folding time of its drift, hours")


class FluxSource(Section):
    """One file that adds to a sector's prior flux."""

    file: str = Field(description="path under inputs.root")
    format: Literal["netcdf", "geotiff", "cdiac"] = Field(description="format of the file")
    variable: str | None = Field(default=None, description="variable (netcdf)")
    unit: str | None = Field(default=None, description="unit, when the file states none (GeoTIFF, CDIAC)")
    positive: Literal["up", "down"] = Field(default="up", description="direction the file's positive numbers mean")
    time: Literal["hourly", "constant"] = Field(
        default="constant", description="hourly: the file's times cover the hours; constant: one field for all hours"
    )
    missing: Literal["refuse", "zero"] = Field(
        default="refuse", description="what missing values mean: refuse the file, or zero (land in an ocean file)"
    )
    negative: Literal["refuse", "allow"] | None = Field(
        default=None,
        description=(
            "what negative fluxes (uptake) mean: refuse the file, or allow them; when not given, a constant field is "
            "an inventory of emissions and has none, an hourly one may"
        ),
    )
    scale: Finite = Field(default=1.0, description="factor on the file's numbers")
    reason: str | None = Field(default=None, description="why scale is not 1; required then, and kept in the output")
    profile: Literal["flat", "daylight"] | list[NonNegative] = Field(
        default="flat",
        description="hour-of-day shape, mean 1: flat, daylight (sine of solar elevation), or 24 weights by local hour",
    )
    profile_zone: str = Field(default="UTC", description="zone of the 24 weights")

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.scale != 1.0 and not self.reason:
            raise ValueError(f"scale {self.scale} needs a reason")
        if isinstance(self.profile, list) and (len(self.profile) != 24 or sum(self.profile) == 0):
            raise ValueError("profile must be 24 weights, not all zero")
        if self.format == "netcdf" and self.variable is None:
            raise ValueError("format netcdf needs variable")
        if self.format != "netcdf" and self.unit is None:
            raise ValueError(f"format {self.format} needs unit")
        return self


class WideSettings(Section):
    """A second, longer distance over which a sector's errors are alike: a whole city's or province's factor."""

    length: Positive = Field(description="e-folding distance (or length scale), km")
    share: Positive = Field(lt=1, description="its share of the error's variance, below 1")


class SectorSettings(Section):
    """A flux sector: its prior and the covariance of the prior's errors."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="sector name")
    sources: list[FluxSource] = Field(min_length=1, description="files whose sum is the prior flux")
    sigma_fraction: NonNegative = Field(description="one-sigma error as a share of |prior flux| of each cell and hour")
    sigma_floor: NonNegative = Field(default=0.0, description="one-sigma error added in quadrature, flux unit")
    distribution: Literal["normal", "lognormal"] = Field(
        default="normal",
        description=(
            "of the prior's error: normal, or lognormal, which keeps the flux from becoming negative (prior mean and "
            "sigma as stated; where the prior is 0 the flux stays 0)"
        ),
    )
    mask: FluxSource | None = Field(
        default=None, description="file of shares, 0 to 1, that sigma is multiplied by, for example land; unit 1"
    )
    correlation: Literal["separable", "exponential", "matern", "gaussian"] = Field(
        default="separable",
        description=(
            "of the error in space: separable (exponential along x times exponential along y, fast), or by distance: "
            "exponential, matern (order 3/2), gaussian"
        ),
    )
    length: Positive = Field(description="e-folding distance of the error correlation (or its length scale), km")
    wide: WideSettings | None = Field(
        default=None,
        description="a longer distance and its share of the variance: { length = 150, share = 0.1 }; or none",
    )
    hours: Positive = Field(description="e-folding time of the error correlation, hours")
    daily: Positive | None = Field(
        default=None,
        description="width, hours, of a term that ties errors to the hour of day: what is wrong at eight is at eight",
    )

    @property
    def wide_pair(self) -> tuple[float, float] | None:
        """(length, share) of the longer distance."""
        return None if self.wide is None else (self.wide.length, self.wide.share)

    @model_validator(mode="after")
    def _uncertain(self) -> Self:
        if self.sigma_fraction == 0 and self.sigma_floor == 0:
            raise ValueError("sigma_fraction and sigma_floor are both 0: the sector could not be corrected")
        if self.wide is not None and self.wide.length <= self.length:
            raise ValueError(f"wide.length must exceed length: {self.wide.length:g} against {self.length:g} km")
        return self


class SolverSettings(Section):
    """How the solution is computed."""

    precision: Literal["single", "double"] = Field(
        default="single", description="of fields and of the products that make K; K itself is always solved in double"
    )
    members: int = Field(default=64, ge=2, description="posterior ensemble members")
    seed: int = Field(default=1, ge=0, description="seed of the ensemble")
    iterations: int = Field(default=8, ge=1, description="most re-linearisations when a sector is lognormal")
    gate: NonNegative = Field(
        default=3.0,
        description=(
            "an observation more than this many sigma from the prior is not used, unless more than a quarter of its "
            "hour's are that far; 0: no gate"
        ),
    )
    threads: int = Field(default=0, ge=0, description="threads of the kernels; 0 means all")
    memory_limit: Positive | None = Field(
        default=None, description="most memory the inversion may take, GiB; the machine's when not given"
    )


class OutputSettings(Section):
    """What is written."""

    store: str = Field(description="Zarr folder, relative to this file")
    ensemble: bool = Field(default=False, description="also keep the ensemble's flux fields")
    query: bool = Field(
        default=True,
        description="also keep footprints, weights and factor, which answer for any polygon and period afterwards",
    )
