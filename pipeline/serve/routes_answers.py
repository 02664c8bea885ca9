"""Routes of answers: series, maps, pictures, the ledger; and of the network: stations and the service's state."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from pipeline.answers import query
from pipeline.answers.export import write_maps, write_table
from pipeline.answers.ledger import ledger, schema, write_ledger
from pipeline.answers.maps import mean_maps
from pipeline.answers.periods import groups
from pipeline.answers.query import chosen_sectors
from pipeline.errors import InputError
from pipeline.serve import price, tell
from pipeline.serve.desk import MOST_HOURS, Desk, few
from pipeline.serve.edition import Edition
from pipeline.serve.picture import picture
from pipeline.serve.questions import (
    HourQuestion,
    LedgerQuestion,
    MapsQuestion,
    PeriodQuestion,
    PictureQuestion,
    SeriesQuestion,
)
from pipeline.serve.replies import BINARY, FILES, JSON, bytes_reply, json_reply, written
from pipeline.serve.shelf import Told


def add_totals(app: FastAPI, desk: Desk) -> None:
    """Add totals of areas: series and the ledger."""

    @app.get("/api/series", responses={200: {"content": {**JSON, **FILES}}}, response_class=Response)
    def series(request: Request, asked: Annotated[SeriesQuestion, Query()]) -> Response:
        """Totals of a region, a cell, a box or a polygon over time, with their sigmas."""

        def work(edition: Edition, told: Told) -> Response:
            source = edition.source
            area, hours, sectors = asked.area(source.regions), asked.of(source), asked.sectors(source)
            parts = len(groups(hours, asked.freq)[1])
            with desk.heavy(request, price.of_totals(source, [area], hours.size, parts, len(sectors))):
                answer = query(source, area, asked.period, sector=sectors, freq=asked.freq)
                if asked.format == "json":
                    return json_reply(request, told, tell.series(answer, asked.freq))
                body = written(lambda path: write_table(answer, path), asked.format)
            return bytes_reply(told, body, asked.format, "series")

        return desk.reply(request, asked, work)

    @app.get("/api/ledger/schema", responses={200: {"content": JSON}}, response_class=Response)
    def columns(request: Request) -> Response:
        """The columns of the ledger, as JSON Schema."""
        return json_reply(request, Told("schema"), schema())

    @app.get("/api/ledger", responses={200: {"content": {**JSON, **FILES}}}, response_class=Response)
    def table(request: Request, asked: Annotated[LedgerQuestion, Query()]) -> Response:
        """The regional ledger: emission, uptake, net and sigma of each region, sector and period."""

        def work(edition: Edition, told: Told) -> Response:
            source = edition.source
            hours, names = asked.of(source), source.regions
            regions = len(names.ids) if asked.level == "all" else len(names.at_level(asked.level))
            parts = len(groups(hours, asked.freq)[1])
            with desk.heavy(request, price.of_ledger(source, regions, hours.size, parts)):
                found = ledger(source, asked.level, asked.period, freq=asked.freq)
                body = written(lambda path: write_ledger(found, path), asked.format)
            return bytes_reply(told, body, asked.format, "" if asked.format == "json" else "ledger")

        return desk.reply(request, asked, work)


def add_maps(app: FastAPI, desk: Desk) -> None:
    """Add maps to take away: as files, and as a picture."""

    @app.get("/api/maps", responses={200: {"content": FILES}}, response_class=Response)
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
            with desk.heavy(request, price.of_maps(source, hours.size, parts, len(sectors))):
                answer = mean_maps(source, asked.period, freq=asked.freq, sector=sectors)
                body = written(lambda path: write_maps(answer, path), asked.format)
            return bytes_reply(told, body, asked.format, "maps")

        return desk.reply(request, asked, work)

    @app.get("/api/map.png", responses={200: {"content": {"image/png": BINARY}}}, response_class=Response)
    def drawn(request: Request, asked: Annotated[PictureQuestion, Query()]) -> Response:
        """A map of one hour as a picture."""

        def work(edition: Edition, told: Told) -> Response:
            sector = chosen_sectors(edition.source, asked.sector)[0]
            return bytes_reply(told, picture(edition, asked.layer, sector, asked.of(edition.source)), "png")

        return desk.reply(request, asked, work)


def add_network(app: FastAPI, desk: Desk) -> None:
    """Add what tells of the network."""

    @app.get("/api/stations", responses={200: {"content": JSON}}, response_class=Response)
    def stations(request: Request, asked: Annotated[HourQuestion, Query()]) -> Response:
        """Every station, and what became of its measurement of an hour."""

        def work(edition: Edition, told: Told) -> Response:
            hour = asked.any_of(edition.source)
            found = desk.network.of_hour(edition.source, hour)
            return json_reply(request, told, {"hour": f"{hour}Z", "stations": found})

        return desk.reply(request, asked, work)

    @app.get("/api/stations/{station}", responses={200: {"content": JSON}}, response_class=Response)
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
            return json_reply(request, told, desk.network.series(edition.source, station, few(hours)))

        return desk.reply(request, asked, work)

    @app.get("/api/health", responses={200: {"content": JSON}}, response_class=Response)
    def health(request: Request) -> Response:
        """The newest hour, its age, and the state of the service with its alarms."""

        def work(edition: Edition, told: Told) -> Response:
            newest = edition.source.hours[-1:]
            facts = edition.source.facts(newest)[0] if newest.size else {}
            age = (datetime.now(UTC) - _time(newest[0])).total_seconds() / 3600 if newest.size else None
            state = desk.state() or {"state": "unknown", "alarms": []}
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

        return desk.shelf.answer(None, None, work)


def _time(hour: np.datetime64) -> datetime:
    return hour.astype("datetime64[s]").astype(datetime).replace(tzinfo=UTC)
