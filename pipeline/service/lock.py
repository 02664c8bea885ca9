"""One run at a time: a lock that the kernel holds and drops with its process, whatever becomes of it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: seconds that a second run waits before it gives up
_PATIENCE = 2.0


@contextmanager
def locked(path: Path, patience: float = _PATIENCE) -> Iterator[bool]:
    """Hold the lock of a service; give False when another process holds it.

    Parameters
    ----------
    path
        File to lock; that it exists says nothing.
    patience
        Seconds to wait for another process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield True
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(0.05)
    finally:
        os.close(descriptor)
