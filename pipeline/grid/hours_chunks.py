"""Chunks of an array read past Zarr's pipeline: as many at once as there are, and no more of each unpacked than needed.

A map out of an archive block is a hundredth of the block; a cell out of a map is less. Zarr unpacks whole chunks, one
task each; Blosc can unpack a part (its own blocks of 16 or 64 KiB). The checksum is that of the whole chunk still.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import google_crc32c
import numcodecs.blosc
import numpy as np
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

#: chunks fetched at once; those before are unpacked meanwhile
_BATCH = 24

_GETITEM: Any = getattr(ctypes.CDLL(numcodecs.blosc.__file__), "blosc_getitem", None)
if _GETITEM is not None:  # a build may hide it; whole chunks are unpacked then
    _GETITEM.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

#: of one dim: number of the chunk, places inside it, places in the result
Part = tuple[int, np.ndarray, slice]


class ChunkArray:
    """An array of a snapshot.

    Parameters
    ----------
    store
        Of the snapshot's session.
    array
        Zarr's own, for shape, chunks and type; compressed with Blosc, then a CRC-32C.
    """

    def __init__(self, store: Any, array: Any) -> None:
        self._store, self._path = store, array.path
        self._chunks, self.dtype, self.shape = array.chunks, array.dtype, array.shape
        self._strides = np.cumprod([1, *self._chunks[:0:-1]])[::-1]

    def read(self, key: tuple[slice | np.ndarray, ...]) -> np.ndarray:
        """Return what numpy's `array[np.ix_(...)]` would: NaN where there is no chunk.

        Parameters
        ----------
        key
            For each dim a slice or places.
        """
        places = [np.arange(n)[k] for k, n in zip(key, self.shape, strict=True)]
        if any((np.diff(p) <= 0).any() for p in places):
            sorted_ = [np.unique(p, return_inverse=True) for p in places]
            return self.read(tuple(p for p, _ in sorted_))[np.ix_(*(back for _, back in sorted_))]
        out = np.full([p.size for p in places], np.nan, self.dtype)
        parts = [list(_parts(p, c)) for p, c in zip(places, self._chunks, strict=True)]
        wanted = itertools.product(*parts)
        jobs: list[Future[None]] = []
        while batch := list(itertools.islice(wanted, _BATCH)):
            names = [f"{self._path}/c/" + "/".join(str(part[0]) for part in one) for one in batch]
            jobs.append(_pool(os.getpid()).submit(self._place, batch, sync(self._fetch(names)), out))
            # no more in memory than is worked on
            if len(jobs) > 2:
                jobs[-3].result()
        for job in jobs:
            job.result()
        return out

    async def _fetch(self, names: list[str]) -> list[Any]:
        prototype = default_buffer_prototype()
        return await asyncio.gather(*(self._store.get(name, prototype) for name in names))

    def _place(self, batch: list[tuple[Part, ...]], found: list[Any], out: np.ndarray) -> None:
        for one, buffer in zip(batch, found, strict=True):
            if buffer is not None:
                out[tuple(part[2] for part in one)] = self._unpacked(buffer.as_numpy_array(), [p[1] for p in one])

    def _unpacked(self, packed: np.ndarray, inside: list[np.ndarray]) -> np.ndarray:
        """Return the wanted values of one chunk, of its bytes as they lie there: copying them is half the time."""
        content, check = packed[:-4], packed[-4:]
        # what may be written to, the checksum does not take
        content.flags.writeable = False
        if google_crc32c.value(content) != int.from_bytes(check.tobytes(), "little"):
            raise ValueError("a chunk's checksum does not match")
        low = sum(int(p[0]) * int(s) for p, s in zip(inside, self._strides, strict=True))
        high = sum(int(p[-1]) * int(s) for p, s in zip(inside, self._strides, strict=True)) + 1
        size = int(np.prod(self._chunks))
        if _GETITEM is None or 2 * (high - low) > size:
            whole = np.frombuffer(numcodecs.blosc.decompress(content), self.dtype).reshape(self._chunks)
            if all(p[-1] - p[0] + 1 == p.size for p in inside):
                return whole[tuple(slice(p[0], p[-1] + 1) for p in inside)]
            return whole[np.ix_(*inside)]
        flat = np.empty(high - low, self.dtype)
        if _GETITEM(packed.ctypes.data, low, high - low, flat.ctypes.data) != flat.nbytes:
            raise ValueError("a chunk cannot be unpacked")
        at: Any = -low
        for number, (p, stride) in enumerate(zip(inside, self._strides, strict=True)):
            at = at + (p * stride).reshape([-1 if n == number else 1 for n in range(len(inside))])
        return flat[at]


@functools.cache
def _pool(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process: a forked child does not have its parent's."""
    return ThreadPoolExecutor(2, thread_name_prefix="chunks")


def _parts(places: np.ndarray, chunk: int) -> Iterator[Part]:
    """Cut ascending places where chunks end."""
    if not places.size:
        return
    number = places // chunk
    cuts = np.flatnonzero(np.diff(number)) + 1
    for first, last in itertools.pairwise([0, *cuts.tolist(), places.size]):
        yield int(number[first]), places[first:last] - number[first] * chunk, slice(first, last)
