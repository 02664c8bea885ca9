"""A fresh Python process with a kernel cache of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def run_fresh(code: str, cache: str) -> str:
    """Run code in a fresh process whose compiled kernels stand in a folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
