"""Runs of a service that are stopped at a call: killed, failed or interrupted."""

import contextlib
from unittest import mock

from pipeline.grid import HourStore
from pipeline.service import runs
from pipeline.service.ledger import Ledger
from pipeline.service.service import Service
from pipeline.service.spool import Spool

#: where a run is stopped: before or after a method, which time it is called
POINTS = [
    (Spool, "take"), (HourStore, "commit"), (Ledger, "put"), (Ledger, "end"), (Service, "look"), (HourStore, "collect"),
    (Spool, "drop"),
]  # fmt: skip


class Killed(BaseException):
    """A run ends here, and nothing more of it reaches the disk."""


@contextlib.contextmanager
def breaking(point, after, nth, how):
    """Raise at one call of a method; after a kill nothing else reaches the disk."""
    calls = [0]
    dead = [False]
    with contextlib.ExitStack() as stack:
        for owner, name in [*POINTS, (Ledger, "drop"), (Ledger, "note"), (runs, "report")]:
            stack.enter_context(
                mock.patch.object(owner, name, wrapped(owner, name, point, after, nth, how, calls, dead))
            )
        yield


def wrapped(owner, name, point, after, nth, how, calls, dead):
    real = getattr(owner, name)

    def method(*args, **kwargs):
        if dead[0]:
            raise Killed
        mine = (owner, name) == point
        calls[0] += mine
        if mine and calls[0] == nth and not after:
            dead[0] = how is Killed
            raise how(f"before {name}")
        out = real(*args, **kwargs)
        if mine and calls[0] == nth:
            dead[0] = how is Killed
            raise how(f"after {name}")
        return out

    return method
