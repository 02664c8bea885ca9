"""Answers as the JSON that a page or a program takes: no NaN, times with their zone, columns for charts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pipeline.answers import LAYERS, Source, word
from pipeline.serve.edition import Edition
from pipeline.serve.edition import metadata as axes_of
from pipeline.serve.shelf import Told
from pipeline.units import species

_LAYER_NAMES = {
    "flux_prior": ("Prior", "先验"),
    "flux_posterior": ("Posterior", "后验"),
    "flux_change": ("Change", "变化"),
    "flux_prior_std": ("Prior sigma", "先验不确定度"),
    "flux_posterior_std": ("Posterior sigma", "后验不确定度"),
}
_TOTALS = ("prior", "prior_std", "posterior", "posterior_std", "data_share")
_M2_PER_KM2 = 1e6


def metadata(edition: Edition, told: Told, title: str) -> dict[str, Any]:
    """Return everything a page must know before it draws."""
    source = edition.source
    gas = species(source.species)
    return {
        "title": title or source.version.facts.get("title", ""),
        "species": gas.name,
        "species_label": gas.name.upper(),
        "unit": gas.flux_unit,
        "mole_fraction_unit": gas.mole_fraction_unit,
        "kind": source.version.kind,
        "version": source.version.id,
        "commit": source.version.facts.get("commit"),
        "fallback": {"newest": told.newest, "why": "it cannot be read"} if told.newest else None,
        "sectors": [{"name": one, "en": word(one, "en"), "zh": word(one, "zh")} for one in edition.sectors],
        "layers": [{"name": one, "en": _LAYER_NAMES[one][0], "zh": _LAYER_NAMES[one][1]} for one in LAYERS],
        **axes_of(edition),
        "levels": list(dict.fromkeys(source.regions.levels)),
        "ranges": edition.ranges(),
        "zarr": f"/api/zarr/{source.version.id}",
    }


def regions(source: Source) -> dict[str, Any]:
    """Return the declared regions, with the rectangle of degrees each lies in."""
    table, shares = source.regions, source.fractions()
    lon, lat = (values.ravel() for values in source.grid.lonlat)
    told = []
    for at, name in enumerate(table.ids):
        cells = shares.indices[shares.indptr[at] : shares.indptr[at + 1]]
        box = [lon[cells].min(), lat[cells].min(), lon[cells].max(), lat[cells].max()] if cells.size else None
        told.append(
            {
                "id": name,
                "name": table.names[at],
                "name_en": table.names_en[at],
                "level": table.levels[at],
                "area_km2": round(float(table.areas[at]) / _M2_PER_KM2, 3),
                "bounds": None if box is None else [round(float(edge), 5) for edge in box],
            }
        )
    return {"regions": told}


def series(answer: xr.Dataset, freq: str) -> dict[str, Any]:
    """Return totals of one area as columns over time.

    Parameters
    ----------
    answer
        Of `pipeline.answers.query` for one area.
    freq
        Of its parts.
    """
    one = answer.isel(region=0)
    return {
        "version": answer.attrs["version"],
        "species": answer.attrs["species"],
        "unit": "t",
        "freq": freq,
        "area": {
            "id": str(one["region"].values),
            "name": str(one["region_name"].values),
            "name_en": str(one["region_name_en"].values),
            "km2": round(float(one["area"]) / _M2_PER_KM2, 3),
            "outside": float(one["outside"]),
        },
        "time": [f"{hour}:00Z" for hour in one["time"].values.astype("datetime64[h]")],
        "hours": one["hours"].values.tolist(),
        "hours_missing": one["hours_missing"].values.tolist(),
        "exact": [bool(told) for told in one["exact"].values],
        "linearised": bool(answer.attrs["linearised"]),
        "sectors": {
            str(name): {total: _numbers(one[total].sel(sector=name).values) for total in _TOTALS}
            for name in one["sector"].values
        },
    }


def hours(source: Source, asked: np.ndarray) -> dict[str, Any]:
    """Return how each hour was made."""
    told = source.facts(asked)
    return {"hours": [{"hour": f"{hour}Z", **facts} for hour, facts in zip(asked, told, strict=True)]}


def _numbers(values: np.ndarray) -> list[float | None]:
    """Return numbers as JSON has them: six digits, which no sigma exceeds, and null for what is none."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values.tolist()]
