"""Section of sink stations: towers that measure the flux itself."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings.base import NonNegative, Positive, Section


class SinkSettings(Section):
    """One sink station's feed of half-hourly fluxes. Facts (position, zone) come from station_meta."""

    id: str = Field(pattern=r"^[A-Z0-9_]{2,16}$", description="station id of station_meta")
    format: Literal["fluxnet"] = Field(
        description="format of the files: CSV as FLUXNET, ICOS and EuroFlux write it, -9999 for missing"
    )
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    height: NonNegative = Field(description="height of the instruments above ground, m")
    variable: str = Field(default="NEE", description="column of the net flux, umol m-2 s-1, positive upward")
    quality: str | None = Field(
        default=None, description="column of the flux's quality flag; without one, every value is taken as measured"
    )
    quality_means: Literal["filling", "turbulence"] = Field(
        default="filling",
        description=(
            "what quality tells: filling (FLUXNET's _QC: 0 measured, others filled) or turbulence (steadiness and "
            "turbulence, 0 best)"
        ),
    )
    accepted: list[int] = Field(default_factory=lambda: [0], description="quality flags of fluxes that are used by day")
    accepted_night: list[int] = Field(
        default_factory=lambda: [0], description="quality flags of fluxes that are used at night"
    )
    uncertainty: str | None = Field(
        default=None, description="column of the flux's one-sigma random error, umol m-2 s-1"
    )
    random_error: tuple[NonNegative, NonNegative] = Field(
        default=(1.42, 0.19),
        description=(
            "one-sigma random error of a row where no column tells it: umol m-2 s-1, plus a share of the flux's size "
            "(about a forest's; the law is that of Richardson et al. 2006)"
        ),
    )
    friction: str = Field(default="USTAR", description="column of the friction velocity, m s-1")
    friction_least: NonNegative = Field(description="friction velocity below which the flux is not used, m s-1")
    radiation: str | None = Field(
        default=None,
        description="column of incoming shortwave radiation, W m-2, which tells night; else the sun's elevation does",
    )
    radius: Positive = Field(default=1.5, description="radius of the tower's footprint, taken as even, km")
    sector: str = Field(default="biosphere", description="sector whose flux the tower sees")
    representation_error: NonNegative = Field(
        description="one-sigma error of comparing this tower with the model, flux unit"
    )

    @model_validator(mode="after")
    def _measured_only(self) -> Self:
        accepted = (self.accepted, self.accepted_night)
        if self.quality_means == "filling" and accepted != ([0], [0]):
            raise ValueError(f"of a filling flag only 0 is measured: what is accepted must be [0]; got {accepted}")
        return self
