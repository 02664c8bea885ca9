"""What the store of hours asks of a file system: locks the kernel holds, files put whole, writes that are on the disk.

An existing lock file says nothing: a lock is the kernel's, and goes with its process.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import time
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import LockedError, StoreError

#: seconds a committer waits for another
PATIENCE = 5.0
#: file systems that other machines may share: a lock of one kernel does not keep them out
SHARED = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "afs", "ceph", "lustre", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs")
)
MOUNTS = Path("/proc/self/mountinfo")
_LIBC = ctypes.CDLL(None, use_errno=True)


def file_system_of(folder: Path) -> str:
    """Return the kind of file system a folder is on (proc_pid_mountinfo(5)); empty where the kernel does not say."""
    device = folder.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for mount in mounts:
        about, _, rest = mount.partition(" - ")
        if rest and about.split()[2] == name:
            return rest.split()[0]
    return ""


def require_local(folder: Path) -> None:
    """Raise StoreError when other machines may share the file system of a folder."""
    kind = file_system_of(folder)
    if kind in SHARED:
        raise StoreError(
            "a store is on a disk of the machine that writes it: locks and what is synced are one kernel's",
            got=f"{folder} is on {kind}",
            remedy="put it on a local disk; other machines read copies of it",
            where="store",
        )


def sync(folder: Path) -> None:
    """Return when everything written to the file system of a folder is on its disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        done = getattr(_LIBC, "syncfs", None)
        if done is None:
            os.sync()
        elif done(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def put(path: Path, content: bytes) -> None:
    """Write a file: after a power cut it is whole, or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sum_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, patience: float) -> bool:
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)


@contextlib.contextmanager
def locked(path: Path, patience: float = PATIENCE, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock.

    Parameters
    ----------
    path
        Lock file.
    patience
        Seconds to wait for others.
    shared
        Beside others that share it.

    Raises
    ------
    LockedError
        When another process holds it all that time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience):
            raise LockedError(
                "one process at a time may change the store",
                got=f"locked for {patience:g} s",
                remedy="wait for the other process to end, then try again",
                where=str(path),
            )
        yield
    finally:
        os.close(descriptor)


class Lease:
    """A reader's mark that a snapshot is being read; dropped by `close`, or with the reader or its process.

    Parameters
    ----------
    folder
        Of all leases of a store. One that cannot be written (a medium that is only read) holds none, and needs none.
    snapshot
        What is read.
    """

    def __init__(self, folder: Path, snapshot: str) -> None:
        # the name tells all: a disk that is full still takes one
        path = folder / f"{os.getpid()}-{uuid.uuid4().hex}-{snapshot}.lease"
        self._drop = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except (OSError, ValueError):
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            _dropped(descriptor, path, os.getpid())
            return
        self._drop = weakref.finalize(self, _dropped, descriptor, path, os.getpid())

    def close(self) -> None:
        """Drop it."""
        if self._drop is not None:
            self._drop()


def _dropped(descriptor: int, path: Path, owner: int) -> None:
    # a forked child has the reader too, but it is its parent's
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
    os.close(descriptor)


@contextlib.contextmanager
def gate(folder: Path) -> Iterator[None]:
    """Keep retention out while a reader opens; where nothing can be written nothing is removed either."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gate").touch()
    except OSError:
        yield
        return
    with locked(folder / "gate", shared=True):
        yield


def leased(folder: Path) -> set[str]:
    """Return what living readers read, and remove what dead ones left; the gate must be held."""
    found = set()
    for path in sorted(folder.glob("*.lease")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if _lock(descriptor, fcntl.LOCK_EX, 0.0):
                path.unlink(missing_ok=True)
            else:
                found.add(path.stem.rpartition("-")[2])
        finally:
            os.close(descriptor)
    return found
