"""A problem known by content: equal digests mean equal solutions, so what is solved need not be solved again."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np
import scipy.sparse

from pipeline.inversion.problem import Problem


def problem_digest(problem: Problem) -> str:
    """Return the SHA-256 of everything a problem holds: observations, errors, footprints, prior and correlations."""
    digest = hashlib.sha256()
    for part in _parts(problem):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes | memoryview]:
    """Yield a value as bytes, each part after its kind, so that no two values yield the same."""
    yield f"<{type(value).__name__}>".encode()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        # text has no buffer of its own
        yield "\x1f".join(map(str, value.ravel())).encode() if value.dtype == object else value.tobytes()
    elif isinstance(value, scipy.sparse.csr_array):
        for part in (value.data, value.indices.astype(np.int64), value.indptr.astype(np.int64)):
            yield from _parts(part)
    elif dataclasses.is_dataclass(value):
        for at in dataclasses.fields(value):
            yield at.name.encode()
            yield from _parts(getattr(value, at.name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _parts(part)
    else:
        yield repr(value).encode()
