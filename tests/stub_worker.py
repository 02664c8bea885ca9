"""Loaded by workers of dask before they work: their hours are those of `service_stub`, slow ones, and some deadly.

TIANYAN_TEST_SECONDS: how long an hour takes. TIANYAN_TEST_DEADLY: an hour that its process does not survive, and
TIANYAN_TEST_FILLS: one that takes 2 GiB.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import service_stub as stub

STUBBED = stub.stubbed()


def versions(place, domain, prepared, stages, *, progress=None):
    """As the stub's, but for what the environment says."""
    hour = str(prepared.hour - stub.LAG * stub.HOUR)
    if hour == os.environ.get("TIANYAN_TEST_DEADLY"):
        os.kill(os.getpid(), signal.SIGKILL)
    if hour == os.environ.get("TIANYAN_TEST_FILLS"):
        filled = np.ones(2**28)
        time.sleep(60.0)
        del filled
    time.sleep(float(os.environ.get("TIANYAN_TEST_SECONDS", "0")))
    return stub.versions(place, domain, prepared, stages)


def dask_setup(worker):
    """Called by dask."""
    STUBBED.__enter__()
    stub.making.versions = versions
