"""What a simulated case is to hold: the options of `tianyan osse make`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pipeline.osse.drives import BEGINS
from pipeline.osse.faults import require_known
from pipeline.osse.weather import EPOCH, TransportError
from pipeline.schema import HOUR

#: most stations of each kind: the illustrative network
MOST = {"spectrometers": 28, "micro": 80, "sinks": 5}


@dataclass(frozen=True)
class Plan:
    """One simulated case.

    Parameters
    ----------
    seed
        Of geography and weather.
    draw
        Of the prior's errors, the background and the instruments; `seed` when not given.
    hours
        Hours with observations, from Monday 2024-07-15T00Z.
    spacing_km
        Cell side of the Lambert grid.
    hours_back, particles
        Of the footprints: longest travel time, and particles per receptor. Truth and inversion share their noise
        where there is no transport error.
    spectrometers, micro, sinks
        How many stations of each kind deliver data.
    columns
        Whether two satellites do.
    mobile
        Whether a laboratory drives a round on the first day; what it measures is held out, to compare with.
    transport_error
        Of the weather that carries the observed air, or None: observations and inversion share footprints then.
    matched
        Truth, offsets and noise are drawn from what the case file states, so that the statistics must come out right.
    faults
        Kinds of `pipeline.osse.faults` that stations have on purpose.
    """

    seed: int
    draw: int | None = None
    hours: int = 168
    spacing_km: float = 3.0
    hours_back: int = 24
    particles: int = 200
    spectrometers: int = 28
    micro: int = 80
    sinks: int = 5
    columns: bool = True
    mobile: bool = False
    transport_error: TransportError | None = None
    matched: bool = False
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.hours < 1:
            raise InputError("hours must be at least 1", got=self.hours, remedy="give 24 for a day", where="hours")
        for name, most in MOST.items():
            asked = getattr(self, name)
            if not 0 <= asked <= most:
                raise InputError(f"{name} must lie in [0, {most}]", got=asked, remedy="ask for fewer", where=name)
        require_known(self.faults)
        if self.faults and self.matched:
            raise InputError("a matched case has no faults", got=self.faults, remedy="drop either", where="faults")
        if self.spectrometers + self.micro == 0:
            raise InputError("a case needs stations", got=0, remedy="ask for some", where="spectrometers")

    @property
    def drives(self) -> bool:
        """Whether there is a drive: what it adds is no part of a matched case, and it begins at noon."""
        return self.mobile and not self.matched and self.hours > BEGINS + 1

    @property
    def observed(self) -> tuple[np.datetime64, np.datetime64]:
        """Hours with observations, [start, end), UTC."""
        return EPOCH, EPOCH + self.hours * HOUR

    @property
    def window(self) -> tuple[np.datetime64, np.datetime64]:
        """Hours with fluxes, [start, end), UTC."""
        return EPOCH - self.hours_back * HOUR, EPOCH + self.hours * HOUR
