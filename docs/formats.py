"""Write the tables of docs/formats.md from stores that are there.

    python docs/formats.py RUN HOURS

RUN is a run's store, HOURS a folder of the hourly service, as the tutorial leaves them: `world/posterior.zarr`, `live`.
What stands between a line `<!-- NAME -->` and the next `<!-- end -->` of the page is replaced; the rest is by hand.
`tests/test_tutorial.py` holds the committed page against the tutorial's stores.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.answers import frame, mean_maps, open_dataset, query
from pipeline.answers import ledger as ledgers
from pipeline.answers.export import map_frame
from pipeline.grid import open_kept, open_store

PAGE = Path(__file__).resolve().parent / "formats.md"
_KINDS = {"O": "text", "U": "text", "M": "time", "b": "bool"}


def tables(run: Path, hours: Path) -> dict[str, str]:
    """Return every table by its name.

    Parameters
    ----------
    run
        A run's store.
    hours
        A folder of the hourly service.
    """
    store = open_store(run)
    first = str(store["region"].values[0])
    answer = query(run, first)
    return {
        "run": _variables(store),
        "run-attributes": ", ".join(f"`{name}`" for name in store.attrs) + "\n",
        "solution": _variables(open_kept(run)),
        "hours": _variables(open_dataset(hours)),
        "answer": _variables(answer),
        "answer-table": _columns(frame(answer)),
        "ledger": _rows(
            ("column", "kind", "unit", "meaning"), [(f"`{name}`", *told) for name, *told in ledgers.COLUMNS]
        ),
        "maps": _variables(mean_maps(run, freq="day")),
        "maps-table": _columns(map_frame(mean_maps(run))),
    }


def written(page: str, made: dict[str, str]) -> str:
    """Return a page with its tables replaced.

    Raises
    ------
    LookupError
        When it names a table that is not made, or lacks one.
    """
    named = re.findall(r"^<!-- (?!end)(\S+) -->$", page, re.MULTILINE)
    if sorted(named) != sorted(made):
        raise LookupError(f"the page has {sorted(named)}, and {sorted(made)} are made")
    return re.sub(
        r"^<!-- (?!end)(\S+) -->\n.*?^<!-- end -->$",
        lambda found: f"<!-- {found[1]} -->\n{made[found[1]]}<!-- end -->",
        page,
        flags=re.DOTALL | re.MULTILINE,
    )


def _variables(dataset: xr.Dataset) -> str:
    rows = []
    for name in sorted(map(str, dataset.variables)):
        one = dataset.variables[name]
        meaning = str(one.attrs.get("long_name", "")) or str(one.attrs.get("standard_name", ""))
        if "flag_meanings" in one.attrs and "flag_values" in one.attrs:
            told = zip(np.atleast_1d(one.attrs["flag_values"]), str(one.attrs["flag_meanings"]).split(), strict=True)
            meaning += ": " + ", ".join(f"{value} {word}" for value, word in told)
        rows.append((f"`{name}`", ", ".join(map(str, one.dims)), _kind(one.dtype), one.attrs.get("units", ""), meaning))
    return _rows(("variable", "dims", "kind", "units", "meaning"), rows)


def _columns(table: pd.DataFrame) -> str:
    return _rows(("column", "kind"), [(f"`{name}`", _kind(table[name].dtype)) for name in table])


def _kind(dtype: object) -> str:
    kind = getattr(dtype, "kind", "O")
    # how pandas keeps text differs between its versions
    return "text" if "str" in str(dtype) else _KINDS.get(kind, str(dtype))


def _rows(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return _lines("| " + " | ".join(str(one).replace("|", "\\|") for one in line) + " |" for line in lines)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    found = tables(*map(Path, sys.argv[1:3]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
