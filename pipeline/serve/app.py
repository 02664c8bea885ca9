"""The application: routes, what they share, and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from pipeline._version import __version__
from pipeline.serve import price
from pipeline.serve.desk import Desk
from pipeline.serve.places import Network
from pipeline.serve.refusals import REFUSALS, add_refusals
from pipeline.serve.routes import add_areas, add_page, add_store
from pipeline.serve.routes_answers import add_maps, add_network, add_totals
from pipeline.serve.shelf import Shelf

#: threads that answer
_THREADS = 8
_DESCRIPTION = """Hourly maps of greenhouse-gas emission and uptake with their uncertainty.

Every reply comes from one committed version: its id is in `X-Tianyan-Version` and, with the code's version, in `ETag`.
A question is priced before anything is read. Refusals say rule, value and remedy. Times are UTC, an hour is named by
its start; positive flux is upward.
"""


def create_app(shelf: Shelf, network: Network, gate: price.Gate, *, title: str = "") -> FastAPI:
    """Return the application: routes without the guard around them.

    Parameters
    ----------
    shelf
        The store's versions; closed when the server ends.
    network
        Stations.
    gate
        Limits, shared with the guard.
    title
        Of the page.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        yield
        shelf.close()

    app = FastAPI(
        title="tianyan",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=life,
        # their pages load scripts from elsewhere; /openapi.json is for tools
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
    )
    desk = Desk(shelf, network, gate, title)
    add_page(app)
    add_store(app, desk)
    add_areas(app, desk)
    add_totals(app, desk)
    add_maps(app, desk)
    add_network(app, desk)
    add_refusals(app)
    return app
