"""Section of the hourly service: how long its window is, and when an hour is done with."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.settings.base import Section


class CycleSettings(Section):
    """The fixed-lag cycle: every hour is solved from a window of its own."""

    window_hours: int = Field(
        default=96, ge=2, le=1000, description="hours of a window, the newest included; flux_hours gives way to it"
    )
    lag_hours: int = Field(
        default=48, ge=1, description="the newest hours of a window, whose fluxes are provisional; older ones are final"
    )

    @model_validator(mode="after")
    def _shorter(self) -> Self:
        if self.lag_hours > self.window_hours:
            raise ValueError(f"lag_hours {self.lag_hours} must not exceed window_hours {self.window_hours}")
        return self
