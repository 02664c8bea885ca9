"""The maps of one version as a Zarr v3 group that browsers and xarray read over HTTP.

Nothing is stored: the group's documents and coordinates are made by Zarr once, and a chunk, one hour of one sector, is
made of the store when it is asked for. Layers that no store holds, the change and net, are arrays like the others.
"""

from __future__ import annotations

import gzip
import re
from typing import Any

import numpy as np
import zarr
from zarr.codecs import GzipCodec
from zarr.storage import MemoryStore

from pipeline.answers import LAYERS, NET, Source, layer_map
from pipeline.serve.quiet import quiet
from pipeline.units import species

#: the third of a page's time goes into packing at higher ones
_LEVEL = 1
_CHUNK = re.compile(r"(?P<layer>[a-z_]{1,32})/c/(?P<sector>\d{1,3})/(?P<hour>\d{1,7})/0/0")
_HOUR = np.timedelta64(1, "h")


class MapView:
    """The maps of a version as a Zarr group: arrays `LAYERS` over (sector, time, y, x), float32, NaN without numbers.

    Parameters
    ----------
    source
        The version; read while this is used.

    Attributes
    ----------
    first : datetime64[h]
        Hour of the first place on the axis.
    axis : int
        Hours on it, with numbers or not.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        hours = source.hours
        self.first = hours[0] if hours.size else np.datetime64("1970-01-01T00", "h")
        self.axis = int((hours[-1] - hours[0]) / _HOUR) + 1 if hours.size else 0
        self._present = np.zeros(self.axis, dtype=bool)
        self._present[((hours - self.first) / _HOUR).astype(int)] = True
        self._sectors = [*source.sectors, NET]
        self._documents = self._written()

    def missing(self) -> list[list[int]]:
        """Return the runs [i, j) of places on the axis that have no numbers."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], self._present, [True]]).astype(np.int8)))
        return edges.reshape(-1, 2).tolist()

    def read(self, key: str) -> bytes | None:
        """Return what stands under a key of the group; None when nothing does, which is NaN where it is a chunk.

        Parameters
        ----------
        key
            As Zarr asks for it: "zarr.json", "flux_prior/c/0/41/0/0".
        """
        if key in self._documents:
            return self._documents[key]
        found = _CHUNK.fullmatch(key)
        if found is None or found["layer"] not in LAYERS:
            return None
        sector, place = int(found["sector"]), int(found["hour"])
        if sector >= len(self._sectors) or place >= self.axis or not self._present[place]:
            return None
        hour = np.array([self.first + place * _HOUR])
        values = layer_map(self._source, found["layer"], self._sectors[sector], hour)
        return gzip.compress(np.ascontiguousarray(values, dtype="<f4").tobytes(), _LEVEL, mtime=0)

    def _written(self) -> dict[str, bytes]:
        """Return the group's documents and its coordinates, as Zarr writes them."""
        memory: dict[str, Any] = {}
        store, grid = MemoryStore(memory), self._source.grid
        unit = species(self._source.species).flux_unit
        told = {"Conventions": "CF-1.11", "species": self._source.species, "version": self._source.version.id}
        group = zarr.create_group(store, attributes=told)
        shape = (len(self._sectors), self.axis, grid.ny, grid.nx)
        for layer in LAYERS:
            group.create_array(
                layer,
                shape=shape,
                chunks=(1, 1, grid.ny, grid.nx),
                dtype="<f4",
                fill_value=np.float32(np.nan),
                compressors=GzipCodec(level=_LEVEL),
                dimension_names=("sector", "time", "y", "x"),
                attributes={"units": unit, "grid_mapping": "crs", "long_name": layer.replace("_", " ")},
            )
        hours = (self.first + np.arange(self.axis) * _HOUR).astype(np.int64)
        time = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian", "standard_name": "time"}
        coordinates = grid.coordinates()
        for name, values, attributes in (
            ("time", hours, time),
            ("y", grid.y, coordinates["y"][2]),
            ("x", grid.x, coordinates["x"][2]),
        ):
            dims = (name,)
            group.create_array(name, data=values, chunks=(max(1, values.size),), dimension_names=dims).attrs.update(
                attributes
            )
        group.create_array("crs", shape=(), dtype="i4", attributes=coordinates["crs"][2])
        names = group.create_array("sector", shape=(shape[0],), dtype=str, dimension_names=("sector",))
        names[:] = np.array(self._sectors, dtype=np.dtypes.StringDType())
        # the format's authors have not settled it; xarray and browsers read it
        with quiet():
            zarr.consolidate_metadata(store)
        return {key: value.to_bytes() for key, value in memory.items()}
