"""The regional ledger (一本账): one row for each region, sector and period, for other systems to take in.

Columns and their meaning are a schema with a version (`schema`, a JSON Schema); a column is never renamed or dropped
within one. `net` is the posterior total and `sigma` its standard deviation, that of a region as a whole: it is not the
root of its parts' squares, because their errors are correlated. `emission` is the sum over cells whose total of the
period is upward and `uptake` that over those whose total is downward, so that net = emission + uptake, and all three
add up across levels and sectors, to the rounding of fields.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from pipeline._version import __version__
from pipeline.answers.areas import area_of
from pipeline.answers.maps import cell_sums
from pipeline.answers.periods import Period, ends_of, groups
from pipeline.answers.query import open_source, period_of, query, some_hours
from pipeline.answers.source import Source
from pipeline.errors import ConfigError
from pipeline.units import SECONDS_PER_HOUR, species, tonnes_per_flux_unit

#: of the columns: the second number grows with a column, the first when one is changed
SCHEMA = "1.0"
Every = Literal["day", "month", "year"]
#: name, JSON type, unit, meaning
COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("schema", "string", "", "version of these columns"),
    ("region", "string", "", "id of the region; GB/T 2260 for divisions of China"),
    ("region_name", "string", "", "name of the region"),
    ("region_name_en", "string", "", "English name; empty where there is none"),
    ("level", "string", "", "kind of region: province, city, county, file or box"),
    ("sector", "string", "", "sector, or net: all of them together"),
    ("species", "string", "", "gas"),
    ("start", "string", "", "start of the period, or of the part of it that was asked for, UTC"),
    ("end", "string", "", "its end, exclusive, UTC"),
    ("emission", "number", "t", "posterior total of the cells whose total is upward"),
    ("uptake", "number", "t", "posterior total of the cells whose total is downward, negative, to rounding"),
    ("net", "number", "t", "posterior total, positive upward"),
    ("sigma", "number", "t", "one standard deviation of net"),
    ("sigma_kind", "string", "", "exact, or upper: an upper estimate"),
    ("prior", "number", "t", "prior total"),
    ("prior_sigma", "number", "t", "one standard deviation of prior"),
    ("data_share", "number", "1", "share of the prior variance taken away by data"),
    ("hours", "integer", "1", "hours that have numbers and are summed"),
    ("hours_missing", "integer", "1", "hours of the period that have none"),
    ("hours_degraded", "integer", "1", "of the hours, those that are degraded or prior only"),
    ("observations", "integer", "1", "observations used in the whole grid in these hours"),
    ("status", "string", "", "least final status of an hour: P0, P1, P2, P3, R, or run"),
    ("revision", "integer", "1", "highest number of a version of an hour"),
    ("version", "string", "", "snapshot of the store, or digest of the run"),
    ("code", "string", "", "version of tianyan that made the ledger"),
)
#: least final first
_STATUS = ("P0", "P1", "P2", "P3", "R", "run", "provisional", "final")


def ledger(
    store: Source | Path | str,
    level: str,
    period: str | Period | None = None,
    *,
    freq: Every = "month",
    version: str | None = None,
    as_of: datetime | str | None = None,
) -> pd.DataFrame:
    """Return the ledger of all regions of a level.

    Parameters
    ----------
    store, period, version, as_of
        As for `query`.
    level
        province, city, county, file or box, or all.
    freq
        Length of a period, UTC.

    Returns
    -------
    Columns `COLUMNS`, rows by region, period and sector (net last).

    Raises
    ------
    InputError, StoreError
        As `query`; and for a level the store has no region of.
    """
    if isinstance(store, Path | str):
        source = open_source(store, version=version, as_of=as_of)
        try:
            return ledger(source, level, period, freq=freq)
        finally:
            source.close()
    regions = store.regions
    places = list(range(len(regions.ids))) if level == "all" else regions.at_level(level)
    span = period_of(store, period)
    hours = some_hours(store, span)
    starts, parts = groups(hours, freq)
    answer = query(store, [area_of(regions.ids[at], regions) for at in places], span, freq=freq)
    tonnes = tonnes_per_flux_unit(species(store.species)) * SECONDS_PER_HOUR
    weights = scipy.sparse.csr_array(store.fractions()[places] * store.grid.area.ravel()[None, :]) * tonnes
    upward = np.stack([_upward(store, weights, hours[part]) for part in parts])  # (part, sector + 1, region)
    ends = np.minimum(ends_of(starts, freq), span.end)
    told = {str(name): answer[name].values for name in answer}
    facts = [_facts(store, hours[part]) for part in parts]
    rows: list[dict[str, Any]] = []
    for r, place in enumerate(places):
        for g in range(len(parts)):
            for s, sector in enumerate(answer["sector"].values):
                at = r, s, g
                net = float(told["posterior"][at])
                rows.append(
                    {
                        "schema": SCHEMA,
                        "region": regions.ids[place],
                        "region_name": regions.names[place],
                        "region_name_en": regions.names_en[place],
                        "level": regions.levels[place],
                        "sector": str(sector),
                        "species": store.species,
                        "start": f"{max(starts[g], span.start)}:00:00Z",
                        "end": f"{ends[g]}:00:00Z",
                        "emission": float(upward[g, s, r]),
                        "uptake": net - float(upward[g, s, r]),
                        "net": net,
                        "sigma": float(told["posterior_std"][at]),
                        "sigma_kind": "exact" if told["exact"][r, g] else "upper",
                        "prior": float(told["prior"][at]),
                        "prior_sigma": float(told["prior_std"][at]),
                        "data_share": float(told["data_share"][at]),
                        "hours": int(told["hours"][g]),
                        "hours_missing": int(told["hours_missing"][g]),
                        **facts[g],
                        "version": store.version.id,
                        "code": __version__,
                    }
                )
    return pd.DataFrame(rows, columns=[name for name, *_ in COLUMNS])


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a ledger: a list of rows."""
    properties = {
        name: {"type": kind, "description": f"{meaning}{f', {unit}' if unit else ''}"}
        for name, kind, unit, meaning in COLUMNS
    }
    properties["schema"]["const"] = SCHEMA
    for name in ("start", "end"):
        properties[name]["format"] = "date-time"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:carbon-tianyan:ledger:{SCHEMA}",
        "title": "regional ledger",
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": [name for name, *_ in COLUMNS],
            "additionalProperties": False,
        },
    }


def arrow(table: pd.DataFrame) -> pa.Table:
    """Return a ledger as an Arrow table, with the unit and meaning of each column in its metadata."""
    kinds = {"string": pa.string(), "number": pa.float64(), "integer": pa.int64()}
    fields = [
        pa.field(name, kinds[kind], nullable=False, metadata={"unit": unit, "meaning": meaning})
        for name, kind, unit, meaning in COLUMNS
    ]
    told = pa.schema(fields, metadata={"schema": SCHEMA, "json_schema": json.dumps(schema())})
    return pa.Table.from_pandas(table, schema=told, preserve_index=False)


def write_ledger(table: pd.DataFrame, path: Path) -> None:
    """Write a ledger.

    Parameters
    ----------
    table
        Of `ledger`.
    path
        Its ending says how: .parquet, .csv or .json.

    Raises
    ------
    ConfigError
        For another ending.
    """
    require_ledger_format(path)
    if path.suffix == ".parquet":
        pq.write_table(arrow(table), path)
    elif path.suffix == ".csv":
        path.write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    else:
        rows = json.dumps(table.to_dict("records"), ensure_ascii=False, allow_nan=False, indent=1)
        path.write_text(rows + "\n", encoding="utf-8")


def require_ledger_format(path: Path) -> None:
    """Raise unless a ledger can be written to a file of this name.

    Raises
    ------
    ConfigError
        When its ending is none of those known.
    """
    if path.suffix not in (".parquet", ".csv", ".json"):
        raise ConfigError(
            "the file's ending says what is written",
            got=path.name,
            remedy="end it with .parquet, .csv or .json",
            where="--output",
        )


def _upward(source: Source, weights: scipy.sparse.csr_array, hours: np.ndarray) -> np.ndarray:
    """Return the total of each region's cells whose total is upward, (sector + 1, region), t; net's last.

    Net's cells count by sector: a forest in a city is its uptake, whatever else the cell emits.

    Parameters
    ----------
    source
        To read from.
    weights : csr_array (region, cell)
        Such that weights . flux is a region's total in one hour.
    hours
        Of the part.
    """
    sums = [cell_sums(source, "flux_posterior", k, hours).ravel() for k in range(len(source.sectors))]
    up = np.stack([weights @ np.maximum(one, 0.0) for one in sums])
    return np.concatenate([up, up.sum(axis=0, keepdims=True)])


def _facts(source: Source, hours: np.ndarray) -> dict[str, Any]:
    """Return what a period's hours say together."""
    told = source.facts(hours)
    return {
        "hours_degraded": sum(one["condition"] != "full" for one in told),
        "observations": sum(one["used"] for one in told),
        "status": min((one["status"] for one in told), key=_finality),
        "revision": max(one["revision"] for one in told),
    }


def _finality(status: str) -> int:
    bare = "R" if status.startswith("R") else status
    return _STATUS.index(bare) if bare in _STATUS else len(_STATUS)
