"""Faults at the k-th system call: run a payload, and kill, stop or fail it where it changes the files of a folder.

    with Harness(imports=["pipeline.service"]) as harness:
        plain = harness.run("payloads:publish", {"folder": str(folder)}, folder=folder)
        for k in every(plain.count, most=40):
            reset(folder)
            outcome = harness.run("payloads:publish", {"folder": str(folder)}, folder=folder, at=k, do=Kill())
            assert outcome.killed
            ...  # what the next start finds

A payload is a function, named "module:function", with arguments that JSON can carry, or a command, a list of texts. It
runs in a process forked from a server that has imported the modules, and is followed by ptrace with all its threads
and children. Counted are the calls of `syscall_table.CALLS` on files under the folder. Not seen: stores into mapped
memory, and changes of modes, owners, times and extended attributes. io_uring and reflinks are refused to the payload.
"""

import contextlib
import os
import platform
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from syscall_server import receive, send
from syscall_table import Call

_TESTS = Path(__file__).resolve().parent
_START_SECONDS = 120.0
#: what a run takes besides its payload's time: to end, to answer
_SPARE_SECONDS = 30.0

Payload = str | Sequence[str] | Callable[..., object]


@dataclass(frozen=True)
class Kill:
    """SIGKILL every process before the call executes, or when it has."""

    after: bool = False


@dataclass(frozen=True)
class Fail:
    """Let the call not execute but fail, and all after it too when `onwards`."""

    errno: int
    onwards: bool = False


@dataclass(frozen=True)
class Short:
    """Let `write` or `pwrite64` write half of what it is asked to, as on a disk that fills up."""


@dataclass(frozen=True)
class Stop:
    """Halt every thread before the call executes; for `Harness.stopped`."""


@dataclass(frozen=True)
class Send:
    """Send the payload's first process a signal, and let the call execute."""

    signal: signal.Signals


Action = Kill | Fail | Short | Stop | Send


@dataclass(frozen=True)
class Only:
    """Calls that `at` counts: of these names (all when empty), on a path, relative to the folder, that fits."""

    names: Collection[str] = ()
    path: str = "*"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    calls
        All that were counted, in order, whether executed or not.
    status
        Exit status of the first process, or minus the signal that ended it.
    killed, timed_out
        By the plan; because the payload took too long.
    value, error, output
        What the function returned; its traceback; what was printed.
    imported
        Modules the function imported, which the harness might have before: often most of the time.
    seconds
        From the fork to the end of the last process.
    """

    calls: list[Call]
    status: int | None
    killed: bool
    timed_out: bool
    value: Any
    error: str | None
    output: str
    imported: list[str]
    seconds: float

    @property
    def count(self) -> int:
        return len(self.calls)


class Stopped:
    """A tree of processes that stands still."""

    def __init__(self, connection: socket.socket, threads: list[int], calls: list[Call]) -> None:
        self._connection = connection
        self.threads = threads
        self.calls = calls

    def go_on(self, *, at: int | None = None, only: Only | None = None, do: Action | None = None) -> Outcome:
        """Let it run to its end, with another plan if need be; `at` counts from the start."""
        assert not isinstance(do, Stop), "one stop in a run"
        send(self._connection, _plan(at, only, do))
        return _outcome(self._connection)

    def kill(self) -> Outcome:
        """Kill it where it stands."""
        self._connection.shutdown(socket.SHUT_WR)
        return _outcome(self._connection)


class Harness:
    """A server that forks payloads; skips the test where the system permits no tracing.

    Parameters
    ----------
    imports
        Modules to import once.
    path
        Folders for `sys.path`, besides those of the tests and the sources.
    warm
        Pairs (payload, arguments) to call once in the server: what numba compiles there, payloads need not. It must
        leave no thread behind.
    env
        Environment of the server, added to this one's.
    """

    def __init__(
        self,
        imports: Collection[str] = (),
        *,
        path: Collection[Path | str] = (),
        warm: Collection[tuple[Payload, Mapping[str, Any]]] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            pytest.skip(f"system calls are traced on Linux x86_64, not on {sys.platform} {platform.machine()}")
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "syscall_server", str(theirs.fileno())],
                env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(_TESTS), **(env or {})},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        try:
            self._control.settimeout(_START_SECONDS)
            folders = [str(folder) for folder in (*path, _TESTS, _TESTS.parent)]
            calls = [(_name(call), dict(args)) for call, args in warm]
            send(self._control, {"path": folders, "imports": list(imports), "warm": calls})
            ready = receive(self._control)
            assert ready is not None, "the server ended while it imported"
            assert ready["error"] is None, ready["error"]
            #: threads that the server has besides its first, by name: a fork does not have them
            self.threads: list[str] = ready["threads"]
            assert not ready["left"], f"{warm} left threads behind: {self.threads}"
            self._permitted()
        except BaseException:
            self.close()
            raise

    def _permitted(self) -> None:
        try:
            outcome = self.run("os:getpid", folder=_TESTS, timeout=30)
        except PermissionError as error:
            pytest.skip(f"the system permits no tracing: {str(error).strip().splitlines()[-1]}")
        if outcome.error is not None and "PR_SET_SECCOMP" in outcome.error:
            pytest.skip(f"the system permits no filter of system calls: {outcome.error.splitlines()[-1]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server, and whatever runs of it."""
        self._control.close()
        self._process.wait()

    def run(
        self,
        call: Payload,
        args: Mapping[str, Any] | None = None,
        *,
        folder: Path | str,
        at: int | None = None,
        only: Only | None = None,
        do: Action | None = None,
        data: bool = False,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
    ) -> Outcome:
        """Run a payload to its end, that of its last process.

        Parameters
        ----------
        folder
            Where calls count.
        at, only
            The call at which something is done: the `at`-th, from 1, of those that `only` lets through.
        do
            What is done; None to count.
        data
            Whether to keep what is written, for `crash_states`.
        timeout
            Seconds after which all is killed.
        """
        assert not isinstance(do, Stop), "Harness.stopped stops"
        with self._begun(call, args, folder, _plan(at, only, do), data, timeout, env, cwd) as connection:
            return _outcome(connection)

    @contextlib.contextmanager
    def stopped(
        self,
        call: Payload,
        args: Mapping[str, Any] | None = None,
        *,
        folder: Path | str,
        at: int,
        only: Only | None = None,
        data: bool = False,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
    ) -> Iterator[Stopped]:
        """Run a payload up to its `at`-th call, and hand it over halted; what is not let go on is killed."""
        with self._begun(call, args, folder, _plan(at, only, Stop()), data, timeout, env, cwd) as connection:
            answer = _answer(connection)
            assert answer["kind"] == "stopped", f"ended before call {at}: {_told(answer)}"
            yield Stopped(connection, answer["threads"], [Call(**call) for call in answer["calls"]])

    @contextlib.contextmanager
    def _begun(
        self,
        call: Payload,
        args: Mapping[str, Any] | None,
        folder: Path | str,
        plan: dict[str, Any],
        data: bool,
        timeout: float,
        env: Mapping[str, str] | None,
        cwd: Path | str | None,
    ) -> Iterator[socket.socket]:
        """Send a request; the run that is left is killed, and waited for."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._control, [b"r"], [theirs.fileno()])
            ours.settimeout(timeout + _SPARE_SECONDS)
            request = {"call": _name(call), "args": dict(args or {}), "folder": str(folder), "plan": plan}
            place = {"env": dict(env or {}), "cwd": None if cwd is None else str(cwd)}
            send(ours, {**request, **place, "data": data, "timeout": timeout})
            try:
                yield ours
            except KeyboardInterrupt:
                self.close()
                raise
            finally:
                with contextlib.suppress(OSError):
                    ours.shutdown(socket.SHUT_WR)
                    while ours.recv(1 << 16):
                        pass


def every(count: int, most: int, seed: int = 0) -> list[int]:
    """Return the calls to try: all of 1..count, or `most` of them, spread evenly, the first and the last among them.

    Another seed takes others in between.
    """
    if count <= most:
        return list(range(1, count + 1))
    inner = max(most - 2, 0)
    phase = random.Random(seed).random()
    between = [2 + int((place + phase) * (count - 2) / inner) for place in range(inner)]
    return [1, *between, count][:most]


def _name(call: Payload) -> str | list[str]:
    if isinstance(call, str):
        return call
    return f"{call.__module__}:{call.__qualname__}" if callable(call) else [str(word) for word in call]


def _plan(at: int | None, only: Only | None, do: Action | None) -> dict[str, Any]:
    assert (at is None) == (do is None), "what is done, and where, go together"
    return {
        "at": at,
        "only": None if only is None else {"names": list(only.names), "path": only.path},
        "do": None if do is None else {"kind": type(do).__name__.lower(), **asdict(do)},
    }


def _answer(connection: socket.socket) -> dict[str, Any]:
    answer = receive(connection)
    assert answer is not None, "the tracer was ended"
    if answer["kind"] == "broken":
        kind = PermissionError if "PermissionError" in answer["error"] else RuntimeError
        raise kind(answer["error"])
    return answer


def _outcome(connection: socket.socket) -> Outcome:
    return _told(_answer(connection))


def _told(answer: dict[str, Any]) -> Outcome:
    told = {name: value for name, value in answer.items() if name not in {"kind", "calls"}}
    return Outcome(calls=[Call(**call) for call in answer["calls"]], **told)
