"""What a footprint's numbers come from besides its inputs: the code."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kernels.sources import closure_digest


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a digest of the sources of this package and of the kernels it reaches.

    Whatever was made by other code is made anew: a key by hand would be forgotten in the change that needs it.
    """
    return closure_digest(Path(__file__).parent.glob("*.py"))
