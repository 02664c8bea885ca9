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
    end = time.monotonic() + patience
    descriptor = _locked(path)
    while descriptor is None and time.monotonic() < end:
        time.sleep(0.05)
        descriptor = _locked(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Return an open file that holds the lock; None when another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # a folder put in this one's place since, by a restore, has a lock of its own
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
