"""A Dataset of a contract without a row: what is left where no file can be used."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.schema import SCHEMAS
from pipeline.units import Species

_KINDS = {"M": "datetime64[ns]", "f": "float64", "i": "int64", "T": "U1"}
_SIZES = {"obs": 0, "layer": 1, "layer_edge": 2}


def nothing(name: str, gas: Species, *more: str) -> xr.Dataset:
    """Return a bare Dataset of no observation, to be labelled, or joined with others.

    Parameters
    ----------
    name
        Of the contract: observations, or receptors.
    more
        Variables that are not required, but wanted.

    Examples
    --------
    >>> from pipeline.units import SPECIES
    >>> nothing("receptors", SPECIES["co2"], "averaging_kernel")["averaging_kernel"].shape
    (0, 1)
    """
    columns = {
        key: (declared.dims, np.empty([_SIZES[dim] for dim in declared.dims], _kind(key, declared.kind)))
        for key, declared in SCHEMAS[name].items()
        if declared.required or key in more
    }
    return xr.Dataset(columns, attrs={"species": gas.name})


def _kind(key: str, kind: str) -> str:
    # flags are bits: beside a signed number they would cease to be
    return "uint32" if key == "flag" else _KINDS[kind]
