"""The server: connections, the queue before the disk, and answers after it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, time
from typing import ParamSpec, TypeVar

from pipeline.errors import ConfigError, InputError
from pipeline.listener.access import Network, admits
from pipeline.listener.counters import Counters, Log, write_told
from pipeline.listener.frames import Frame, Framer, answer, head
from pipeline.listener.limits import Bucket, Limits
from pipeline.listener.spool import Spool, record

_READ = 4096
#: bytes of answers a sender may leave unread, here and in the kernel
_UNREAD = 1 << 16
#: bytes of rejected records that wait for the disk
_REJECTED_WAITING = 1 << 20
#: seconds: a sender that has closed its side still gets its answers; a connection that never sent a message is safe
#: from being closed for a new one; all messages are on disk after a signal, or the process ends without
_LINGER, _FRESH, _LAST = 10.0, 5.0, 2.0
_LINGER_LOOK = 0.05
#: seconds between two looks at the clock, and between two writings of the counters
_LOOK, _TELL = 1.0, 5.0
#: file descriptors for anything but connections
_OTHER_FILES = 40
STATUS = "listener.json"

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(eq=False)
class _Connection:
    """One sender; `owed` are its messages that are not yet on disk, `last` when it sent a whole one, 0 for never."""

    peer: str
    writer: asyncio.StreamWriter
    bucket: Bucket
    begun: float
    last: float = 0.0
    owed: int = 0


@dataclass(frozen=True)
class _Waiting:
    """A message on its way to the disk, and what its sender is told then."""

    raw: bytes
    station: bytes
    answer: bytes | None
    sender: _Connection


@dataclass
class Listener:
    """Takes messages of any number of senders and stores them; tells a sender that asked when one is durable.

    Parameters
    ----------
    spool
        Where they go.
    limits
        What senders may ask for.
    allowed
        Networks that may connect, None for any.
    """

    spool: Spool
    limits: Limits = field(default_factory=Limits)
    allowed: tuple[Network, ...] | None = None
    counters: Counters = field(default_factory=Counters)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self._all = Bucket(self.limits.total_rate)
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        #: those there are when it is stopped
        self._parting: dict[asyncio.Task[None], _Connection] = {}
        self._queue: list[_Waiting] = []
        self._size = 0
        self._rejects: list[str] = []
        self._rejects_size = 0
        self._at_once = sys.maxsize
        self._told_at = 0.0
        # one thread: the spool's calls keep their order, and the loop never waits for the disk
        self._disk = ThreadPoolExecutor(1, "disk")

    async def run(self, bind: str, port: int, ready: Callable[[int], None] | None = None) -> int:
        """Listen until a signal; return the messages that were taken but could not be stored.

        Raises
        ------
        InputError
            When the address cannot be listened on.
        """
        self._arrived, self._full, self._stop, self._room = (asyncio.Event() for _ in range(4))
        self._room.set()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, about: self.log("fault", str(about.get("exception") or about["message"])))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            server = await asyncio.start_server(self._connected, bind, port, limit=_READ, backlog=256)
        except OSError as error:
            raise InputError(
                "the address must be free to listen on", got=f"{bind} port {port}",
                remedy=f"stop what uses it, or give another --port ({error.strerror})", where="listener",
            ) from error  # fmt: skip
        at = server.sockets[0].getsockname()[1]
        self.log("listening", f"on {bind} port {at}", always=True)
        if ready is not None:
            ready(at)
        writing = loop.create_task(self._keep_writing())
        # what would store nothing is not to take anything: its end, by whatever fault, is the end
        writing.add_done_callback(lambda _: self.stop())
        await self._stop.wait()
        server.close()
        # a disk that hangs must not keep a process from ending
        hung = loop.call_later(3 * _LAST, os._exit, 1)
        for task in self._parting:
            task.cancel()
        await asyncio.wait([writing])
        await asyncio.gather(*(_part(sender.writer, 1.0) for sender in self._parting.values()))
        await asyncio.wait([*self._parting, loop.create_task(asyncio.sleep(0.0))])
        hung.cancel()
        writing.result()
        left = len(self._queue)
        self.log("stopped", f"{self.counters.messages} messages stored, {left} not", always=True)
        return left

    def stop(self) -> None:
        """Take no more, store what was taken, end."""
        self._parting |= self._connections
        self._stop.set()
        self._wake()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        name = writer.get_extra_info("peername")
        peer = f"{name[0]}:{name[1]}" if name else "gone"
        refusal = self._refusal(name[0]) if name else "gone"
        if refusal:
            self.counters.refused[refusal] += 1
            self.log("refused", f"{peer}, {refusal}")
            writer.transport.abort()
            return
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        sender = _Connection(peer, writer, Bucket(self.limits.rate), monotonic())
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = sender
        self._count_connections()
        framer, why = Framer(self.limits.longest), "stop"
        try:
            why = await self._serve(reader, sender, framer)
        except OSError:
            why = "lost"
        except asyncio.CancelledError:
            why = "stop" if self._stop.is_set() else "room made for another"
        finally:
            for frame in framer.end():
                self._take(frame, sender)
            self.counters.closed[why] += 1
            # after a signal the answers are still to be given: `run` parts then
            if not self._stop.is_set():
                await _part(writer, _LINGER)
            del self._connections[task]
            self._count_connections()

    def _refusal(self, address: str) -> str:
        """Return why a connection is not served, in words; empty when it is."""
        if not admits(self.allowed, address):
            return "not of an allowed network"
        if len(self._connections) < self.limits.connections:
            return ""
        # one that never sent a message gives way: nobody can keep stations out by connecting alone
        now = monotonic()
        silent = [(c.begun, task) for task, c in self._connections.items() if not c.last and now - c.begun > _FRESH]
        if not silent:
            return "too many connections"
        task = min(silent, key=lambda one: one[0])[1]
        task.cancel()
        self._connections[task].last = now
        return ""

    def _count_connections(self) -> None:
        self.counters.connections = len(self._connections)
        self.counters.most_connections = max(self.counters.most_connections, len(self._connections))

    async def _serve(self, reader: asyncio.StreamReader, sender: _Connection, framer: Framer) -> str:
        """Take what a sender sends; return why that ended."""
        silent = begun = monotonic()
        while True:
            if not self._room.is_set():
                await self._room.wait()
                silent = begun = monotonic()
            end = silent + self.limits.idle
            if framer.begun:
                end = min(end, begun + self.limits.patience)
            try:
                async with asyncio.timeout_at(end):
                    piece = await reader.read(_READ)
            except TimeoutError:
                return "slow" if framer.begun else "idle"
            if not piece:
                return await self._linger(sender)
            had_begun, whole = framer.begun, False
            for frame in framer.feed(piece):
                self._take(frame, sender)
                whole = whole or not frame.reason
            wait = max(sender.bucket.take(len(piece)), self._all.take(len(piece)))
            if wait:
                self.counters.throttled += 1
                await asyncio.sleep(wait)
            now = monotonic()
            if whole:
                silent = sender.last = now
            if whole or not had_begun:
                begun = now

    async def _linger(self, sender: _Connection) -> str:
        """Wait until a sender that has closed its side has its answers."""
        end = monotonic() + _LINGER
        while sender.owed and monotonic() < end:
            await asyncio.sleep(_LINGER_LOOK)
        return "by sender"

    def _take(self, frame: Frame, sender: _Connection) -> None:
        """Queue a message for the disk, or what is none for the rejected ones."""
        if frame.reason:
            self.counters.rejected[frame.reason] += 1
            self.log("rejected", f"{sender.peer}, {frame.reason}, {len(frame.raw)} bytes")
            if self._rejects_size > _REJECTED_WAITING:
                self.counters.not_kept += 1
                return
            self._rejects.append(record(time(), sender.peer, frame.reason, frame.raw))
            self._rejects_size += len(self._rejects[-1])
        else:
            station = head(frame.data).get(b"MN", b"")
            self._queue.append(_Waiting(frame.raw, station, answer(frame.data), sender))
            sender.owed += 1
            self._size += len(frame.raw)
            self.counters.waiting = len(self._queue)
            if len(self._queue) >= self.limits.gather:
                self._full.set()
            if self._size > self.limits.waiting:
                self._room.clear()
        self._arrived.set()

    async def _keep_writing(self) -> None:
        """Store what arrives, finish files in time, tell the counters; until stopped and nothing waits."""
        end = None
        while True:
            await _within(_LOOK, self._arrived)
            if self._queue:
                await _within(self.limits.hold, self._full)
            await self._store()
            await self._keep_house()
            if self._stop.is_set():
                end = end or monotonic() + _LAST
                if not (self._queue or self._connections) or monotonic() > end:
                    break
                self._wake()
                await asyncio.sleep(_LINGER_LOOK)
        await self._finish()

    def _wake(self) -> None:
        self._arrived.set()
        self._full.set()

    async def _store(self) -> None:
        """Put what waits on disk, then answer; what cannot be put there waits on."""
        if batch := self._queue[: self._at_once]:
            try:
                await self._on_disk(self.spool.append, [message.raw for message in batch])
            except OSError as error:
                self.counters.failed(error)
                self.log("disk", f"{len(self._queue)} messages wait, none is acknowledged: {error}")
                # a smaller part may still fit
                self._at_once = max(1, len(batch) // 2)
                if len(batch) > 1:
                    self._wake()
            else:
                del self._queue[: len(batch)]
                self._at_once = sys.maxsize if len(batch) < self._at_once else 2 * self._at_once
                self._answer(batch)
                if self._queue:
                    self._wake()

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Tell senders what is durable."""
        for message in batch:
            sender, gone = message.sender, message.sender.writer.is_closing()
            sender.owed -= 1
            self._size -= len(message.raw)
            answered = message.answer is not None and not gone
            self.counters.stored(message.station, len(message.raw), answered=answered)
            if message.answer is not None and not gone:
                sender.writer.write(message.answer)
                if sender.writer.transport.get_write_buffer_size() > _UNREAD:
                    self.counters.refused["answers left unread"] += 1
                    sender.writer.transport.abort()
        self.counters.waiting = len(self._queue)
        if self._size <= self.limits.waiting:
            self._room.set()

    async def _keep_house(self) -> None:
        """Store rejected records, finish a file that is due, tell the counters."""
        if self._rejects:
            records, self._rejects, self._rejects_size = self._rejects, [], 0
            try:
                self.counters.not_kept += await self._on_disk(self.spool.reject, records)
            except OSError as error:
                self.counters.not_kept += len(records)
                self.log("rejected", f"{len(records)} records not kept: {error}")
        if self.spool.due():
            try:
                await self._on_disk(self.spool.finish)
            except OSError as error:
                self.log("disk", f"a file could not be finished: {error}")
        if monotonic() - self._told_at > _TELL:
            self._told_at = monotonic()
            await self._tell()

    async def _finish(self) -> None:
        """Finish the last file and tell the counters a last time."""
        try:
            await self._on_disk(self.spool.close)
        except OSError as error:
            self.log("disk", f"the last file could not be finished: {error}", always=True)
        await self._tell()
        self._disk.shutdown(wait=False)

    async def _tell(self) -> None:
        self.counters.files = self.spool.finished
        try:
            await self._on_disk(write_told, self.spool.folder / STATUS, self.counters.told())
        except OSError as error:
            self.log("disk", f"{STATUS} could not be written: {error}")

    async def _on_disk(self, work: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._disk, partial(work, *given, **named))


async def _part(writer: asyncio.StreamWriter, seconds: float) -> None:
    """Close a connection; what the other side has not read some seconds later is thrown away."""
    writer.close()
    with suppress(OSError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(seconds):
            await writer.wait_closed()
    writer.transport.abort()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait until an event, no longer than some seconds; it is to come again then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()


def listen(spool: Spool, bind: str, port: int, limits: Limits, allowed: tuple[Network, ...] | None = None) -> int:
    """Put the folder in order and listen until a signal; return the messages that could not be stored.

    Raises
    ------
    ConfigError
        When this process may not have as many connections.
    InputError
        When the address cannot be listened on.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and limits.connections > most - _OTHER_FILES:
        raise ConfigError(
            "a process needs a file descriptor for each connection", got=limits.connections,
            remedy=f"raise the limit of {most} (ulimit -n), or allow fewer", where="--connections",
        )  # fmt: skip
    listener = Listener(spool, limits, allowed)
    for line in spool.recover():
        listener.log("recovered", line, always=True)
    return asyncio.run(listener.run(bind, port))
