"""Names by content: what the numbers of K and of H Q a^T are made from, whatever the window.

A product of two rows depends on the later row's entries and hours, the earlier row's entries, sigma at these entries,
the correlations T and S, and the code. Sigma at the entries is in the rows of H D, so that the digest of such a row, in
absolute hours, is all that its products need to be known by.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import llvmlite.binding
import numpy as np
import scipy

from kernels.sources import closure_digest
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.rows import Rows
from pipeline.inversion.sources import Sources

#: bytes of a name; names are rows of two uint64
_WIDTH = 16
#: modules of this package that products come from, once the rows of H D are there
_MAKERS = (
    "covariance",
    "cross",
    "kept_signal",
    "nested",
    "rows",
    "signal_cache",
    "signal_keys",
    "sources",
    "spatial",
    "temporal",
)


def row_names(sources: Sources, scaled: Sequence[Rows], start: int, *, threads: int = 0) -> np.ndarray:
    """Return the name of every row of H and of every functional, (row, 2) uint64; no two are the same.

    Parameters
    ----------
    sources
        Rows and hours.
    scaled
        The rows times D, one `Rows` per sector.
    start
        Hour of the state's first, since 1970.
    threads
        Rows named at once; 0 for as many as there are cores.
    """
    rows, m = sources.rows, sources.observations
    full = np.diff(rows.row_start) > 0
    # a row without entries has products 0, whatever its hours
    first = np.where(full[:m], sources.span.first + start, 0)
    last = np.where(full[:m], sources.span.last + start, 0)
    hour = rows.hour + start
    length = np.diff(rows.start)

    def name(row: int) -> bytes:
        digest = hashlib.sha256(b"" if row >= m else f"{first[row]} {last[row]}".encode())
        segments = slice(rows.row_start[row], rows.row_start[row + 1])
        entries = slice(rows.start[segments.start], rows.start[segments.stop])
        for part in (hour[segments], length[segments], rows.cell[entries], *(s.value[entries] for s in scaled)):
            digest.update(part.data)
        return digest.digest()[:_WIDTH]

    with ThreadPoolExecutor(threads or None) as pool:
        names = list(pool.map(name, range(rows.count)))
    return np.frombuffer(b"".join(_told_apart(names)), "<u8").reshape(-1, 2)


def kind_name(sources: Sources) -> str:
    """Return the name of everything but the rows: correlations, grid, precision, code and processor."""
    digest = hashlib.sha256(_code_digest().encode())
    for covariance in sources.covariances:
        digest.update(f"{covariance.dtype} {covariance.shape[1:]}".encode())
        for part in _parts(covariance):
            digest.update(part)
    return digest.hexdigest()[: 2 * _WIDTH]


class Places:
    """Where names stand in a window.

    Parameters
    ----------
    names : (n, 2) uint64
        Of the window's rows.
    """

    def __init__(self, names: np.ndarray) -> None:
        self._order = np.argsort(names[:, 0], kind="stable")
        self._names = names[self._order]

    def of(self, names: np.ndarray) -> np.ndarray:
        """Return the place of each of some names, -1 where there is none."""
        if self._order.size == 0:
            return np.full(names.shape[0], -1)
        at = np.minimum(np.searchsorted(self._names[:, 0], names[:, 0]), self._order.size - 1)
        return np.where((self._names[at] == names).all(axis=1), self._order[at], -1)


def _told_apart(names: list[bytes]) -> Iterator[bytes]:
    """Yield the names; the second of equal rows, as of two sensors side by side, gets one of its own."""
    seen: dict[bytes, int] = {}
    for name in names:
        count = seen[name] = seen.get(name, 0) + 1
        yield name if count == 1 else hashlib.sha256(name + str(count).encode()).digest()[:_WIDTH]


def _parts(covariance: Covariance) -> list[bytes]:
    """Return T and S as bytes; the number of hours is no part of T's numbers."""
    return [*_bytes(covariance.temporal), *_bytes(covariance.spatial)]


def _bytes(kind: object) -> Iterator[bytes]:
    """Yield what a correlation is made of; one may be made of others."""
    yield type(kind).__name__.encode()
    assert dataclasses.is_dataclass(kind)
    for at in dataclasses.fields(kind):
        value = getattr(kind, at.name)
        if at.name == "count":
            continue
        if isinstance(value, np.ndarray):
            yield value.tobytes()
        elif at.name == "parts":
            for part in value:
                yield from _bytes(part)
        else:
            yield f"{at.name} {value!r}".encode()


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Return a digest of what makes products, what it calls, and the processor it is compiled for."""
    here = Path(__file__).parent
    code = closure_digest([here / f"{name}.py" for name in _MAKERS])
    versions = f"{np.__version__} {scipy.__version__} {llvmlite.binding.get_host_cpu_name()}"
    return f"{code} {versions}"
