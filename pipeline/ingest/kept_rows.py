"""The rows of a station's file, kept by the file's content: a day that was read once is not parsed every hour again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import station_meta
from pipeline.derived import Derived, code_digest, content_digest, digest_of
from pipeline.ingest.calibrations import Calibration
from pipeline.settings import StationSettings
from pipeline.units import Species
from station_meta import Rules

_NUMBERS = {
    "time": "<M8[ns]",
    "value": "<f8",
    "spread": "<f8",
    "uncertainty": "<f8",
    "count": "<i8",
    "bits": "<u4",
}
#: columns of few texts: kept once each, rows say which
_TEXTS = ("reason", "scale")
_RECORD = np.dtype([*_NUMBERS.items(), *((name, "<i4") for name in _TEXTS)])


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of one file, judged by themselves.

    Parameters
    ----------
    table
        As of `rows.FeedRows`, without `source`; in the order of the file.
    notes
        Facts about the file.
    interval
        Averaging interval.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    interval: np.timedelta64


#: gives a file's rows: (path, what notes call it, what reads it when it was not read before)
Reader = Callable[[Path, str, Callable[[], FileRows]], FileRows]


class KeptRows:
    """Rows of files that were read before.

    Parameters
    ----------
    folder
        Where they are kept; None keeps nothing.
    registry, rules
        Of `station_meta`: a row follows from them too.
    """

    def __init__(self, folder: Path | None, registry: pd.DataFrame, rules: Rules) -> None:
        self._derived, self._registry = Derived(folder), registry
        code = code_digest(Path(__file__).parent, Path(station_meta.__file__).parent) if folder else ""
        self._common = digest_of(code, rules.tables) if folder else ""

    def of_feed(self, feed: StationSettings, gas: Species, calibrations: Sequence[Calibration]) -> Reader:
        """Return what gives the rows of a feed's files.

        Parameters
        ----------
        feed, gas, calibrations
            What a row follows from beside its file and the registry's rows of the station.
        """
        if self._derived.folder is None:
            return lambda _path, _name, read: read()
        mine = self._registry[self._registry["id"] == feed.id].to_csv()
        told = [feed.model_dump(mode="json", exclude={"files"}), gas.name, [repr(one) for one in calibrations]]
        common = digest_of(self._common, mine, told)

        def rows(path: Path, name: str, read: Callable[[], FileRows]) -> FileRows:
            key = digest_of(common, content_digest(path), path.name, name)
            return _unpacked(self._derived.of("rows", key, lambda: _packed(read())))

        return rows


def _packed(rows: FileRows) -> dict[str, np.ndarray]:
    table = rows.table
    record = np.empty(len(table), _RECORD)
    for name in _NUMBERS:
        record[name] = table[name].to_numpy()
    texts = {}
    for name in _TEXTS:
        record[name], found = pd.factorize(table[name].to_numpy(dtype=object))
        texts[name] = np.array(found, dtype=np.str_)
    return {"rows": record, "notes": np.array(rows.notes, dtype=np.str_), "interval": np.array(rows.interval), **texts}


def _unpacked(arrays: Mapping[str, np.ndarray]) -> FileRows:
    record = arrays["rows"]
    columns: dict[str, Any] = {name: np.ascontiguousarray(record[name]) for name in _NUMBERS}
    for name in _TEXTS:
        # objects, as a reader gives them: pandas would make a dtype of its own of texts
        columns[name] = pd.Series(arrays[name].astype(object)[record[name]], dtype=object)
    # an array without dims gives its only value, in the unit it was kept in
    interval: Any = arrays["interval"][()]
    return FileRows(pd.DataFrame(columns), tuple(str(note) for note in arrays["notes"]), interval)
