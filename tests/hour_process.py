"""A process at a store of hours: `python hour_process.py TASK FOLDER ...`, started by the tests."""

import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import hour_cases as cases

from pipeline.errors import LockedError
from pipeline.grid import HourStore


def write(folder, first, count, step):
    """Commit versions one after the other: hour 1 again and again, and hours of its own."""
    store = HourStore.open(folder)
    print("ready", flush=True)
    for number in range(first, first + count * step, step):
        both = [cases.version(1, float(number)), cases.version(number, float(number))]
        while True:
            try:
                done = store.commit(both, at=cases.at(number))
                break
            except LockedError:
                continue
        print(number, done.seq, flush=True)


def read(folder, seconds):
    """Read hour 1 until the time is up; print how often, and how many reads held two versions."""
    store = HourStore.open(folder)
    print("ready", flush=True)
    reads = torn = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (folder / "stop").exists():
        with store.at() as reader:
            values = reader.values(cases.hour(1))
            found = np.unique(np.concatenate([v.ravel() for v in values.values()]))
            torn += found.size != 1
            reader.verify(cases.hour(1))
            reads += 1
    print(reads, torn, flush=True)


def limited(folder):
    """Commit where no file may be longer than 300 bytes; print what comes of it."""
    store = HourStore.open(folder)
    print("ready", flush=True)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
    try:
        store.commit([cases.version(1, 2.0)], at=cases.at(1))
    except OSError as error:
        print(error.errno, flush=True)


if __name__ == "__main__":
    task, folder, *numbers = sys.argv[1:]
    {"write": write, "read": read, "limited": limited}[task](Path(folder), *map(int, numbers))
