"""The part of a retrieval's error that soundings of one strip share: it fades with the distance along the track.

Two retrievals of one strip have the covariance c sigma_i sigma_j exp(-|s_i - s_j| / L), c the `correlated_share`, s
along the strip, L `correlation_km`; the rest of each variance, (1 - c) sigma^2, is a sounding's own, so that its
variance is as before (Baker et al. 2022, Geosci. Model Dev. 15, 649: L near 20 km).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.errors import SolverError
from pipeline.inversion.correlated import CorrelatedError
from pipeline.schema import SATELLITE, instruments
from pipeline.settings import Settings


def correlated_share(settings: Settings, observed: xr.Dataset) -> np.ndarray:
    """Return the share of each observation's measurement variance that is correlated along its track, (obs,)."""
    shares = {column.id: column.correlated_share for column in settings.columns}
    makers = instruments(observed["station"].values, observed["platform"].values).tolist()
    platform = observed["platform"].values.astype(str).tolist()
    return np.array(
        [shares.get(maker, 0.0) if kind == SATELLITE else 0.0 for maker, kind in zip(makers, platform, strict=True)]
    )


def track_errors(settings: Settings, used: xr.Dataset, order: np.ndarray) -> tuple[CorrelatedError, ...]:
    """Return the correlated part of retrievals' errors, one for each distance over which it fades.

    Parameters
    ----------
    used
        Dataset "observations" of air that is used, with `track` and `along` where a section has `correlated_share`.
    order : (m,) int
        Of the problem's observations among those of `used` and others after them, which have no part in it.

    Raises
    ------
    SolverError
        When the observations do not say where along a track they are.
    """
    share = correlated_share(settings, used)
    if not np.any(share > 0):
        return ()
    if "track" not in used or "along" not in used:
        raise SolverError(
            "soundings with a correlated error must have a track",
            got=sorted(map(str, used.data_vars)),
            remedy="read them with the same settings",
            where="observations",
        )
    makers = instruments(used["station"].values, used["platform"].values)
    # tracks are numbered within an instrument
    _, whose = np.unique(makers, return_inverse=True)
    _, group = np.unique(np.stack([whose, used["track"].values]), axis=1, return_inverse=True)
    sigma = np.sqrt(share) * used["uncertainty"].values.astype(np.float64)
    along = used["along"].values.astype(np.float64)
    distance = {column.id: column.correlation_km for column in settings.columns}
    mine = np.array([distance.get(maker, 0.0) for maker in makers.tolist()])

    def whole(values: np.ndarray) -> np.ndarray:
        out = np.zeros(order.size, dtype=values.dtype)
        out[: values.size] = values
        return out[order]

    return tuple(
        CorrelatedError(
            "retrieval", whole(np.where(mine == km, sigma, 0.0)), whole(along), whole(group.reshape(-1)), km
        )
        for km in np.unique(mine[share > 0]).tolist()
    )
