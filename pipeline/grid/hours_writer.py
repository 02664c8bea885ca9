"""What a transaction does to the arrays: versions of hours in, before their snapshot is published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.core.sync import sync

from pipeline.grid.hours_layout import ARCHIVE, HOT, MANIFEST, VECTORS, Layout, Stored
from pipeline.grid.hours_version import codes


@dataclass(frozen=True)
class Row:
    """What is written of one hour.

    Parameters
    ----------
    at
        Place on the axis.
    values
        Of each variable, as `stored_values` gives them.
    manifest
        Whole.
    """

    at: int
    values: Mapping[str, np.ndarray]
    manifest: Mapping[str, Any]


class HourWriter:
    """The arrays of a writable session.

    Parameters
    ----------
    session
        Of the branch to write to.
    layout
        Of the store.
    """

    def __init__(self, session: icechunk.Session, layout: Layout) -> None:
        self.session, self.layout = session, layout
        self._groups = {name: zarr.open_group(session.store, path=name, mode="r+") for name in (HOT, ARCHIVE)}
        self._arrays: dict[tuple[str, str], Any] = {}
        self.vectors = {name: np.asarray(self.array(HOT, name)[:]) for name in VECTORS}
        self._before = {name: values.copy() for name, values in self.vectors.items()}

    def array(self, group: str, name: str) -> Any:
        """Return an array."""
        if (group, name) not in self._arrays:
            self._arrays[group, name] = self._groups[group][name]
        return self._arrays[group, name]

    def write(self, rows: Iterable[Row]) -> None:
        """Write versions to the hot group, and their vectors; `finish` follows."""
        rows = sorted(rows, key=lambda row: row.at)
        for variable in self.layout.variables:
            array = self.array(HOT, variable.name)
            if variable.is_field:
                for row in rows:
                    array[:, row.at] = row.values[variable.name]
            else:
                # one chunk holds a day
                for first, last, block in _neighbours(rows):
                    array[first:last] = np.stack([row.values[variable.name] for row in block])
        for row in rows:
            self.vectors["tier"][row.at] = 0
        self.write_manifests(rows)

    def write_manifests(self, rows: Iterable[Row]) -> None:
        """Write manifests, and the vectors that tell of them; values stay."""
        rows = sorted(rows, key=lambda row: row.at)
        for first, last, block in _neighbours(rows):
            self.array(HOT, MANIFEST)[first:last] = np.array([_text(row.manifest) for row in block], dtype=object)
        for row in rows:
            state, maturity = codes(row.manifest)
            number, seq = row.manifest["revision"], row.manifest["seq"]
            told = {"state": state, "maturity": maturity, "revision": number, "sequence": seq}
            for name, value in told.items():
                self.vectors[name][row.at] = value

    def finish(self) -> None:
        """Write the vectors that changed."""
        for name, values in self.vectors.items():
            if not np.array_equal(values, self._before[name]):
                self.array(HOT, name)[:] = values

    def drop(self, group: str, variable: Stored, chunks: Iterable[tuple[int, ...]]) -> None:
        """Delete chunks of an array."""
        store = self.session.store
        keys = [f"{group}/{variable.name}/c/" + "/".join(map(str, chunk)) for chunk in chunks]

        async def run() -> None:
            for key in keys:
                await store.delete(key)

        sync(run())


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, separators=(",", ":"), allow_nan=False)


def _neighbours(rows: list[Row]) -> Iterable[tuple[int, int, list[Row]]]:
    """Give rows of consecutive hours together, as first place, place after the last, and rows."""
    block: list[Row] = []
    for row in rows:
        if block and row.at != block[-1].at + 1:
            yield block[0].at, block[-1].at + 1, block
            block = []
        block.append(row)
    if block:
        yield block[0].at, block[-1].at + 1, block
