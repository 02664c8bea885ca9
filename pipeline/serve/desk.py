"""What the routes share: the versions, the stations, the limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from pipeline.errors import SizeError
from pipeline.serve import price
from pipeline.serve.edition import Edition
from pipeline.serve.places import Network
from pipeline.serve.questions import Versioned
from pipeline.serve.replies import has_it, unchanged
from pipeline.serve.shelf import Shelf, Told

#: seconds for which a state of the service is told again
_KEPT = 30.0
#: hours of manifests that one reply may tell of
MOST_HOURS = 744


class Desk:
    """What the routes share.

    Parameters
    ----------
    shelf
        Versions.
    network
        Stations and the service's state.
    gate
        Limits.
    title
        Of the page.
    """

    def __init__(self, shelf: Shelf, network: Network, gate: price.Gate, title: str) -> None:
        self.shelf, self.network, self.gate, self.title = shelf, network, gate, title
        self._state: tuple[float, dict[str, Any] | None] | None = None
        self._asking = threading.Lock()

    def reply(
        self, request: Request, asked: Versioned, work: Callable[[Edition, Told], Response], *, live: bool = True
    ) -> Response:
        """Return what some work makes of the version that was asked for."""

        def one(edition: Edition, told: Told) -> Response:
            return unchanged(told) if has_it(request, told) else work(edition, told)

        return self.shelf.answer(asked.version, asked.as_of, one, live=live)

    def heavy(self, request: Request, cost: tuple[int, int]) -> AbstractContextManager[None]:
        """Let a question run that costs so much, or refuse it."""
        price.require(*cost)
        return self.gate.heavy(request.client.host if request.client else "", *cost)

    def state(self) -> dict[str, Any] | None:
        """Return the state of the service, not older than half a minute."""
        with self._asking:
            if self._state is None or time.monotonic() - self._state[0] > _KEPT:
                self._state = (time.monotonic(), self.network.health(datetime.now(UTC)))
            return self._state[1]


def few(hours: np.ndarray) -> np.ndarray:
    """Return hours, not more than one reply tells of.

    Raises
    ------
    SizeError
        For more than `MOST_HOURS`.
    """
    if hours.size > MOST_HOURS:
        raise SizeError(
            f"manifests of {MOST_HOURS} hours are told at once",
            got=hours.size,
            remedy="ask for a month at a time (period=2024-07)",
            where="period",
        )
    return hours
