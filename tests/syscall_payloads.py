"""What `test_syscall_faults` and `test_crash_states` run under faults; `old` and `new` fill several pages."""

import ctypes
import importlib
import mmap
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

PAGES = 3
REMEMBERED = []
OLD, NEW = (letter * 4096 * PAGES for letter in (b"o", b"n"))


def publish(folder):
    """Write aside, fsync, rename, fsync the folder: 5 calls."""
    target = Path(folder) / "value"
    aside = target.with_suffix(".tmp")
    with aside.open("wb", buffering=0) as stream:
        stream.write(NEW)
        os.fsync(stream.fileno())
    os.replace(aside, target)
    sync_folder(folder)


def publish_without_sync(folder):
    target = Path(folder) / "value"
    aside = target.with_suffix(".tmp")
    aside.write_bytes(NEW)
    os.replace(aside, target)
    sync_folder(folder)


def publish_without_folder_sync(folder):
    """Say that it is published while the name may still be undone."""
    target = Path(folder) / "value"
    aside = target.with_suffix(".tmp")
    with aside.open("wb") as stream:
        stream.write(NEW)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(aside, target)


def overwrite(folder):
    """Write in place, page by page: an open and a write for each."""
    with (Path(folder) / "value").open("r+b", buffering=0) as stream:
        for start in range(0, len(NEW), 4096):
            stream.write(NEW[start : start + 4096])
        os.fsync(stream.fileno())


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def write_all(folder):
    """Write as a careful C program does: what was not written is written again. Return the lengths."""
    handle, left, lengths = os.open(Path(folder) / "value", os.O_WRONLY | os.O_CREAT), NEW, []
    while left:
        lengths.append(os.write(handle, left))
        left = left[lengths[-1] :]
    return lengths


def threads_and_a_child(folder, threads=4, files=5):
    """Make files from threads and from a forked child, and one from a command: 2 calls for each."""

    def make(name):
        for number in range(files):
            handle = os.open(Path(folder) / f"{name}-{number}", os.O_CREAT | os.O_WRONLY)
            os.write(handle, b"x" * 10)
            os.close(handle)

    started = [threading.Thread(target=make, args=(f"thread{number}",)) for number in range(threads)]
    child = os.fork()
    if child == 0:
        make("child")
        os._exit(0)
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    os.waitpid(child, 0)
    subprocess.run(["/bin/sh", "-c", "printf x > command"], cwd=folder, check=True)


def elsewhere(folder, other):
    """Write everywhere but into the folder, and read there."""
    (Path(other) / "file").write_bytes(b"x" * 100)
    os.rename(Path(other) / "file", Path(other) / "renamed")
    ours, theirs = socket.socketpair()
    ours.send(b"x")
    os.write(theirs.fileno(), b"x")
    _, writing = os.pipe()
    os.write(writing, b"x")
    print("printed", flush=True)
    print("complained", file=sys.stderr)
    os.mkfifo(Path(other) / "pipe")
    (Path(folder) / "value").read_bytes()
    # a neighbour whose name begins alike
    Path(f"{folder}-2").mkdir()


def by_other_names(folder):
    """Change the folder through a link, a relative path, a handle and /proc/self: 5 calls under it."""
    Path(f"{folder}-link").symlink_to(folder)
    (Path(f"{folder}-link") / "a").mkdir()
    os.chdir(folder)
    os.mkdir("b")
    handle = os.open(folder, os.O_RDONLY)
    os.mkdir("c", dir_fd=handle)
    os.mkdir(f"/proc/self/fd/{handle}/d")
    os.rename("d", f"{folder}-d")


def database(folder):
    with sqlite3.connect(Path(folder) / "base.sqlite") as base:
        base.execute("create table t (x)")
        base.executemany("insert into t values (?)", [(x,) for x in range(100)])
    base.close()


def update(folder, synchronous="full"):
    """Replace every row, over several pages, in one transaction."""
    base = sqlite3.connect(Path(folder) / "base.sqlite")
    base.execute(f"pragma synchronous={synchronous}")
    with base:
        base.execute("update t set x = 'new' || x")
    base.close()


def in_any_order(folder, seed, steps=60):
    """Do things to files and folders, drawn by chance; also such as fail."""
    chance = random.Random(seed)
    root, letters = Path(folder), "abcd"

    def path():
        return root.joinpath(*chance.choices(letters, k=chance.choice((1, 1, 2))))

    def write(flags):
        handle = os.open(path(), os.O_WRONLY | os.O_CREAT | flags)
        os.write(handle, chance.randbytes(chance.choice((1, 100, 5000))))
        os.pwritev(handle, [chance.randbytes(300), b"", chance.randbytes(200)], chance.choice((0, 50, 9000)))
        os.writev(handle, [b"x" * 10, b"y" * 10])
        if chance.random() < 0.3:
            os.ftruncate(handle, chance.choice((0, 60, 12000)))
        if chance.random() < 0.3:
            os.posix_fallocate(handle, 100, chance.choice((10, 10000)))
        os.rename(path(), path())
        os.write(handle, b"under whatever name")
        os.fsync(handle)

    def copy():
        with path().open("rb") as source, path().open("r+b") as target:
            os.copy_file_range(source.fileno(), target.fileno(), 200, 10, 20)
            os.sendfile(target.fileno(), source.fileno(), 0, 50)

    acts = [
        lambda: write(0), lambda: write(os.O_TRUNC), lambda: write(os.O_APPEND), copy,
        lambda: os.truncate(path(), chance.choice((0, 5, 7000))), lambda: os.mkdir(path()),
        lambda: os.rename(path(), path()), lambda: os.link(path(), path()), lambda: os.unlink(path()),
        lambda: os.rmdir(path()), lambda: os.symlink("a/b", path()), lambda: sync_folder(path()),
    ]  # fmt: skip
    done = 0
    for _ in range(steps):
        with suppress(OSError):
            chance.choice(acts)()
            done += 1
    return done


def write_mapped(folder):
    with (Path(folder) / "value").open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as memory:
        memory[:3] = b"new"


def icechunk_commit(folder, value):
    import icechunk
    import zarr

    repository = icechunk.Repository.open_or_create(icechunk.local_filesystem_storage(str(Path(folder) / "repo")))
    session = repository.writable_session("main")
    array = zarr.create_array(session.store, name="x", shape=(4096,), chunks=(1024,), dtype="f8", overwrite=True)
    array[:] = value
    return session.commit("one array")


def icechunk_values(folder):
    import icechunk
    import zarr

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(Path(folder) / "repo")))
    return sorted(set(zarr.open_array(repository.readonly_session("main").store, path="x", mode="r")[:].tolist()))


def crash(folder):
    ctypes.string_at(0)


def leave_early(folder):
    (Path(folder) / "value").write_bytes(NEW)
    sys.exit(7)


def orphans(folder):
    """Leave a child and its own child behind, which sleep, and write."""
    for _ in range(2):
        if os.fork():
            break
        os.setsid()
    else:
        (Path(folder) / "orphan").write_text(str(os.getpid()))
    time.sleep(600)


def sleep(folder, seconds=600):
    (Path(folder) / "process").write_text(str(os.getpid()))
    time.sleep(seconds)


def tick(folder):
    """Count in a thread in shared memory while files are written; a pause shows as a gap between two times."""
    times = []

    def count():
        while not over:
            times.append(time.monotonic())
            time.sleep(0.005)

    over = []
    thread = threading.Thread(target=count)
    thread.start()
    for number in range(3):
        time.sleep(0.05)
        (Path(folder) / f"{number}").write_bytes(b"x")
    over.append(True)
    thread.join()
    return max(later - earlier for earlier, later in pairwise(times))


def told_to_end(folder):
    """End in order when asked to by SIGTERM, between two files."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    for number in range(10):
        if asked:
            return number
        (Path(folder) / f"{number}").write_bytes(b"x")
    return None


def remember(value):
    REMEMBERED.append(value)


def remembered():
    return REMEMBERED[0]


def import_one(name):
    importlib.import_module(name)


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def trace(folder):
    """Try to trace what is traced already, which the system refuses."""
    import pytest
    from syscall_faults import Harness

    try:
        Harness().close()
    except pytest.skip.Exception as skipped:
        return str(skipped)
    return None


def nothing(folder):
    pass


def many(folder, calls):
    handle = os.open(Path(folder) / "value", os.O_WRONLY | os.O_CREAT)
    begun = time.perf_counter()
    for _ in range(calls):
        os.pwrite(handle, b"x", 0)
    return (time.perf_counter() - begun) / calls


def read_many(folder, calls):
    """Return seconds of an open for reading and a read."""
    begun = time.perf_counter()
    for _ in range(calls):
        handle = os.open(Path(folder) / "value", os.O_RDONLY)
        os.read(handle, 1)
        os.close(handle)
    return (time.perf_counter() - begun) / calls
