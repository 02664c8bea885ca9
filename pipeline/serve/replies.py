"""Replies: one version in each, named in its headers, with an ETag that lets a client keep what it has."""

from __future__ import annotations

import gzip
import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline._version import __version__
from pipeline.serve.shelf import Told

#: bytes from which text is packed, and how well
_PACKED, _LEVEL = 2048, 4
_KINDS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "nc": "application/netcdf",
    "tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    "png": "image/png",
}
#: what bodies are, for the description of the routes
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
FILES = {_KINDS[kind]: BINARY for kind in ("csv", "parquet", "nc", "tif")}
#: the libraries that write files keep state of their own: one file at a time
_WRITING = threading.Lock()


def has_it(request: Request, told: Told) -> bool:
    """Return whether the client has this version's answer to the same question already."""
    known = request.headers.get("if-none-match", "")
    return _etag(told) in [one.strip().removeprefix("W/") for one in known.split(",")]


def unchanged(told: Told) -> Response:
    """Return the reply to who has it already."""
    return Response(status_code=304, headers=_headers(told))


def json_reply(request: Request, told: Told, answer: Any) -> Response:
    """Return an answer as JSON."""
    body = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    headers = {**_headers(told), "vary": "accept-encoding"}
    if len(body) >= _PACKED and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, media_type=_KINDS["json"], headers=headers)


def bytes_reply(told: Told, body: bytes, kind: str, name: str = "") -> Response:
    """Return bytes; as a file to be kept under a name when one is given."""
    headers = _headers(told)
    if name:
        headers["content-disposition"] = f'attachment; filename="{name}.{kind}"'
    return Response(body, media_type=_KINDS.get(kind, "application/octet-stream"), headers=headers)


def written(write: Callable[[Path], Any], kind: str) -> bytes:
    """Return what a writer of files writes.

    Parameters
    ----------
    write
        Takes a path of ours.
    kind
        Ending of the file.
    """
    with _WRITING, tempfile.TemporaryDirectory(prefix="tianyan-") as folder:
        path = Path(folder) / f"answer.{kind}"
        write(path)
        return path.read_bytes()


def _etag(told: Told) -> str:
    # another version of the code may tell the same numbers in other words; that they stand in for others is told too
    instead = f":for-{told.newest}" if told.newest else ""
    return f'"{told.id}:{__version__}{instead}"'


def _headers(told: Told) -> dict[str, str]:
    lasting = "private, max-age=31536000, immutable" if told.pinned else "no-cache"
    headers = {"etag": _etag(told), "cache-control": lasting, "x-tianyan-version": told.id}
    if told.newest:
        headers["x-tianyan-fallback"] = f"{told.newest} cannot be read"
    return headers
