"""Routes of the page, and of what a store holds: axes, versions, maps as Zarr, hours, regions and their borders."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline.errors import CorruptError, InputError, StoreError
from pipeline.serve import tell
from pipeline.serve.borders import borders
from pipeline.serve.desk import Desk, few
from pipeline.serve.edition import Edition
from pipeline.serve.files import Files
from pipeline.serve.questions import LevelQuestion, PeriodQuestion, Versioned
from pipeline.serve.replies import BINARY, JSON, bytes_reply, json_reply
from pipeline.serve.shelf import GoneError, Told


def add_page(app: FastAPI) -> None:
    """Add the page and its files."""
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


def add_store(app: FastAPI, desk: Desk) -> None:
    """Add axes, versions, and the maps themselves as Zarr."""

    @app.get("/api/metadata", responses={200: {"content": JSON}}, response_class=Response)
    def metadata(request: Request, asked: Annotated[Versioned, Query()]) -> Response:
        """Grid, hours, sectors, layers, colour limits, and where the maps lie as Zarr."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.metadata(edition, told, desk.title))

        return desk.reply(request, asked, work)

    @app.get("/api/versions", responses={200: {"content": JSON}}, response_class=Response)
    def versions(request: Request) -> Response:
        """The newest version, those before it, and releases by name."""
        found = desk.shelf.versions()
        return json_reply(request, Told(found["newest"]), found)

    @app.get(
        "/api/zarr/{version}/{key:path}",
        responses={200: {"content": {"application/octet-stream": BINARY, **JSON}}},
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

        try:
            return desk.reply(request, Versioned(version=version), work, live=False)
        except CorruptError:
            raise
        except (InputError, StoreError) as error:
            # readers of Zarr take a 404 for a chunk that was never written, and make it NaN
            remedy = "ask for another: /api/versions lists all"
            raise GoneError("the version must be kept", got=version, remedy=remedy, where="version") from error


def add_areas(app: FastAPI, desk: Desk) -> None:
    """Add what a store says of its hours and regions."""

    @app.get("/api/hours", responses={200: {"content": JSON}}, response_class=Response)
    def hours(request: Request, asked: Annotated[PeriodQuestion, Query()]) -> Response:
        """How each hour of a period was made: status, condition, revision, observations used."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.hours(edition.source, few(asked.of(edition.source))))

        return desk.reply(request, asked, work)

    @app.get("/api/regions", responses={200: {"content": JSON}}, response_class=Response)
    def regions(request: Request, asked: Annotated[Versioned, Query()]) -> Response:
        """The declared regions."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, tell.regions(edition.source))

        return desk.reply(request, asked, work)

    @app.get("/api/borders", responses={200: {"content": JSON}}, response_class=Response)
    def outlines(request: Request, asked: Annotated[LevelQuestion, Query()]) -> Response:
        """The borders of a level's regions, GeoJSON."""

        def work(edition: Edition, told: Told) -> Response:
            return json_reply(request, told, borders(edition.source, asked.level))

        return desk.reply(request, asked, work)
