"""What a result says of observations and of the stations they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pipeline.inversion.assemble import Assembled, Used
from pipeline.inversion.compared import Compared
from pipeline.inversion.diagnostics import LeftOut, rms
from pipeline.inversion.solve import Solution
from pipeline.schema import instruments, is_single

Variables = dict[str, Any]

_COPIED = (
    "time", "value", "uncertainty", "spread", "count", "flag", "lon", "lat", "height",
    "enhancement", "bias", "offset_sigma", "anchor_age",
)  # fmt: skip
_TEXT = ("station", "platform", "scale")
#: what is told of a station's measurement
_TOLD = (
    "value", "error", "prior", "prior_std", "posterior", "background_prior", "background_posterior", "offset", "flag",
)  # fmt: skip


def observed_variables(
    solution: Solution,
    used: Used,
    observed: xr.Dataset,
    left_out: LeftOut,
    unit: str,
    prefix: str,
    compared: Compared | None = None,
) -> Variables:
    """Return, per observation, what was measured, what prior and posterior say; NaN of those neither used nor compared.

    Parameters
    ----------
    solution
        The solved window.
    used
        Where the Dataset's rows stand in it.
    observed
        The Dataset, all rows.
    left_out
        Of `leave_out`.
    unit
        Of its values.
    prefix
        Name of the dimension, and what the variables' names start with.
    compared
        Rows of the Dataset that are only compared with.
    """
    problem, at = solution.problem, used.at
    background = problem.background + solution.shared("background")
    shared_variance = sum(error.sigma**2 for error in problem.errors)

    beside = {} if compared is None else compared.modelled(solution)
    values = {
        "error": (np.sqrt(problem.variance), "one-sigma measurement and representation error"),
        "background_prior": (problem.background, "prior background"),
        "background_posterior": (background, "posterior background"),
        "offset": (solution.shared("offset"), "posterior offset of the sensor"),
        "prior": (problem.value - solution.prior_residual, "prior modelled value"),
        "prior_std": (
            np.sqrt(solution.signal_variance + shared_variance),
            "its uncertainty: fluxes, background, offset",
        ),
        "posterior": (solution.modelled, "posterior modelled value"),
        "left_out_residual": (left_out.residual, "observed minus predicted without its group"),
        "left_out_std": (left_out.sigma, "stated uncertainty of that residual"),
    }

    def full(name: str) -> Any:
        of_used, meaning = values[name]
        out = np.full(observed.sizes["obs"], np.nan)
        out[used.rows] = of_used[at]
        if compared is not None and name in beside:
            out[compared.rows] = beside[name]
        return (prefix, out, {"units": unit, "long_name": meaning})

    copied = {
        f"{prefix}_{name}": (prefix, np.asarray(observed[name].values), dict(observed[name].attrs))
        for name in _COPIED
        if name in observed
    }
    text = {
        f"{prefix}_{name}": (prefix, np.asarray(observed[name].values).astype(str).astype(object))
        for name in _TEXT
        if name in observed
    }
    return {
        **copied,
        **text,
        f"{prefix}_reason": (
            prefix,
            used.reason,
            {"long_name": "why the observation was not used; empty when it was"},
        ),
        **{f"{prefix}_{name}": full(name) for name in values},
    }


def station_variables(solution: Solution, assembled: Assembled, group: np.ndarray, left_out: LeftOut) -> Variables:
    """Return the diagnostics of every station (or instrument), and chi2 of every class.

    Parameters
    ----------
    solution, assembled
        The solved window.
    group : (m,)
        Groups that were left out together.
    left_out
        Of `leave_out`.
    """
    made_by = instruments(assembled.station, assembled.platform)
    names, label = np.unique(made_by, return_inverse=True)
    groups, of_group = np.unique(group, return_inverse=True)
    # every observation stands for its share of its group's chi2
    chi2 = left_out.chi2[of_group]
    assert groups.size == left_out.chi2.size
    residual = solution.problem.value - solution.modelled
    rows = [np.flatnonzero(label == number) for number in range(names.size)]

    def each(of: Any, values: np.ndarray, meaning: str) -> Any:
        return ("station", np.array([of(values[mine]) for mine in rows]), {"long_name": meaning})

    platform, of_class = np.unique(assembled.platform, return_inverse=True)
    by_class = np.array([chi2[of_class == number].mean() for number in range(platform.size)])
    contribution = solution.innovation * solution.weights
    return {
        "station_id": ("station", names.astype(object)),
        "station_platform": ("station", np.array([assembled.platform[mine[0]] for mine in rows], dtype=object)),
        "station_count": ("station", np.array([mine.size for mine in rows]), {"long_name": "observations used"}),
        "station_prior_bias": each(np.mean, solution.prior_residual, "mean of observed minus prior"),
        "station_prior_rmse": each(rms, solution.prior_residual, "root mean square of observed minus prior"),
        "station_posterior_bias": each(np.mean, residual, "mean of observed minus posterior"),
        "station_posterior_rmse": each(rms, residual, "root mean square of observed minus posterior"),
        "station_left_out_rmse": each(rms, left_out.residual, "root mean square of observed minus left-out"),
        "station_left_out_sigma": each(rms, left_out.sigma, "root mean square of the stated uncertainty of that"),
        "station_left_out_chi2": each(np.mean, chi2, "reduced chi2 of the left-out residuals, with their covariance"),
        "platform_id": ("platform", platform.astype(object)),
        "platform_count": (
            "platform",
            np.bincount(of_class, minlength=platform.size),
            {"long_name": "observations used of the class"},
        ),
        "platform_left_out_chi2": (
            "platform",
            by_class,
            {"long_name": "reduced chi2 of the left-out residuals of the class"},
        ),
        "platform_chi2": (
            "platform",
            np.array([contribution[of_class == number].mean() for number in range(platform.size)]),
            {"long_name": "mean of d K^-1 d over the class: its share of reduced chi2"},
        ),
    }


def station_numbers(result: xr.Dataset, hours: np.ndarray) -> list[dict[str, dict[str, float]]]:
    """Return what each station and inlet measured in each of some hours, and what the models say of it.

    Parameters
    ----------
    result
        Of `posterior`.
    hours : (hour,) datetime64
        Starts of hours.

    Returns
    -------
    one for each hour: "station/height", in order, to numbers by the names of the `obs_` variables; NaN is not known.
    Soundings and segments of drives are no stations.
    """
    times = result["obs_time"].values.astype("datetime64[h]")
    alone = is_single(result["obs_platform"].values.astype(str))
    stations, heights = result["obs_station"].values, result["obs_height"].values
    numbers = {name: result[f"obs_{name}"].values for name in _TOLD}
    found = []
    for hour in hours.astype("datetime64[h]"):
        rows = np.flatnonzero((times == hour) & ~alone)
        each = {
            f"{stations[row]}/{heights[row]:g}": {name: float(values[row]) for name, values in numbers.items()}
            for row in rows
        }
        found.append(dict(sorted(each.items())))
    return found
