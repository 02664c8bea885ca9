"""Everything about the simulated province that is drawn by chance, drawn once from two seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS, WORKS

#: built-up centres of counties around each city, and how far they lie from it, km
_CENTRES_PER_CITY = 3
_CENTRE_DISTANCE = (15.0, 45.0)
#: industrial parks around each city, and how far they lie from it, km
_PARKS_PER_CITY = 4
_PARK_DISTANCE = (6.0, 30.0)
#: waves of greenness, and their lengths, km
_PATCH_WAVES, _PATCH = 16, (15.0, 90.0)
#: an inventory is wrong by this share of a city's total, of either sign; of the cities this many have the other sign
_CITY_ERROR = (0.2, 0.4)
_AGAINST = 2
#: and by this share of the province's total, of either sign
_PROVINCE_ERROR = (0.22, 0.28)
#: a biosphere model is wrong by these shares in uptake and in respiration, and by these hours in phase
_UPTAKE_ERROR, _RESPIRATION_ERROR, _LATE = (0.08, 0.20), (0.08, 0.20), (0.3, 0.9)
_DISPLACED_PLANTS, _MISSING_WORKS = 2, 2


@dataclass(frozen=True, eq=False)
class World:
    """The chance draws of one simulated province.

    Geography and sky come from the `seed`, so that several draws over one province share weather and footprints;
    what the prior gets wrong and what instruments do comes from the `draw`.

    Parameters
    ----------
    centres : (city, centre, 2) float64
        Offsets of the county centres from their city, km east and north.
    parks : (city, park, 2) float64
        The same of industrial parks.
    patches : (wave, 3) float64
        Direction, length (km) and phase of the waves that make one stand greener than another; radians.
    city_factor : (city,) float64
        What the prior inventory says over what is true, by city of `CITIES`.
    neighbour_factor : (neighbour,) float64
        The same for `NEIGHBOURS`.
    missing : (1,) int
        Indices into `PLANTS` of the plants the prior does not know.
    displaced : (2,) int
        Indices into `PLANTS` of plants the prior places at their owner's address in the city centre.
    missing_works : (2,) int
        Indices into `WORKS` of those the prior does not know.
    uptake_factor, respiration_factor : float
        What the prior's biosphere does over what the true one does.
    late : float
        Hours by which the prior's light comes late.
    phase : (16,) float64
        Phases of wind, waves and clouds, radians.
    fluxes_rng, background_rng, instrument_rng, sounding_rng, transport_rng
        Independent streams for what is drawn later.
    """

    centres: np.ndarray
    parks: np.ndarray
    patches: np.ndarray
    city_factor: np.ndarray
    neighbour_factor: np.ndarray
    missing: np.ndarray
    displaced: np.ndarray
    missing_works: np.ndarray
    uptake_factor: float
    respiration_factor: float
    late: float
    phase: np.ndarray
    fluxes_rng: np.random.Generator
    background_rng: np.random.Generator
    instrument_rng: np.random.Generator
    sounding_rng: np.random.Generator
    transport_rng: np.random.Generator


def draw_world(seed: int, draw: int | None = None) -> World:
    """Return the draws; each kind has its own stream, so adding one does not move the others.

    Parameters
    ----------
    seed
        Of geography, weather, the perturbation of the weather, and where satellites look.
    draw
        Of the prior's errors, instruments and background; `seed` when not given.
    """
    places, sky, soundings, transport = np.random.default_rng(seed).spawn(4)
    own = np.random.default_rng([seed, seed if draw is None else draw])
    errors, fluxes, background, instruments = own.spawn(4)
    centres = _around(places, _CENTRES_PER_CITY, _CENTRE_DISTANCE)
    parks = _around(places, _PARKS_PER_CITY, _PARK_DISTANCE)
    chosen = errors.choice(len(PLANTS), 1 + _DISPLACED_PLANTS, replace=False)
    lazy = errors.choice([-1.0, 1.0])
    return World(
        centres=centres,
        parks=parks,
        patches=places.uniform((0, _PATCH[0], 0), (2 * np.pi, _PATCH[1], 2 * np.pi), (_PATCH_WAVES, 3)),
        city_factor=_city_factor(errors),
        neighbour_factor=1 + _signed(errors, len(NEIGHBOURS), len(NEIGHBOURS) // 2),
        missing=chosen[:1],
        displaced=chosen[1:],
        missing_works=errors.choice(len(WORKS), _MISSING_WORKS, replace=False),
        # the model may be too eager by day and too lazy at night, or the other way round
        uptake_factor=1 - lazy * errors.uniform(*_UPTAKE_ERROR),
        respiration_factor=1 + lazy * errors.uniform(*_RESPIRATION_ERROR),
        late=errors.choice([-1.0, 1.0]) * errors.uniform(*_LATE),
        phase=sky.uniform(0, 2 * np.pi, 16),
        fluxes_rng=fluxes,
        background_rng=background,
        instrument_rng=instruments,
        sounding_rng=soundings,
        transport_rng=transport,
    )


def _around(rng: np.random.Generator, count: int, reach: tuple[float, float]) -> np.ndarray:
    """Return offsets from each city in random directions, km east and north: (city, count, 2)."""
    angle = rng.uniform(0, 2 * np.pi, (len(CITIES), count))
    distance = rng.uniform(*reach, angle.shape)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=-1)


def _city_factor(rng: np.random.Generator) -> np.ndarray:
    """Return the inventory's factors: 20-40 % off in each city, drawn until the province is off as it should be."""
    total = np.array([city.total for city in CITIES])
    sign = rng.choice([-1.0, 1.0])
    least, most = _PROVINCE_ERROR
    while True:
        factor = 1 + sign * _signed(rng, len(CITIES), _AGAINST)
        # one draw in a dozen will do
        if least <= abs((factor * total).sum() / total.sum() - 1) <= most:
            return factor


def _signed(rng: np.random.Generator, count: int, negative: int) -> np.ndarray:
    """Return errors of `_CITY_ERROR` size, some of them negative, in random order."""
    size = rng.uniform(*_CITY_ERROR, count)
    sign = np.where(np.arange(count) < negative, -1.0, 1.0)
    return size * rng.permutation(sign)
