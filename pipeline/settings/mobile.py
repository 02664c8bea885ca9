"""Section of mobile laboratories: what the columns of a track are, and what its values are used for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings.base import Finite, NonNegative, Section


class TrackColumns(Section):
    """Columns of a track's CSV; nothing about it is guessed."""

    time: list[str] = Field(
        min_length=1, description='columns of the time label, put together with a blank: ["DATE", "TIME"]'
    )
    time_format: str = Field(description='strptime format of them, for example "%d/%m/%Y %H:%M:%S"')
    lon: str = Field(description="column of longitudes, degrees")
    lat: str = Field(description="column of latitudes, degrees")
    value: str = Field(description="column of mole fractions, or of what they are above their background")
    unit: str = Field(description='unit of value, for example "ppb"')
    fix: str | None = Field(default=None, description="column of the position's quality")
    fix_valid: list[str] = Field(default_factory=list, description='its values that mean a position: ["1", "2"]')
    speed: str | None = Field(default=None, description="column of the vehicle's speed")
    speed_unit: Literal["km/h", "m/s", "kn"] = Field(default="km/h", description="unit of speed")
    heading: str | None = Field(default=None, description="column of the direction of travel, degrees from north")
    wind_from: str | None = Field(
        default=None, description="column of the direction the wind comes from, degrees from north, not the vehicle's"
    )
    co: str | None = Field(default=None, description="column of CO, which tells the vehicle's own exhaust in CO2")
    co_unit: str = Field(default="ppb", description="unit of co")
    fill_values: list[Finite] = Field(default_factory=list, description="numbers that mean missing, for example -999")
    separator: str = Field(default=",", min_length=1, max_length=1, description="column separator")
    encoding: str = Field(default="utf-8", description="text encoding, for example gb18030")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.fix is None) != (not self.fix_valid):
            raise ValueError("fix and fix_valid go together")
        if (self.heading is None) != (self.wind_from is None) or (self.heading is not None and self.speed is None):
            raise ValueError("heading and wind_from go together, and with speed")
        return self


class MobileSettings(Section):
    """A mobile laboratory's tracks. Facts (scale, zone, uncertainty) come from station_meta."""

    id: str = Field(pattern=r"^[A-Z0-9_]{2,16}$", description="station id of station_meta")
    files: list[str] = Field(min_length=1, description="paths or glob patterns under inputs.root")
    height: NonNegative = Field(description="inlet height above ground, m")
    columns: TrackColumns = Field(description="columns of the files")
    value_means: Literal["mole fraction", "enhancement"] = Field(
        default="mole fraction", description="what value is: a mole fraction, or what it is above its background"
    )
    zone: str | None = Field(default=None, description="time zone of the labels when it differs from station_meta")
    lag: NonNegative = Field(description="seconds from the inlet to the analyser: its time shows air that came in then")
    box: tuple[Finite, Finite, Finite, Finite] = Field(
        description="west, east, south, north in degrees: a position outside is none"
    )
    assimilate: bool = Field(
        default=False, description="use the segments in the inversion; else they are held out, to compare with"
    )
    representation_error: NonNegative = Field(
        description="one-sigma error of comparing a segment with the model, species unit"
    )
    scale_error: NonNegative | None = Field(
        default=None,
        description="one-sigma difference of a scale that cannot be converted from the others', species unit",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        west, east, south, north = self.box
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError(f"box must be west < east, south < north in degrees; got {list(self.box)}")
        if self.assimilate and self.value_means == "enhancement":
            raise ValueError("an enhancement is above a background of the road, not the model's: it is not assimilated")
        return self
