"""Sections of cheap sensors: what a device does not compensate, and the filter of their bias."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings.base import Positive, Section


class CompensationSettings(Section):
    """A device counts molecules in a volume, and takes the air in it to be of one pressure and temperature."""

    pressure: Positive = Field(description="pressure the device takes its air to have, Pa, for example 101325")
    temperature: Positive = Field(description="temperature the device takes its air to have, K, for example 298.15")


class BiasFilterSettings(Section):
    """Bias of sensors with an `offset`, told by spectrometers in hours of well-mixed air before it is solved for."""

    history: int = Field(
        default=30, ge=1, description="days before observation_hours whose files are read too, to know the bias"
    )
