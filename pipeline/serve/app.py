"""The routes. Each is put to one committed version, says which, and is priced before anything is read."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
import numpy as np
from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline._version import __version__
from pipeline.answers import query
from pipeline.answers.export import write_maps, write_table
from pipeline.answers.ledger import ledger, schema, write_ledger
from pipeline.answers.maps import mean_maps
from pipeline.answers.periods import groups
from pipeline.answers.query import chosen_sectors
from pipeline.errors import ConfigError, InputError, LockedError, SizeError, StoreError, TianyanError
from pipeline.serve import price, tell
from pipeline.serve.borders import borders
from pipeline.serve.edition import Edition
from pipeline.serve.files import Files
from pipeline.serve.guard import refusal
from pipeline.serve.picture import picture
from pipeline.serve.places import KEPT, Network
from pipeline.serve.questions import (
    HourQuestion,
    LedgerQuestion,
    LevelQuestion,
    MapsQuestion,
    PeriodQuestion,
    PictureQuestion,
    SeriesQuestion,
    Versioned,
)
from pipeline.serve.replies import bytes_reply, has_it, json_reply, unchanged, written
from pipeline.serve.shelf import Shelf, Told, Unreadable

#: threads that answer
_THREADS = 8
#: hours of manifests that one reply may tell of
MOST_HOURS = 744
#: names that are looked up in what the store has
_LOOKED_UP = ("region", "level", "sector", "station", "version")
_HOUR = np.timedelta64(1, "h")


class Refused(BaseModel):
    """What every refusal holds."""

    class Error(BaseModel):
        """Which rule was broken, by what, and what helps."""

        rule: str
        got: str | None
        remedy: str
        where: str

    status: int
    error: Error


_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refused, "description": meaning}
    for code, meaning in (
        (400, "a parameter that cannot be used"),
        (401, "a token is needed"),
        (404, "no such region, sector, level, station, version or page"),
        (405, "only GET and HEAD"),
        (413, "more than one request may read; the remedy says how to split it"),
        (414, "a URL of more than 4096 letters"),
        (429, "too many requests, or too many large ones; Retry-After says when"),
        (503, "the version cannot be read"),
    )
}
_FILES = {
    kind: {"schema": {"type": "string", "format": "binary"}}
    for kind in ("text/csv", "application/vnd.apache.parquet", "application/netcdf", "image/tiff")
}
_JSON = {"application/json": {"schema": {"type": "object"}}}


class Service:
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

    def heavy(self, request: Request, cost: tuple[int, int]) -> Any:
        """Let a question run that costs so much, or refuse it."""
        price.require(*cost)
        return self.gate.heavy(request.client.host if request.client else "", *cost)

    def state(self) -> dict[str, Any] | None:
        """Return the state of the service, not older than `KEPT`."""
        with self._asking:
            if self._state is None or time.monotonic() - self._state[0] > KEPT:
                self._state = (time.monotonic(), self.network.health(datetime.now(UTC)))
            return self._state[1]


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
        description=__doc__,
        lifespan=life,
        # their pages load scripts from elsewhere; /openapi.json is for tools
        docs_url=None,
        redoc_url=None,
        responses=_REFUSALS,
    )
    service = Service(shelf, network, gate, title)
    _add_page(app)
    _add_store(app, service)
    _add_answers(app, service)
    _add_network(app, service)
    _add_refusals(app)
    return app


def _add_page(app: FastAPI) -> None:
    files = Files()

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        return files.reply(request, "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(status_code=204)

    @app.get("/web/{name}", include_in_schema=False)
    def file(request: Request, name: str) -> Response:
        return files.reply(request, name)


def _add_store(app: FastAPI, service: Service) -> None:
    @app.get("/api/metadata", responses={200: {"content": _JSON}}, response_class=Response)
    def metadata(request: Request, asked: Annotated[Versioned, Query()]) -> Response:
        """Grid, hours, sectors, layers, colour limits, and where the maps lie as Zarr."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.metadata(edition, told, service.title))

        return service.reply(request, asked, work)

    @app.get("/api/versions", responses={200: {"content": _JSON}}, response_class=Response)
    def versions(request: Request) -> Response:
        """The newest version, those before it, and releases by name."""
        found = service.shelf.versions()
        return json_reply(request, Told(found["newest"]), found)

    @app.get(
        "/api/zarr/{version}/{key:path}",
        responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
        response_class=Response,
    )
    def chunk(
        request: Request,
        version: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")],
        key: Annotated[str, Path(max_length=128)],
    ) -> Response:
        """A document or chunk of the version's maps as a Zarr v3 group; open it with xarray or a browser."""

        def work(edition: Edition, told: Told) -> Response:
            found = edition.view.read(key)
            if found is None:
                raise HTTPException(404, "no chunk: its hour has no numbers, or there is no such key")
            return bytes_reply(told, found, "json" if key.endswith("zarr.json") else "")

        return service.reply(request, Versioned(version=version), work, live=False)

    @app.get("/api/hours", responses={200: {"content": _JSON}}, response_class=Response)
    def hours(request: Request, asked: Annotated[PeriodQuestion, Query()]) -> Response:
        """How each hour of a period was made: status, condition, revision, observations used."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.hours(edition.source, _few(asked.of(edition.source))))

        return service.reply(request, asked, work)

    @app.get("/api/regions", responses={200: {"content": _JSON}}, response_class=Response)
    def regions(request: Request, asked: Annotated[Versioned, Query()]) -> Response:
        """The declared regions."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.regions(edition.source))

        return service.reply(request, asked, work)

    @app.get("/api/borders", responses={200: {"content": _JSON}}, response_class=Response)
    def outlines(request: Request, asked: Annotated[LevelQuestion, Query()]) -> Response:
        """The borders of a level's regions, GeoJSON."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, borders(edition.source, asked.level))

        return service.reply(request, asked, work)


def _add_answers(app: FastAPI, service: Service) -> None:
    @app.get("/api/series", responses={200: {"content": {**_JSON, **_FILES}}}, response_class=Response)
    def series(request: Request, asked: Annotated[SeriesQuestion, Query()]) -> Response:
        """Totals of a region, a cell, a box or a polygon over time, with their sigmas."""

        def work(edition: Edition, told: Told) -> Response:
            source = edition.source
            area, hours, sectors = asked.area(source.regions), asked.of(source), asked.sectors(source)
            parts = len(groups(hours, asked.freq)[1])
            with service.heavy(request, price.of_totals(source, [area], hours.size, parts, len(sectors))):
                answer = query(source, area, asked.period, sector=sectors, freq=asked.freq)
                if asked.format == "json":
                    return json_reply(request, told, tell.series(answer, asked.freq))
                body = written(lambda path: write_table(answer, path), asked.format)
            return bytes_reply(told, body, asked.format, "series")

        return service.reply(request, asked, work)

    @app.get("/api/maps", responses={200: {"content": _FILES}}, response_class=Response)
    def maps(request: Request, asked: Annotated[MapsQuestion, Query()]) -> Response:
        """Mean fluxes of a period with their sigmas, as a file: CF netCDF, GeoTIFF, CSV or Parquet."""

        def work(edition: Edition, told: Told) -> Response:
            source = edition.source
            hours, sectors = asked.of(source), chosen_sectors(source, asked.sector)
            parts = len(groups(hours, asked.freq)[1])
            if asked.format == "tif" and parts > 1:
                raise InputError(
                    "a GeoTIFF holds one map of each sector",
                    got=f"{parts} parts",
                    remedy="ask for the mean of the period (freq=all), or for format=nc",
                    where="freq",
                )
            with service.heavy(request, price.of_maps(source, hours.size, parts, len(sectors))):
                answer = mean_maps(source, asked.period, freq=asked.freq, sector=sectors)
                body = written(lambda path: write_maps(answer, path), asked.format)
            return bytes_reply(told, body, asked.format, "maps")

        return service.reply(request, asked, work)

    @app.get("/api/map.png", responses={200: {"content": {"image/png": {}}}}, response_class=Response)
    def drawn(request: Request, asked: Annotated[PictureQuestion, Query()]) -> Response:
        """A map of one hour as a picture."""

        def work(edition: Edition, told: Told) -> Response:
            sector = chosen_sectors(edition.source, asked.sector)[0]
            return bytes_reply(told, picture(edition, asked.layer, sector, asked.of(edition.source)), "png")

        return service.reply(request, asked, work)

    @app.get("/api/ledger/schema", responses={200: {"content": _JSON}}, response_class=Response)
    def columns(request: Request) -> Response:
        """The columns of the ledger, as JSON Schema."""
        return json_reply(request, Told("schema"), schema())

    @app.get("/api/ledger", responses={200: {"content": {**_JSON, **_FILES}}}, response_class=Response)
    def table(request: Request, asked: Annotated[LedgerQuestion, Query()]) -> Response:
        """The regional ledger: emission, uptake, net and sigma of each region, sector and period."""

        def work(edition: Edition, told: Told) -> Response:
            source = edition.source
            hours, names = asked.of(source), source.regions
            regions = len(names.ids) if asked.level == "all" else len(names.at_level(asked.level))
            parts = len(groups(hours, asked.freq)[1])
            with service.heavy(request, price.of_ledger(source, regions, hours.size, parts)):
                found = ledger(source, asked.level, asked.period, freq=asked.freq)
                body = written(lambda path: write_ledger(found, path), asked.format)
            return bytes_reply(told, body, asked.format, "" if asked.format == "json" else "ledger")

        return service.reply(request, asked, work)


def _add_network(app: FastAPI, service: Service) -> None:
    @app.get("/api/stations", responses={200: {"content": _JSON}}, response_class=Response)
    def stations(request: Request, asked: Annotated[HourQuestion, Query()]) -> Response:
        """Every station, and what became of its measurement of an hour."""

        def work(edition: Edition, told: Told) -> Response:
            hour = asked.of(edition.source)
            found = service.network.of_hour(edition.source, hour)
            return json_reply(request, told, {"hour": f"{hour}Z", "stations": found})

        return service.reply(request, asked, work)

    @app.get("/api/stations/{station}", responses={200: {"content": _JSON}}, response_class=Response)
    def station(
        request: Request,
        station: Annotated[str, Path(max_length=64)],
        asked: Annotated[PeriodQuestion, Query()],
    ) -> Response:
        """What a station measured, hour by hour, and what the models say of it."""

        def work(edition: Edition, told: Told) -> Response:
            hours = asked.of(edition.source)
            if asked.period is None:
                hours = hours[-MOST_HOURS:]
            return json_reply(request, told, service.network.series(edition.source, station, _few(hours)))

        return service.reply(request, asked, work)

    @app.get("/api/health", responses={200: {"content": _JSON}}, response_class=Response)
    def health(request: Request) -> Response:
        """The newest hour, its age, and the state of the service with its alarms."""

        def work(edition: Edition, told: Told) -> Response:
            newest = edition.source.hours[-1:]
            facts = edition.source.facts(newest)[0] if newest.size else {}
            age = (datetime.now(UTC) - _time(newest[0])).total_seconds() / 3600 if newest.size else None
            state = service.state() or {"state": "unknown", "alarms": []}
            answer = {
                "newest_hour": f"{newest[0]}Z" if newest.size else None,
                "age_hours": None if age is None else round(age, 2),
                "status": facts.get("status"),
                "condition": facts.get("condition"),
                "version": told.id,
                "fallback": told.newest or None,
                **state,
            }
            reply = json_reply(request, told, answer)
            # it changes with the clock, not with the version
            del reply.headers["etag"]
            reply.headers["cache-control"] = "no-store"
            return reply

        return service.shelf.answer(None, None, work)


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(TianyanError)
    def ours(_: Request, error: TianyanError) -> Response:
        status = _status(error)
        if status == 503:
            return _unreadable("")
        return _refused(refusal(status, error.rule, error.got, error.remedy, error.where), status)

    @app.exception_handler(Unreadable)
    def unreadable(_: Request, error: Unreadable) -> Response:
        return _unreadable(error.version)

    @app.exception_handler(price.BusyError)
    def busy(_: Request, error: price.BusyError) -> Response:
        reply = _refused(refusal(429, str(error), None, "ask again later"), 429)
        reply.headers["retry-after"] = str(error.seconds)
        return reply

    @app.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("query", "path"))
        status = 404 if first["loc"][0] == "path" else 400
        return _refused(refusal(status, first["msg"], first.get("input"), "see /openapi.json", where), status)

    @app.exception_handler(HTTPException)
    def other(_: Request, error: HTTPException) -> Response:
        return _refused(refusal(error.status_code, error.detail, None, "see /openapi.json"), error.status_code)


def _status(error: TianyanError) -> int:
    if isinstance(error, SizeError):
        return 413
    if isinstance(error, LockedError | ConfigError):
        return 503
    if isinstance(error, StoreError):
        return 404
    return 404 if error.where in _LOOKED_UP else 400


def _unreadable(version: str) -> Response:
    remedy = "ask for another version (/api/versions); whoever runs it: `tianyan status`, then repair the store"
    return _refused(refusal(503, "the version must be readable", version or None, remedy, version=version), 503)


def _refused(body: bytes, status: int) -> Response:
    headers = {"cache-control": "no-store"}
    if status == 503:
        headers["retry-after"] = "60"
    return Response(body, status, media_type="application/json", headers=headers)


def _few(hours: np.ndarray) -> np.ndarray:
    if hours.size > MOST_HOURS:
        raise SizeError(
            f"manifests of {MOST_HOURS} hours are told at once",
            got=hours.size,
            remedy="ask for a month at a time (period=2024-07)",
            where="period",
        )
    return hours


def _time(hour: np.datetime64) -> datetime:
    return hour.astype("datetime64[s]").astype(datetime).replace(tzinfo=UTC)
