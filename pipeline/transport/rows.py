"""Footprints of many receptors as the dataset "footprints"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.schema import label
from pipeline.transport.trace import REASONS, Footprint

_ENDS = ("end_lon", "end_lat", "end_height", "end_pressure", "end_age")


def footprints_dataset(made: Sequence[Footprint], grid: Grid, species: str) -> xr.Dataset:
    """Return footprints as one dataset, rows in the order given.

    Parameters
    ----------
    made
        At least one.
    grid
        The flux grid.
    species
        The gas; a footprint's number is the same for every one.

    Returns
    -------
    Dataset "footprints" of `pipeline.schema`, with the particles' ends and, as `end_reason`, why each ended. A row's
    time is the start of the hour its release began in.
    """
    receptors = [one.receptor for one in made]
    counts = [one.value.size for one in made]
    ends = np.stack([one.end for one in made]).astype(np.float32)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "time": (("obs",), np.array([r.time.astype("datetime64[h]") for r in receptors], dtype="datetime64[ns]")),
        "station": (("obs",), np.array([r.station for r in receptors])),
        "lon": (("obs",), np.array([r.lon for r in receptors])),
        "lat": (("obs",), np.array([r.lat for r in receptors])),
        "height": (("obs",), np.array([r.height for r in receptors])),
        "indptr": (("row_edge",), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
        "hour": (("entry",), np.concatenate([one.hour for one in made])),
        "cell": (("entry",), np.concatenate([one.cell for one in made])),
        "footprint": (("entry",), np.concatenate([one.value for one in made])),
        "truncated_share": (("obs",), np.array([one.truncated for one in made])),
        "end_weight": (("obs", "particle"), np.stack([one.weight for one in made]).astype(np.float32)),
        "end_reason": (("obs", "particle"), np.stack([one.reason for one in made])),
    }
    variables |= {name: (("obs", "particle"), ends[..., column]) for column, name in enumerate(_ENDS)}
    # lon and lat are the receptors' here, not the cells' as in other datasets
    coordinates = {name: value for name, value in grid.coordinates().items() if name not in variables}
    dataset = label(xr.Dataset(variables, coords=coordinates, attrs={"species": species}), "footprints")
    dataset["end_reason"].attrs["flag_meanings"] = " ".join(reason.replace(" ", "_") for reason in REASONS)
    dataset["end_reason"].attrs["flag_values"] = np.arange(len(REASONS), dtype=np.int8)
    return dataset


def join(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return datasets "footprints" of one grid as one, rows in the order given.

    Parameters
    ----------
    parts
        At least one; all with the same number of particles.
    """
    sizes = [int(part["indptr"].values[-1]) for part in parts]
    offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    indptr = np.concatenate([[0], *(part["indptr"].values[1:] + at for part, at in zip(parts, offsets, strict=True))])
    out = parts[0].drop_dims(["obs", "entry", "row_edge"])
    out["indptr"] = ("row_edge", indptr.astype(np.int64))
    for name, variable in parts[0].variables.items():
        lead = variable.dims[:1]
        if lead and lead[0] in ("obs", "entry"):
            joined = np.concatenate([part[name].values for part in parts])
            out[name] = (variable.dims, joined, variable.attrs)
    return label(out, "footprints")


def take(dataset: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
    """Return chosen rows of a dataset "footprints", in the order given.

    Parameters
    ----------
    rows : (n,) int
        At least one.
    """
    indptr = dataset["indptr"].values
    entries = np.concatenate([np.arange(indptr[row], indptr[row + 1]) for row in rows])
    out = dataset.drop_dims("row_edge").isel(obs=rows, entry=entries)
    out["indptr"] = ("row_edge", np.concatenate([[0], np.cumsum(np.diff(indptr)[rows])]).astype(np.int64))
    return label(out, "footprints")
