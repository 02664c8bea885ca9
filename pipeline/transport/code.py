"""What a footprint's numbers come from besides its inputs: the code."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from kernels.jit import source_digest


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a digest of the sources of the kernels and of this package.

    Whatever was made by other code is made anew: a key by hand would be forgotten in the change that needs it.
    """
    digest = hashlib.sha256(source_digest().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
