"""The files of the page: read once from the package, by a list; no name of a client ever becomes a path."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
#: bytes from which a file is packed, and how well: once, at the start
_PACKED, _LEVEL = 1024, 6


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes | None
    kind: str
    etag: str


class Files:
    """The page's files, in memory."""

    def __init__(self) -> None:
        folder = resources.files("pipeline.serve") / "web"
        self._files = {
            one.name: _file(one.read_bytes(), _KINDS[one.name.rpartition(".")[2]])
            for one in folder.iterdir()
            if one.name.rpartition(".")[2] in _KINDS
        }

    def reply(self, request: Request, name: str) -> Response:
        """Return a file.

        Raises
        ------
        HTTPException
            404 when there is none of that name.
        """
        file = self._files.get(name)
        if file is None:
            raise HTTPException(404, "there is no such file")
        headers = {"etag": file.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if file.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, media_type=file.kind, headers={**headers, "content-encoding": "gzip"})
        return Response(file.body, media_type=file.kind, headers=headers)


def _file(body: bytes, kind: str) -> _File:
    packed = gzip.compress(body, _LEVEL, mtime=0) if len(body) >= _PACKED else None
    return _File(body, packed, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
