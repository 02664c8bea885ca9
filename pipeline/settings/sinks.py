"""Section of sink stations: towers that measure the flux itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings.base import NonNegative, Positive, Section


class SinkSettings(Section):
    """One sink station's feed of half-hourly fluxes. Facts (position, zone) come from station_meta."""

    id: str = Field(pattern=r"^[A-Z0-9_]{2,16}$", description="station id of station_meta")
    format: Literal["fluxnet"] = Field(description="format of the files")
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    height: NonNegative = Field(description="height of the instruments above ground, m")
    variable: str = Field(default="NEE", description="column of the net flux, umol m-2 s-1, positive upward")
    quality: str | None = Field(default=None, description="column of the flux's quality flag")
    accepted: list[int] = Field(default_factory=lambda: [0, 1], description="quality flags that mean measured and good")
    friction: str = Field(default="USTAR", description="column of the friction velocity, m s-1")
    friction_least: NonNegative = Field(description="friction velocity below which the flux is not used, m s-1")
    radius: Positive = Field(default=1.5, description="radius of the tower's footprint, taken as even, km")
    sector: str = Field(default="biosphere", description="sector whose flux the tower sees")
    representation_error: NonNegative = Field(
        description="one-sigma error of comparing this tower with the model, flux unit"
    )
