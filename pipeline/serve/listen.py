"""Sockets and times: who is slow to ask, or slow to take the answer, is let go."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.serve.guard import refusal

#: seconds a client may take to send a request, to take the answer once it has begun to be made, and to ask again
ASKING, TAKING, BETWEEN = 10.0, 120.0, 5
#: connections at once; more are closed as they come
_MOST = 1000


def _closing(status: int, rule: str, remedy: str) -> bytes:
    """Return a refusal that ends its connection."""
    body = refusal(status, rule, None, remedy)
    phrase = HTTPStatus(status).phrase.encode()
    head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, phrase, len(body)) + body


_BUSY = _closing(429, "the server has as many connections as it takes", "ask again later")
_SLOW = _closing(408, f"a request must come within {ASKING:g} s", "send it at once")
_WRONG = _closing(400, "a request must be HTTP/1.1, its URL in ASCII", "escape other letters (%E6%9D%AD)")


class _Timed(H11Protocol):
    """uvicorn's protocol with clocks that it lacks: slow senders (slowloris) and slow takers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._clock: asyncio.TimerHandle | None = None
        self._asked: Any = None
        super().connection_made(transport)
        # an answer is written whole: it is taken when nothing of it is left here
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > _MOST:
            transport.write(_BUSY)
            transport.close()
            return
        self._set(ASKING, self._too_slow_to_ask)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._clock is None:
            self._set(ASKING, self._too_slow_to_ask)
        super().data_received(data)
        self._answering()

    def on_response_complete(self) -> None:
        if not self.transport.get_write_buffer_size():
            self._stop()
        super().on_response_complete()
        # the next request may have come already
        self._answering()

    def resume_writing(self) -> None:
        super().resume_writing()
        # all is taken; part of the next request may have come meanwhile
        if self._is_idle():
            self._set(ASKING, self._too_slow_to_ask)

    def timeout_keep_alive_handler(self) -> None:
        # a request that came with the one before is being answered
        if self._is_idle():
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self.transport.write(_WRONG)
        self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _answering(self) -> None:
        """Start the clock of a request that has come."""
        if not self._is_idle() and self.cycle is not self._asked:
            self._asked = self.cycle
            self._set(TAKING, self.transport.abort)

    def _too_slow_to_ask(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_SLOW)
            self.transport.close()

    def _set(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop()
        self._clock = self.loop.call_later(seconds, then)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def serve(app: ASGIApp, host: str, port: int, tell: Callable[[str], None]) -> None:
    """Answer until stopped (SIGINT, SIGTERM): questions that run are finished.

    Parameters
    ----------
    app
        With its guard.
    host, port
        To bind; port 0 is any that is free.
    tell
        Takes the address, once it is bound.

    Raises
    ------
    OSError
        When the address cannot be bound.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MOST if hard == resource.RLIM_INFINITY else min(2 * _MOST, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=1024) as bound:
        name = f"[{host}]" if family == socket.AF_INET6 else host
        tell(f"http://{name}:{bound.getsockname()[1]}")
        config = uvicorn.Config(
            app,
            http=_Timed,
            ws="none",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=BETWEEN,
            timeout_graceful_shutdown=30,
            server_header=False,
            h11_max_incomplete_event_size=32768,
            proxy_headers=False,
        )
        uvicorn.Server(config).run(sockets=[bound])
