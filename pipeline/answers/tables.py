"""Answers as plain tables, with the same columns in every format, and as text people read, in English or Chinese."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

Language = Literal["en", "zh"]
#: columns of a table, in order; the order and the names stay
COLUMNS = (
    "region", "region_name", "region_name_en", "sector", "time", "hours", "hours_missing",
    "prior", "prior_std", "posterior", "posterior_std", "unit", "data_share", "exact", "version",
)  # fmt: skip
#: what people read for a word of ours
WORDS: dict[Language, dict[str, str]] = {
    "en": {"prior_std": "sigma", "posterior_std": "sigma", "data_share": "told by data"},
    "zh": {
        "region": "区域",
        "sector": "部门",
        "time": "起始时刻 (UTC)",
        "hours": "小时数",
        "prior": "先验",
        "posterior": "后验",
        "change": "变化",
        "data_share": "观测贡献",
        "net": "净通量",
        "total": "总量",
        "with one sigma": "一倍标准差",
        "anthropogenic": "人为源",
        "fossil": "化石燃料",
        "biosphere": "生物圈",
        "ocean": "海洋",
    },
}


def word(name: str, language: Language) -> str:
    """Return what people read for a word of ours.

    Examples
    --------
    >>> word("net", "zh"), word("net", "en")
    ('净通量', 'net')
    """
    return WORDS[language].get(name, name)


def frame(answer: xr.Dataset) -> pd.DataFrame:
    """Return an answer as a table: one row for each region, sector and part of the period.

    Parameters
    ----------
    answer
        Of `pipeline.answers.query`.

    Returns
    -------
    Columns `COLUMNS`; totals in t, `time` the start of the part, UTC.
    """
    shape = tuple(answer.sizes[name] for name in ("region", "sector", "time"))
    columns = {}
    for name in COLUMNS:
        if name == "unit":
            columns[name] = np.full(shape, answer["posterior"].attrs["units"], dtype=object)
        elif name == "version":
            columns[name] = np.full(shape, answer.attrs["version"], dtype=object)
        else:
            found = answer[name].broadcast_like(answer["posterior"]).transpose("region", "sector", "time")
            columns[name] = found.values
    table = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    table["time"] = pd.to_datetime(table["time"], utc=True)
    return table
