"""Errors as replies: status, rule, value, remedy; never a path of ours or a traceback."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline.errors import ConfigError, CorruptError, LockedError, SizeError, StoreError, TianyanError
from pipeline.serve.guard import refusal
from pipeline.serve.price import BusyError
from pipeline.serve.shelf import GoneError, Unreadable

_LOG = logging.getLogger(__name__)
#: names that are looked up in what the store has
_LOOKED_UP = ("region", "level", "sector", "station", "version")


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


REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refused, "description": meaning}
    for code, meaning in (
        (400, "a parameter that cannot be used"),
        (401, "a token is needed"),
        (404, "no such region, sector, level, station, version or page"),
        (405, "only GET and HEAD"),
        (410, "maps of a version that is not, or no longer, kept"),
        (413, "more than one request may read; the remedy says how to split it"),
        (414, "a URL of more than 4096 letters"),
        (429, "too many requests, or too many large ones; Retry-After says when"),
        (503, "the version cannot be read"),
    )
}


def add_refusals(app: FastAPI) -> None:
    """Answer every error of a route."""

    @app.exception_handler(TianyanError)
    def ours(_: Request, error: TianyanError) -> Response:
        status = _status(error)
        if status == 503:
            _LOG.error("%s", error)
            return _unreadable("")
        if isinstance(error, StoreError):
            # it names our folders
            _LOG.warning("%s", error)
            told = refusal(404, error.rule, None, "ask for another version: /api/versions lists all", "version")
            return _refused(told, 404)
        return _refused(refusal(status, error.rule, error.got, error.remedy, error.where), status)

    @app.exception_handler(Unreadable)
    def unreadable(_: Request, error: Unreadable) -> Response:
        return _unreadable(error.version)

    @app.exception_handler(GoneError)
    def gone(_: Request, error: GoneError) -> Response:
        return _refused(refusal(410, error.rule, error.got, error.remedy, error.where), 410)

    @app.exception_handler(BusyError)
    def busy(_: Request, error: BusyError) -> Response:
        reply = _refused(refusal(429, str(error), None, "ask again later"), 429)
        reply.headers["retry-after"] = str(error.seconds)
        return reply

    @app.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("query", "path"))
        status = 404 if first["loc"][0] == "path" else 400
        return _refused(refusal(status, first["msg"], first.get("input"), "see /openapi.json", where), status)

    @app.exception_handler(OSError)
    def disk(_: Request, error: OSError) -> Response:
        _LOG.error("%s", error)
        told = refusal(503, "the server's disk must be readable, and have room", None, "ask again later")
        return _refused(told, 503)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:  # noqa: ARG001
        told = refusal(500, "the server must have an answer", None, "ask again; its log says what was wrong")
        return _refused(told, 500)

    @app.exception_handler(HTTPException)
    def other(_: Request, error: HTTPException) -> Response:
        return _refused(refusal(error.status_code, error.detail, None, "see /openapi.json"), error.status_code)


def _status(error: TianyanError) -> int:
    if isinstance(error, SizeError):
        return 413
    if isinstance(error, LockedError | ConfigError | CorruptError):
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
