"""Everything about the simulated province that is drawn by chance, drawn once from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.osse.sources import CITIES, NEIGHBOURS, PLANTS

#: built-up centres of counties around each city, and how far they lie from it, km
_CENTRES_PER_CITY = 3
_CENTRE_DISTANCE = (15.0, 45.0)
#: an inventory is wrong by this share of a city's total, of either sign
_CITY_ERROR = (0.2, 0.4)
_DISPLACED_PLANTS = 2


@dataclass(frozen=True, eq=False)
class World:
    """The chance draws of one simulated province.

    Parameters
    ----------
    centres : (city, centre, 2) float64
        Offsets of the county centres from their city, km east and north.
    city_factor : (city,) float64
        What the prior inventory says over what is true, by city of `CITIES`.
    neighbour_factor : (neighbour,) float64
        The same for `NEIGHBOURS`.
    missing : int
        Index into `PLANTS` of the plant the prior does not know.
    displaced : (2,) int
        Indices into `PLANTS` of plants the prior places at their owner's address in the city centre.
    turn, cloud : (3,) and (4,) float64
        Phases of the wind and of the cloud pattern, radians.
    background_rng, instrument_rng
        Independent streams for what is drawn later.
    """

    centres: np.ndarray
    city_factor: np.ndarray
    neighbour_factor: np.ndarray
    missing: int
    displaced: np.ndarray
    turn: np.ndarray
    cloud: np.ndarray
    background_rng: np.random.Generator
    instrument_rng: np.random.Generator


def draw_world(seed: int) -> World:
    """Return the draws of a seed; each kind has its own stream, so adding one does not move the others."""
    places, errors, sky, background, instruments = np.random.default_rng(seed).spawn(5)
    angle = places.uniform(0, 2 * np.pi, (len(CITIES), _CENTRES_PER_CITY))
    distance = places.uniform(*_CENTRE_DISTANCE, angle.shape)
    chosen = errors.choice(len(PLANTS), 1 + _DISPLACED_PLANTS, replace=False)
    return World(
        centres=np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=-1),
        city_factor=1 + _signed(errors, len(CITIES)),
        neighbour_factor=1 + _signed(errors, len(NEIGHBOURS)),
        missing=int(chosen[0]),
        displaced=chosen[1:],
        turn=sky.uniform(0, 2 * np.pi, 3),
        cloud=sky.uniform(0, 2 * np.pi, 4),
        background_rng=background,
        instrument_rng=instruments,
    )


def _signed(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return errors of `_CITY_ERROR` size, half of them (or one more) positive, in random order."""
    size = rng.uniform(*_CITY_ERROR, count)
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    return size * rng.permutation(sign)
