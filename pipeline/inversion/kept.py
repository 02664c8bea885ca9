"""A solution put into a Dataset and taken out again: what answers for any total afterwards, exactly.

Fields are not repeated: prior and sigma stand in the posterior Dataset in the precision they were solved in. With
log-normal sectors those of the linear solution are others, and kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.grid import Grid
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.correlation import correlation_coordinates, told_correlations
from pipeline.inversion.cross import Span
from pipeline.inversion.factor import Factor
from pipeline.inversion.problem import Problem
from pipeline.inversion.solve import Solution
from pipeline.settings import Settings

_VECTORS = ("value", "variance", "background")
_PARTS = ("sigma", "hours", "group")


def pack(solution: Solution, settings: Settings) -> xr.Dataset:
    """Return everything of a solution but its fields.

    Parameters
    ----------
    solution
        The solved window.
    settings
        Its sectors, whose correlations are kept beside it.
    """
    problem, span = solution.problem, solution.problem.span
    matrix = problem.footprint
    variables: dict[str, Any] = {
        **{name: ("observation", getattr(problem, name)) for name in _VECTORS},
        "innovation": ("observation", solution.innovation),
        "signal_variance": ("observation", solution.signal_variance),
        "weights": ("observation", solution.weights, {"long_name": "z = K^-1 d"}),
        "factor": ("pair", _packed(solution.factor.lower), {"long_name": "lower triangle of L, row by row; L L^T = K"}),
        "footprint_value": ("entry", matrix.data),
        "footprint_index": ("entry", matrix.indices, {"long_name": "hour * cells + cell"}),
        "footprint_start": ("row_edge", matrix.indptr),
    }
    for number, error in enumerate(problem.errors):
        attrs = {"long_name": error.name, "e_folding_hours": error.e_folding}
        variables |= {f"error_{number}_{name}": ("observation", getattr(error, name), attrs) for name in _PARTS}
    if problem.share is not None:
        variables["share"] = (("sector", "observation"), problem.share)
    if any(sector.distribution == "lognormal" for sector in settings.sectors):
        dims = ("sector", "time", "y", "x")
        told = {"long_name": "prior of the solution linearised about its mean"}
        variables["linear_prior"] = (dims, problem.prior, told)
        variables["linear_sigma"] = (dims, np.stack([c.sigma for c in problem.covariances]), told)
    if span is not None:
        variables |= {"span_first": ("observation", span.first), "span_last": ("observation", span.last)}
    coords = {
        "sector": np.array([s.name for s in settings.sectors], dtype=object),
        **correlation_coordinates(settings.sectors),
    }
    return xr.Dataset(variables, coords=coords, attrs={"errors": len(problem.errors)})


def unpack(kept: xr.Dataset, posterior: xr.Dataset) -> Solution:
    """Return the solution that `pack` put away.

    Parameters
    ----------
    kept
        What `pack` returned.
    posterior
        The posterior Dataset of the same run: grid, prior and sigma.
    """
    grid = Grid.from_dataset(posterior)
    if is_linearised(kept):
        prior, sigma = kept["linear_prior"].values, kept["linear_sigma"].values
    else:
        prior, sigma = posterior["flux_prior"].values, posterior["flux_prior_std"].values
    m, size = kept.sizes["observation"], prior[0].size
    arrays = tuple(kept[f"footprint_{name}"].values for name in ("value", "index", "start"))
    covariances = tuple(one.covariance(sigma[k], grid) for k, one in enumerate(told_correlations(kept)))
    problem = Problem(
        **{name: kept[name].values for name in _VECTORS},
        errors=tuple(_error(kept, number) for number in range(int(kept.attrs["errors"]))),
        footprint=scipy.sparse.csr_array(arrays, shape=(m, size)),
        prior=prior,
        covariances=covariances,
        share=kept["share"].values if "share" in kept else None,
        span=Span(kept["span_first"].values, kept["span_last"].values) if "span_first" in kept else None,
    )
    return Solution(
        problem,
        kept["innovation"].values,
        kept["signal_variance"].values,
        Factor(_unpacked(kept["factor"].values, m)),
        kept["weights"].values,
        np.zeros((m, prior.shape[0], 0), prior.dtype),
    )


def is_linearised(kept: xr.Dataset) -> bool:
    """Return whether the solution is that of a problem linearised about its mean (`pipeline.inversion.lognormal`)."""
    return "linear_prior" in kept


def _error(kept: xr.Dataset, number: int) -> CorrelatedError:
    sigma, hours, group = (kept[f"error_{number}_{name}"] for name in _PARTS)
    attrs = sigma.attrs
    return CorrelatedError(
        str(attrs["long_name"]), sigma.values, hours.values, group.values, float(attrs["e_folding_hours"])
    )


def _packed(lower: np.ndarray) -> np.ndarray:
    """Return the lower triangle row by row."""
    m = lower.shape[0]
    out = np.empty(m * (m + 1) // 2)
    for row in range(m):
        at = row * (row + 1) // 2
        out[at : at + row + 1] = lower[row, : row + 1]
    return out


def _unpacked(packed: np.ndarray, m: int) -> np.ndarray:
    out = np.zeros((m, m))
    for row in range(m):
        at = row * (row + 1) // 2
        out[row, : row + 1] = packed[at : at + row + 1]
    return out
