"""What readers see: one snapshot of a store, whatever is committed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing

from pipeline.errors import CorruptError, StoreError
from pipeline.grid.hours_chunks import ChunkArray
from pipeline.grid.hours_files import Lease
from pipeline.grid.hours_layout import (
    ARCHIVE,
    ARCHIVED,
    BOTH,
    HOT,
    MANIFEST,
    MATURITIES,
    OPEN,
    VECTORS,
    Layout,
    Stored,
    read_layout,
)
from pipeline.grid.hours_repo import Repo
from pipeline.grid.hours_version import digests


class HourReader:
    """A snapshot of a store, pinned: it is kept while this is open, by retention too.

    Parameters
    ----------
    repo
        Of the store.
    snapshot
        Which.
    lease
        That pins it; None where the caller holds the store's lock.

    Attributes
    ----------
    seq : int
        Number of its commit.
    snapshot : str
        Its id: the same id is the same numbers, for ever.
    layout : Layout
        What it holds.
    """

    def __init__(self, repo: Repo, snapshot: str, lease: Lease | None = None) -> None:
        self._repo, self.snapshot, self._lease = repo, snapshot, lease
        repo.sums.require(snapshot)
        self.seq = repo.record(snapshot).seq
        with _reading(f"snapshot {snapshot}"):
            self.store: Any = repo.icechunk.readonly_session(snapshot_id=snapshot).store
            self.layout: Layout = read_layout(self.store, str(repo.path))
            self._groups: dict[str, Any] = {
                name: zarr.open_group(self.store, path=name, mode="r") for name in (HOT, ARCHIVE)
            }
            self.vectors = {name: np.asarray(self._groups[HOT][name][:]) for name in VECTORS}
        self._arrays: dict[tuple[str, str], ChunkArray] = {}
        self._static: xr.Dataset | None = None

    def close(self) -> None:
        """Let go of the snapshot."""
        if self._lease is not None:
            self._lease.close()

    def __enter__(self) -> HourReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hours(self) -> np.ndarray:
        """Return the hours that have a version: datetime64[h], ascending."""
        return np.datetime64(self.layout.start, "h") + np.flatnonzero(self.vectors["state"]).astype("timedelta64[h]")

    def hours_of(self, *statuses: str) -> np.ndarray:
        """Return the hours whose version has one of some statuses, P0 to P3 or R: datetime64[h], ascending."""
        codes = [MATURITIES.index(status) for status in statuses]
        found = np.flatnonzero(np.isin(self.vectors["maturity"], codes) & (self.vectors["state"] > 0))
        return np.datetime64(self.layout.start, "h") + found.astype("timedelta64[h]")

    def manifest(self, hour: np.datetime64) -> dict[str, Any] | None:
        """Return how an hour's version was made; None when it has none.

        Raises
        ------
        StoreError
            When the axis does not have the hour.
        CorruptError
            When it cannot be read.
        """
        return self.manifests(hour, hour + np.timedelta64(1, "h")).get(hour.astype("datetime64[h]"))

    def manifests(self, start: np.datetime64, end: np.datetime64) -> dict[np.datetime64, dict[str, Any]]:
        """Return the manifest of each hour [start, end) that has a version."""
        first, last = self._span(start, end)
        state = self.vectors["state"][first:last]
        if not state.any():
            return {}
        with _reading("manifests"):
            texts = self._groups[HOT][MANIFEST][first:last]
            found = {self.layout.hour(first + int(i)): json.loads(str(texts[i])) for i in np.flatnonzero(state)}
            wrong = [hour for hour, manifest in found.items() if manifest["hour"] != str(hour)]
        if wrong:
            raise CorruptError("a manifest must be of its hour", got=str(wrong[0]), remedy="run `repair`")
        return found

    def revisions(self, hour: np.datetime64) -> list[dict[str, Any]]:
        """Return one line for each version an hour has had, oldest first; the last is the one that counts."""
        manifest = self.manifest(hour)
        if manifest is None:
            return []
        now = {k: v for k, v in manifest.items() if k != "revisions"}
        return [*manifest["revisions"], {**now, "snapshot": self.snapshot}]

    def values(
        self, hour: np.datetime64, names: Sequence[str] | None = None, both: int | None = None
    ) -> dict[str, np.ndarray]:
        """Return variables of one hour, over the dims of the template: NaN when it has no version.

        Parameters
        ----------
        hour
            UTC.
        names
            Which; all by default.
        both
            As `read` has it.

        Raises
        ------
        CorruptError
            When they cannot be read.
        """
        at = self.layout.index(hour)
        names = [v.name for v in self.layout.variables] if names is None else list(names)
        with _reading(str(hour)):
            return {n: self._one(self.layout.named(n), at, both) for n in names}

    def verify(self, hour: np.datetime64, both: int | None = None) -> None:
        """Raise unless what is read of an hour is what was written.

        Raises
        ------
        CorruptError
            With the variable that differs.
        """
        self._require(hour, self.values(hour, both=both))

    def map(self, hour: np.datetime64, names: Sequence[str] | None = None) -> xr.Dataset:
        """Return the maps of one hour, read and verified: (sector, y, x).

        Parameters
        ----------
        hour
            UTC.
        names
            Which; all by default.
        """
        names = [v.name for v in self.layout.variables if v.is_field] if names is None else list(names)
        values = self.values(hour, names)
        self._require(hour, values)
        data = {n: (self.layout.named(n).dims, values[n], self.static[n].attrs) for n in names}
        return self._with_coordinates(xr.Dataset(data)).assign_coords(time=hour.astype("datetime64[ns]"))

    def dataset(self, start: np.datetime64, end: np.datetime64, variables: Sequence[str] | None = None) -> xr.Dataset:
        """Return hours [start, end), read when they are asked for, with `state` and what else tells of each hour.

        An hour without a version is NaN, and `state` says missing.

        Parameters
        ----------
        start, end
            UTC, on the store's axis.
        variables
            Which; all by default.
        """
        first, last = self._span(start, end)
        names = [v.name for v in self.layout.variables] if variables is None else list(variables)
        out: dict[str, Any] = {}
        for name in names:
            variable = self.layout.named(name)
            lazy = indexing.LazilyIndexedArray(_Tiered(self, variable, first, last))
            out[name] = xr.Variable(variable.with_time(variable.dims, "time"), lazy, self.static[name].attrs)
        for name in VECTORS:
            out[name] = xr.Variable("time", self.vectors[name][first:last], self.static[name].attrs)
        time = (self.layout.hour(0) + np.arange(first, last)).astype("datetime64[ns]")
        found = self._with_coordinates(xr.Dataset(out))
        return found.assign_coords(time=("time", time, self.static["time"].attrs))

    @property
    def static(self) -> xr.Dataset:
        """What plain `xarray.open_zarr` makes of the group `hours`."""
        if self._static is None:
            with _reading("coordinates"):
                found = xr.open_zarr(self.store, group=HOT, chunks=None, consolidated=False)
                # numpy's text of any width neither casts nor sorts with str
                text = {n: c.astype(object) for n, c in found.coords.items() if c.dtype.kind == "T"}
                self._static = found.assign_coords(text)
        return self._static

    def read(
        self, variable: Stored, hours: np.ndarray, of_hour: tuple[Any, ...], both: int | None = None
    ) -> np.ndarray:
        """Return a variable at some places of the axis, from the group that holds each; NaN where there is no version.

        Parameters
        ----------
        variable
            Which.
        hours
            Places on the axis, ascending or not.
        of_hour
            A slice or an array of places for each dim of an hour.
        both
            Group that hours which are in both are read from, OPEN or ARCHIVED; the cheaper when not given.

        Raises
        ------
        CorruptError
            When they cannot be read.
        """
        shape = tuple(
            len(range(n)[k]) if isinstance(k, slice) else len(k) for k, n in zip(of_hour, variable.shape, strict=True)
        )
        out = np.full(variable.with_time(shape, len(hours)), np.nan, variable.dtype)
        present, tier = self.vectors["state"][hours] > 0, self.vectors["tier"][hours]
        both = self._cheaper(variable, hours[tier == BOTH], of_hour) if both is None else both
        tier = np.where(tier == BOTH, both, tier)
        for number, group in ((OPEN, HOT), (ARCHIVED, ARCHIVE)):
            mine = np.flatnonzero(present & (tier == number))
            if not mine.size or not out.size:
                continue
            wanted, back = np.unique(hours[mine], return_inverse=True)
            with _reading(variable.name):
                found = self._chunks(group, variable.name).read(variable.with_time(of_hour, wanted))
            everything = tuple(slice(None) for _ in shape)
            if wanted.size < mine.size or not bool((back[1:] > back[:-1]).all()):
                found = found[variable.with_time(everything, back)]
            if mine.size == len(hours):
                return found
            # one after the other they are copied at once
            run = mine[-1] - mine[0] + 1 == mine.size
            out[variable.with_time(everything, slice(mine[0], mine[-1] + 1) if run else mine)] = found
        return out

    def _cheaper(self, variable: Stored, hours: np.ndarray, of_hour: tuple[Any, ...]) -> int:
        """Return the group that has hours which are in both in fewer chunks."""
        counts = []
        for group in (HOT, ARCHIVE):
            sizes = variable.chunks(group)
            lengths = [*sizes[: variable.time_axis], *sizes[variable.time_axis + 1 :]]
            places = [np.arange(n)[k] for k, n in zip(of_hour, variable.shape, strict=True)]
            others = [np.unique(p // c).size for p, c in zip(places, lengths, strict=True)]
            counts.append(np.unique(hours // sizes[variable.time_axis]).size * int(np.prod(others)))
        # a block of the archive is seven maps long
        return ARCHIVED if 2 * counts[1] < counts[0] else OPEN

    def _one(self, variable: Stored, at: int, both: int | None) -> np.ndarray:
        found = self.read(variable, np.array([at]), tuple(slice(None) for _ in variable.dims), both)
        return np.ascontiguousarray(np.take(found, 0, axis=variable.time_axis))

    def _require(self, hour: np.datetime64, values: dict[str, np.ndarray]) -> None:
        manifest = self.manifest(hour)
        if manifest is None:
            return
        for name, digest in digests(values).items():
            if digest != manifest["variables"].get(name):
                raise CorruptError(
                    "the values of an hour must be those that were written",
                    got=f"revision {manifest['revision']}: {name}",
                    remedy="run `repair`",
                    where=str(hour),
                )

    def _chunks(self, group: str, name: str) -> ChunkArray:
        if (group, name) not in self._arrays:
            self._arrays[group, name] = ChunkArray(self.store, self._groups[group][name])
        return self._arrays[group, name]

    def _span(self, start: np.datetime64, end: np.datetime64) -> tuple[int, int]:
        first = self.layout.index(start)
        if end <= start:
            raise StoreError("a span must end after its start", got=f"{start} to {end}", remedy="give [start, end)")
        return first, self.layout.index(end - np.timedelta64(1, "h")) + 1

    def _with_coordinates(self, dataset: xr.Dataset) -> xr.Dataset:
        """Add the coordinates over the dims there are, and what their attributes name."""
        static, dims = self.static, set(dataset.dims)
        kept = {n: c.variable for n, c in static.coords.items() if n != "time" and set(c.dims) <= dims}
        related = {
            v.attrs.get(k) for v in (*kept.values(), *dataset.variables.values()) for k in ("bounds", "grid_mapping")
        }
        beside = {n: static[n].variable for n in related if n in static}
        return dataset.assign_coords(kept).assign(beside).assign_attrs(static.attrs)


class _Tiered(BackendArray):
    """A variable over hours, from two groups, as xarray indexes it."""

    def __init__(self, reader: HourReader, variable: Stored, first: int, last: int) -> None:
        self._reader, self._variable, self._hours = reader, variable, np.arange(first, last)
        self.shape = variable.with_time(variable.shape, last - first)
        self.dtype = np.dtype(variable.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._get)

    def _get(self, key: tuple[Any, ...]) -> np.ndarray:
        axis = self._variable.time_axis
        # an int drops its dim: read as one place, dropped at the end
        wide = tuple(slice(int(k), int(k) + 1) if isinstance(k, int | np.integer) else k for k in key)
        hours = self._hours[wide[axis]]
        with _reading(self._variable.name):
            out = self._reader.read(self._variable, hours, (*wide[:axis], *wide[axis + 1 :]))
        return out[tuple(0 if isinstance(k, int | np.integer) else slice(None) for k in key)]


class _reading:
    """Turns whatever a damaged file raises, in three libraries, into our error."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, StoreError):
            raise CorruptError(
                "what is read of the store must be whole",
                got=f"{type(error).__name__}: {error}",
                remedy="run `repair`",
                where=self._what,
            ) from error
