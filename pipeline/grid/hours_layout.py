"""How hours lie in the store: groups, arrays, chunks, encodings, the axis.

Two groups hold the same variables. `hours` has a chunk for each map of each hour, which is quick to write and to show;
`archive` has blocks of many hours and few cells, which are quick to read along time. `hours/tier` says for each hour
which of them counts, or that both do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from pipeline.errors import StoreError

LAYOUT = 1
HOT, ARCHIVE = "hours", "archive"
#: hours of the axis that a new store has: five years
HOURS = 5 * 8784
#: bits of the mantissa that fields keep: a relative error of 2^-13
BITS = 12
UNITS = "hours since 1970-01-01T00:00:00"
#: of `tier`; a code stands for an hour as long as there are stores, so these lists only grow
TIERS = (HOT, ARCHIVE, "both")
OPEN, ARCHIVED, BOTH = range(3)
#: of `state`
STATES = ("missing", "full", "degraded", "prior_only")
#: of `maturity`; Rn is R
MATURITIES = ("none", "P0", "P1", "P2", "P3", "R")
#: small vectors over the whole axis, each in one chunk: the cost of reading is per chunk
VECTORS: Mapping[str, tuple[str, str]] = {
    "state": ("int8", "condition of the hour's version"),
    "maturity": ("int8", "how final the hour's version is"),
    "revision": ("int32", "number of the hour's version, from 1; 0 when there is none"),
    "sequence": ("int64", "number of the commit that wrote the hour's version"),
    "tier": ("int8", "group that holds the hour's values"),
}
MANIFEST = "manifest"
_FIELD = ("sector", "y", "x")
_ARCHIVE = (168, 32, 34)
_HOT_TABLE, _ARCHIVE_TABLE = 24, 744
#: bytes that the codec packs together: a reader of one map or one cell unpacks only these of a chunk
_HOT_BLOCK, _ARCHIVE_BLOCK = 2**14, 2**16
#: chunks of a manifest along time: one of a month is written anew with every hour, not one of all years
_SPLIT = 744
#: what is kept in memory of lists that were read: by default so much that a process grows with every hour it commits
_CACHED = icechunk.CachingConfig(num_snapshot_nodes=2_000, num_chunk_refs=100_000)


@dataclass(frozen=True)
class Stored:
    """A variable of the template.

    Parameters
    ----------
    name
        Its name.
    dims, shape
        Of one hour.
    dtype
        Of its values.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_field(self) -> bool:
        """Whether it is (sector, y, x): rounded, and archived in blocks of cells."""
        return self.dims == _FIELD

    @property
    def time_axis(self) -> int:
        """Where time stands among the dims of the stored array: (sector, time, y, x), else first."""
        return 1 if self.is_field else 0

    def with_time(self, of_hour: tuple[Any, ...], of_time: Any) -> tuple[Any, ...]:
        """Return a tuple over the dims of an hour as one over the dims of the stored array."""
        return (*of_hour[: self.time_axis], of_time, *of_hour[self.time_axis :])

    def chunks(self, group: str) -> tuple[int, ...]:
        """Return the chunk of the stored array in a group."""
        if self.is_field:
            _, ny, nx = self.shape
            hours, y, x = (1, ny, nx) if group == HOT else _ARCHIVE
            return (1, hours, max(1, min(y, ny)), max(1, min(x, nx)))
        return (_HOT_TABLE if group == HOT else _ARCHIVE_TABLE, *(max(1, n) for n in self.shape))


@dataclass(frozen=True)
class Layout:
    """What a store holds, and for which hours.

    Parameters
    ----------
    start
        First hour of the axis, since 1970.
    hours
        Hours of the axis.
    variables
        Of an hour.
    digest
        Of the template's coordinates.
    """

    start: int
    hours: int
    variables: tuple[Stored, ...]
    digest: str

    def index(self, hour: np.datetime64) -> int:
        """Return the place of an hour on the axis.

        Raises
        ------
        StoreError
            When the axis does not have it.
        """
        at = int(hour.astype("datetime64[h]").astype(np.int64)) - self.start
        if not 0 <= at < self.hours:
            raise StoreError(
                f"an hour must lie on the store's axis, {self.hour(0)} and {self.hours} hours on",
                got=str(hour.astype("datetime64[h]")),
                remedy="extend the store, or ask for another hour",
            )
        return at

    def hour(self, at: int | np.integer) -> np.datetime64:
        """Return the hour at a place of the axis."""
        return np.datetime64(self.start + int(at), "h")

    def places(self, start: np.datetime64 | None = None, end: np.datetime64 | None = None) -> np.ndarray:
        """Return the places of hours [start, end) on the axis, cut to it; all by default."""
        first = 0 if start is None else int(start.astype("datetime64[h]").astype(np.int64)) - self.start
        last = self.hours if end is None else int(end.astype("datetime64[h]").astype(np.int64)) - self.start
        return np.arange(max(first, 0), min(last, self.hours))

    def named(self, name: str) -> Stored:
        """Return a variable.

        Raises
        ------
        StoreError
            When the store has none of that name.
        """
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise StoreError(
            "the store must hold the variable", got=name, remedy=f"ask for one of {[v.name for v in self.variables]}"
        )


def layout_of(template: xr.Dataset, start: np.datetime64, hours: int) -> Layout:
    """Return the layout for a template: variables of one hour, without time, and their coordinates.

    Raises
    ------
    StoreError
        When a variable has a time, a name the store needs, or numbers that have no NaN: what is missing must not
        look like a number.
    """
    variables = []
    for name, variable in template.data_vars.items():
        wrong = ""
        if "time" in variable.dims:
            wrong = "it has a time"
        elif str(name) in (*VECTORS, MANIFEST, "time"):
            wrong = "the store needs the name"
        elif variable.dtype.kind != "f":
            wrong = f"its type {variable.dtype} has no NaN"
        elif {"y", "x"} & set(variable.dims) and variable.dims != _FIELD:
            wrong = f"maps are {_FIELD}, not {variable.dims}"
        if wrong:
            raise StoreError(
                "a variable of the template must be floats of one hour", got=f"{name}: {wrong}", remedy="change it"
            )
        dims, shape = tuple(map(str, variable.dims)), tuple(map(int, variable.shape))
        variables.append(Stored(str(name), dims, shape, "float32" if dims == _FIELD else str(variable.dtype)))
    first = int(start.astype("datetime64[h]").astype(np.int64))
    return Layout(first, int(hours), tuple(variables), _digest(template))


def _digest(template: xr.Dataset) -> str:
    """Return a digest of all coordinates: names, dims and values, text as text."""
    digest = hashlib.sha256()
    for name in sorted(map(str, template.coords)):
        variable = template[name].variable
        digest.update(json.dumps([name, variable.dims, variable.shape]).encode())
        values = np.asarray(variable.values)
        if values.dtype.kind in "OUST":
            digest.update(json.dumps([str(one) for one in values.ravel().tolist()]).encode())
        else:
            digest.update(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def rounded(values: np.ndarray) -> np.ndarray:
    """Return float32 values with 12 bits of mantissa, nearest, ties to even; NaN and infinity stay.

    Examples
    --------
    >>> rounded(np.array([1.0, 1.0 + 2**-13, np.pi, -np.inf, np.nan], np.float32)).tolist()
    [1.0, 1.0, 3.1416015625, -inf, nan]
    """
    drop = np.uint32(23 - BITS)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32((1 << (drop - 1)) - 1) + ((bits >> drop) & np.uint32(1))
    out = ((bits + half) & ~np.uint32((1 << drop) - 1)).view(np.float32)
    # what would round up to infinity is cut instead; one NaN, so that equal values have equal bytes
    out = np.where(np.isinf(out) & np.isfinite(values), (bits & ~np.uint32((1 << drop) - 1)).view(np.float32), out)
    return np.where(np.isnan(values), np.float32(np.nan), np.where(np.isinf(values), values, out)).astype(np.float32)


def configuration() -> icechunk.RepositoryConfig:
    """Return the settings of a repository of hours."""
    condition = icechunk.ManifestSplitCondition.AnyArray()
    by_time: Any = {icechunk.ManifestSplitDimCondition.DimensionName("time"): _SPLIT}
    splitting = icechunk.ManifestSplittingConfig.from_dict({condition: by_time})
    return icechunk.RepositoryConfig(manifest=icechunk.ManifestConfig(splitting=splitting), caching=_CACHED)


def write_empty(store: Any, template: xr.Dataset, layout: Layout, attrs: Mapping[str, Any]) -> None:
    """Write coordinates and empty arrays to a session's store.

    Parameters
    ----------
    store
        Of a writable session.
    template, layout
        What an hour holds.
    attrs
        Of the Dataset that a reader opens.
    """
    root = zarr.create_group(store=store, zarr_format=3, overwrite=True)
    described: Any = [[v.name, list(v.dims), list(v.shape), v.dtype] for v in layout.variables]
    root.attrs.update(layout=LAYOUT, start=layout.start, variables=described, digest=layout.digest)
    coordinates = _coordinates(template, attrs)
    for name in (HOT, ARCHIVE):
        encoding = {str(n): _static_encoding(v) for n, v in coordinates.variables.items()}
        coordinates.to_zarr(store, group=name, mode="a", consolidated=False, zarr_format=3, encoding=encoding)
        group = zarr.open_group(store, path=name, mode="r+")
        _vector(group, "time", "int64", layout.hours, {"units": UNITS, "calendar": "proleptic_gregorian"})[:] = (
            layout.start + np.arange(layout.hours)
        )
        group["time"].attrs.update(standard_name="time", axis="T", long_name="start of the hour, UTC")
        for variable in layout.variables:
            _array(group, variable, layout.hours, template)
    group = zarr.open_group(store, path=HOT, mode="r+")
    for name, (dtype, meaning) in VECTORS.items():
        _vector(group, name, dtype, layout.hours, {"long_name": meaning, **_flags(name)})
    group.create_array(
        MANIFEST,
        shape=(layout.hours,),
        chunks=(_HOT_TABLE,),
        dtype="string",
        fill_value="",
        compressors=(ZstdCodec(level=3), Crc32cCodec()),
        dimension_names=("time",),
        attributes={"long_name": "how the hour's version was made, JSON"},
    )


def _coordinates(template: xr.Dataset, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return the coordinates alone; what CF names by attributes of its own is no coordinate of every variable."""
    related = {v.attrs.get(key) for v in template.variables.values() for key in ("bounds", "grid_mapping")}
    bare = xr.Dataset(coords=template.coords, attrs={**template.attrs, **attrs})
    return bare.reset_coords([name for name in bare.coords if name in related])


def _static_encoding(variable: xr.Variable) -> dict[str, Any]:
    if not variable.ndim:
        return {"compressors": (Crc32cCodec(),)}
    return {"compressors": (ZstdCodec(level=3), Crc32cCodec()), "chunks": tuple(max(1, n) for n in variable.shape)}


def _flags(name: str) -> dict[str, Any]:
    codes = {"state": STATES, "maturity": MATURITIES, "tier": TIERS}.get(name)
    return {} if codes is None else {"flag_values": list(range(len(codes))), "flag_meanings": " ".join(codes)}


def _vector(group: zarr.Group, name: str, dtype: str, hours: int, attrs: Mapping[str, Any]) -> Any:
    return group.create_array(
        name,
        shape=(hours,),
        chunks=(hours,),
        dtype=dtype,
        fill_value=0,
        compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()),
        dimension_names=("time",),
        attributes=dict(attrs),
    )


def _array(group: zarr.Group, variable: Stored, hours: int, template: xr.Dataset) -> None:
    size = np.dtype(variable.dtype).itemsize
    block = (_HOT_BLOCK if group.basename == HOT else _ARCHIVE_BLOCK) if variable.is_field else 0
    codec = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=size, blocksize=block)
    inside = {"time", *variable.dims}
    names = [str(n) for n, c in template.coords.items() if c.ndim and n not in c.dims and set(c.dims) <= inside]
    related = {v.attrs.get("bounds") for v in template.variables.values()}
    beside = " ".join(name for name in names if name not in related)
    attrs = {**template[variable.name].attrs, **({"coordinates": beside} if beside else {})}
    group.create_array(
        variable.name,
        shape=variable.with_time(variable.shape, hours),
        chunks=variable.chunks(group.basename),
        dtype=variable.dtype,
        fill_value=float("nan"),
        compressors=(codec, Crc32cCodec()),
        dimension_names=variable.with_time(variable.dims, "time"),
        attributes=attrs,
    )


def require_layout(mark: bytes, where: str) -> None:
    """Raise unless a store's mark is of this version; one that a power cut took says nothing.

    Raises
    ------
    StoreError
        When it is of another version.
    """
    try:
        version = json.loads(mark)["layout"]
    except (ValueError, KeyError, TypeError):
        return
    if version != LAYOUT:
        raise StoreError(
            f"this version reads layout {LAYOUT} of the store",
            got=version,
            remedy="use the version of tianyan that wrote it, or write a new store",
            where=where,
        )


def read_layout(store: Any, where: str) -> Layout:
    """Return the layout of what a session's store holds.

    Raises
    ------
    StoreError
        When it is of another version, or none of ours.
    """
    try:
        root: Any = zarr.open_group(store, mode="r")
        version = root.attrs["layout"]
    except (KeyError, FileNotFoundError, zarr.errors.GroupNotFoundError) as error:
        raise StoreError(
            "there must be a store of hours", got="another Icechunk repository", remedy="give its folder", where=where
        ) from error
    require_layout(json.dumps({"layout": version}).encode(), where)
    described: Any = root.attrs["variables"]
    variables = tuple(Stored(name, tuple(dims), tuple(shape), dtype) for name, dims, shape, dtype in described)
    hours = root[f"{HOT}/sequence"].shape[0]
    return Layout(int(root.attrs["start"]), hours, variables, str(root.attrs["digest"]))


def require_template(layout: Layout, template: xr.Dataset, where: str) -> None:
    """Raise unless a store holds just what a template asks for.

    Raises
    ------
    StoreError
        With the first variable that differs.
    """
    asked = layout_of(template, layout.hour(0), layout.hours)
    wrong = ""
    if asked.digest != layout.digest:
        wrong = "grid, regions, sectors or another coordinate"
    mine, theirs = ({v.name: v for v in one.variables} for one in (layout, asked))
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            wrong = f"{name}: {theirs.get(name)} where the store has {mine.get(name)}"
            break
    if wrong:
        raise StoreError(
            "a store is written with the template it was made with",
            got=wrong,
            remedy="go back to the case it was made for, or make a new store",
            where=where,
        )
