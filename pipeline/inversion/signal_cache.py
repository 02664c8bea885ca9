"""Products of rows kept on disk, known by content: K's entries do not depend on the window (docs/cycle.md).

A piece is a table of products, earlier rows along one axis and later ones along the other, with the names of both
(`pipeline.inversion.signal_keys`). What of it belongs to a window is found by name. A piece that is lost, of another
prior, cut off or damaged is as if it had never been: its products are made again. Files appear whole or not at all, and
two processes that make the same piece write the same bytes to the same name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kernels.jit import cores
from pipeline.inversion.signal_keys import Places

#: ends the name of a file that is not whole yet, and of one that is
_PART, _WHOLE = ".part", ".piece"
#: bytes of the head's length, and of the digest before it
_LENGTH, _DIGEST = 8, 32


@dataclass(frozen=True, eq=False)
class Piece:
    """A table of products.

    Parameters
    ----------
    rows, columns : (r, 2), (c, 2) uint64
        Names of the rows that were smoothed, and of those they were multiplied with.
    upto : (r,) int64
        Columns before this one are those of the row.
    values : (r, c) or (r, sector, c)
        Products: sums over sectors in float64, or one a sector.
    """

    rows: np.ndarray
    columns: np.ndarray
    upto: np.ndarray
    values: np.ndarray


#: called with (a piece, places of its rows in the window, places of its columns); -1 where there is none
Use = Callable[[Piece, np.ndarray, np.ndarray], None]


class SignalCache:
    """A folder of pieces of one kind: of one set of correlations, grid, precision and code.

    Parameters
    ----------
    folder
        Made when the first piece is kept. It may be shared by cases, processes and kinds.
    kind
        Of `signal_keys.kind_name`.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind

    def keep(self, what: str, hour: int, piece: Piece) -> None:
        """Put a piece away.

        Parameters
        ----------
        what
            "pairs" or "totals".
        hour
            The latest hour of its rows, since 1970: a window that begins later has no use for it.
        """
        head, arrays = _packed(piece)
        digest = self._digest(head, arrays)
        name = hashlib.sha256(head + piece.rows.tobytes() + piece.columns.tobytes()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{uuid.uuid4().hex}{_PART}"
        try:
            with beside.open("wb") as stream:
                stream.write(digest + len(head).to_bytes(_LENGTH, "little") + head)
                for array in arrays:
                    stream.write(array.data)
            # not flushed to disk: what a power cut leaves of it fails its digest
            beside.replace(self.folder / f"{hour:010d}-{self.kind}-{what}-{name}{_WHOLE}")
        finally:
            beside.unlink(missing_ok=True)

    def visit(self, what: str, rows: Places, columns: Places, use: Use, *, threads: int = 0) -> None:
        """Hand over the pieces that have any of some rows and any of some columns; damaged ones are removed.

        Parameters
        ----------
        what
            As for `keep`.
        rows, columns
            Of the window.
        use
            Called from several threads.
        threads
            Files read at once; 0 for as many as there are cores.
        """

        def read(path: Path) -> None:
            piece = self._read(path, rows, columns)
            if piece is not None:
                use(piece, rows.of(piece.rows), columns.of(piece.columns))

        paths = sorted(self.folder.glob(f"*-{self.kind}-{what}-*{_WHOLE}"))
        with ThreadPoolExecutor(threads or cores()) as pool:
            list(pool.map(read, paths))

    def prune(self, before: int) -> int:
        """Remove the pieces, of whatever kind, that no window from an hour on has a use for; return how many."""
        old = [path for path in self.folder.glob(f"*{_WHOLE}") if path.name < f"{before:010d}"]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _read(self, path: Path, rows: Places, columns: Places) -> Piece | None:
        """Return a piece, or None when it is not needed or not whole."""
        try:
            with path.open("rb") as stream:
                digest = stream.read(_DIGEST)
                size = int.from_bytes(stream.read(_LENGTH), "little")
                if size > path.stat().st_size:
                    raise ValueError("cut off")
                head = stream.read(size)
                shapes = json.loads(head)
                names = [_array(stream, *shape) for shape in shapes[:2]]
                if np.all(rows.of(names[0]) < 0) or np.all(columns.of(names[1]) < 0):
                    return None
                arrays = [*names, *(_array(stream, *shape) for shape in shapes[2:])]
                if digest != self._digest(head, arrays) or stream.read(1):
                    raise ValueError("damaged")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, IndexError, MemoryError):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return Piece(*arrays)

    def _digest(self, head: bytes, arrays: list[np.ndarray]) -> bytes:
        digest = hashlib.sha256(self.kind.encode() + head)
        for array in arrays:
            digest.update(array.data)
        return digest.digest()


def _packed(piece: Piece) -> tuple[bytes, list[np.ndarray]]:
    """Return a piece as a head and contiguous arrays."""
    arrays = [np.ascontiguousarray(a) for a in (piece.rows, piece.columns, piece.upto, piece.values)]
    return json.dumps([[a.dtype.str, a.shape] for a in arrays]).encode(), arrays


def _array(stream: BinaryIO, kind: str, shape: list[int]) -> np.ndarray:
    """Return the next array of a stream; its size is tried against the file's before memory is taken."""
    dtype = np.dtype(kind)
    if dtype.kind not in "uif":
        raise ValueError("no type of ours")
    size = math.prod(shape) * dtype.itemsize
    if min(shape) < 0 or size > os.fstat(stream.fileno()).st_size:
        raise ValueError("cut off")
    out = np.empty(shape, dtype)
    if stream.readinto(out) != size:  # type: ignore[attr-defined]
        raise ValueError("cut off")
    return out
