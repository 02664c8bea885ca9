"""Who may ask and how: method, length, host, token, rate; and what every reply says of itself. Pure ASGI.

OWASP API Security Top 10 (2023). Everything here is decided before a route sees the request.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.serve.price import BusyError, Gate

#: letters of a URL, its parameters, and bytes of all headers
MOST_URL, MOST_PARAMETERS, MOST_HEADERS = 4096, 40, 16384
#: requests of one client, and of all, being answered at once; more are told to come again
_IN_FLIGHT, _OF_ALL = 64, 256
#: requests of one client that are worked on at once, of the threads that answer: the others wait, so that one client's
#: slow ones leave threads to the rest
_TURNS = 6
_LOG = logging.getLogger("pipeline.serve")
#: of every reply. 'wasm-unsafe-eval' is for decoders of Zarr's codecs; no script and no style is ever inline
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self'; "
        "script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    ),
}


@dataclass(frozen=True)
class _Refusal:
    """Status, rule, value, remedy and headers of a request that is refused."""

    status: int
    rule: str
    got: object
    remedy: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Client:
    """A client with requests that are being answered: their number, and turns to be worked on."""

    turns: asyncio.Semaphore
    requests: int = 0


class Guard:
    """ASGI middleware around the routes.

    Parameters
    ----------
    app
        That answers.
    gate
        Counts requests.
    hosts
        Names the server goes by, without port: others are refused (DNS rebinding).
    token
        That must come as `Authorization: Bearer`, or as the password of Basic; None asks for none.
    """

    def __init__(self, app: ASGIApp, gate: Gate, hosts: Sequence[str], token: str | None = None) -> None:
        self.app, self.gate, self.token = app, gate, token
        self.hosts = {host.lower() for host in hosts}
        self._clients: dict[str, _Client] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = self._refusal(scope)
        head = scope["method"] == "HEAD"
        turn = ExitStack()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                # a reply is whole before it is sent: who takes it slowly holds no turn
                turn.close()
                message = {**message, "headers": [*message.get("headers", []), *_encoded(_HEADERS)]}
            elif head:
                message = {**message, "body": b""}
            await send(message)

        if refused is not None:
            await _reply(sent, refused)
            return
        with self._counted(_client(scope)) as client, turn:
            await client.turns.acquire()
            turn.callback(client.turns.release)
            try:
                await self.app({**scope, "method": "GET"}, receive, sent)
            except Exception:
                # the client was told 500; the traceback is ours to read
                _LOG.exception("no answer to %r", scope["path"])

    @contextmanager
    def _counted(self, name: str) -> Iterator[_Client]:
        """Count a request of a client while it is being answered; who has none is forgotten."""
        client = self._clients.setdefault(name, _Client(asyncio.Semaphore(_TURNS)))
        client.requests += 1
        try:
            yield client
        finally:
            client.requests -= 1
            if not client.requests:
                del self._clients[name]

    def _refusal(self, scope: Scope) -> _Refusal | None:
        """Return why the request is refused; None when it is not."""
        return _of_shape(scope) or self._of_host(scope) or self._of_token(scope) or self._of_rate(scope)

    def _of_host(self, scope: Scope) -> _Refusal | None:
        host = _header(scope, b"host").decode("latin-1").lower()
        if bare(host) in self.hosts:
            return None
        return _Refusal(400, "the host must be one this server goes by", host, "start it with --allow-host NAME")

    def _of_token(self, scope: Scope) -> _Refusal | None:
        if self.token is None or self._may(_header(scope, b"authorization")):
            return None
        remedy = "send it as `Authorization: Bearer TOKEN`, or as the password of Basic"
        asked = {"www-authenticate": 'Basic realm="tianyan", charset="UTF-8"'}
        return _Refusal(401, "a token is needed", None, remedy, asked)

    def _of_rate(self, scope: Scope) -> _Refusal | None:
        try:
            self.gate.count(_client(scope))
        except BusyError as error:
            return _Refusal(429, str(error), None, "ask again later", {"retry-after": str(error.seconds)})
        mine = self._clients.get(_client(scope))
        if (mine and mine.requests >= _IN_FLIGHT) or sum(one.requests for one in self._clients.values()) >= _OF_ALL:
            rule = f"{_IN_FLIGHT} requests of a client are answered at once, {_OF_ALL} of all"
            return _Refusal(429, rule, None, "ask again later", {"retry-after": "1"})
        return None

    def _may(self, authorization: bytes) -> bool:
        """Return whether a request brings the token."""
        kind, _, told = authorization.partition(b" ")
        if kind.lower() == b"basic":
            try:
                told = base64.b64decode(told, validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
        elif kind.lower() != b"bearer":
            return False
        assert self.token is not None
        return hmac.compare_digest(told, self.token.encode())


def refusal(status: int, rule: str, got: object, remedy: str, where: str = "", **more: object) -> bytes:
    """Return the body of a refusal: JSON of status, rule, value and remedy."""
    shown = None if got is None else str(got)[:200]
    told = {"status": status, "error": {"rule": rule, "got": shown, "remedy": remedy, "where": where}, **more}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _of_shape(scope: Scope) -> _Refusal | None:
    """Refuse what is no question: another method, a body, a URL or headers too long, a zero byte."""
    path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    length, parameters = len(path) + len(query), query.count(b"&") + 1
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    body = _header(scope, b"content-length") not in (b"", b"0") or _header(scope, b"transfer-encoding") != b""
    zero = b"\x00" in unquote_to_bytes(path) or b"\x00" in unquote_to_bytes(query)
    method = scope["method"]
    broken = [
        (method not in ("GET", "HEAD"), _Refusal(405, "requests read", method, "use GET", {"allow": "GET, HEAD"})),
        (length > MOST_URL, _Refusal(414, f"a URL may have {MOST_URL} letters", length, "simplify the polygon")),
        (
            parameters > MOST_PARAMETERS,
            _Refusal(400, f"a request may have {MOST_PARAMETERS} parameters", parameters, "leave some out"),
        ),
        (headers > MOST_HEADERS, _Refusal(431, f"headers may have {MOST_HEADERS} bytes", headers, "send fewer")),
        (body, _Refusal(413, "a request that reads has no body", None, "leave the body out")),
        (zero, _Refusal(400, "a URL must be text", None, "leave the zero byte out")),
    ]
    return next((refused for is_broken, refused in broken if is_broken), None)


def _client(scope: Scope) -> str:
    """Return the address of who asks."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")


async def _reply(send: Send, refused: _Refusal) -> None:
    body = refusal(refused.status, refused.rule, refused.got, refused.remedy)
    told = {"content-type": "application/json", "content-length": str(len(body)), "cache-control": "no-store"}
    headers = _encoded({**told, **refused.headers})
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def bare(host: str) -> str:
    """Return a host without its port.

    Examples
    --------
    >>> bare("localhost:8765"), bare("[::1]:8765"), bare("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
