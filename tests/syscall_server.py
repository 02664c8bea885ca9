"""Imports modules once, then forks a tracer and a payload for each request; started by `syscall_faults.Harness`.

A process of its own with one thread: what is forked from it starts from a known state, and the tracer may wait for any
of its children.
"""

import ctypes
import functools
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from syscall_table import Folder, install_filter
from syscall_tracer import Tracer

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send a message."""
    text = json.dumps(message).encode()
    connection.sendall(struct.pack("<Q", len(text)) + text)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Return the next message; None when the other side has closed."""
    with connection.makefile("rb", buffering=0) as stream:
        head = stream.read(8)
        if not head:
            return None
        (left,), text = struct.unpack("<Q", head), b""
        while len(text) < left:
            more = stream.read(left - len(text))
            if not more:
                return None
            text += more
    return json.loads(text)


def serve(control: socket.socket) -> None:
    """Answer requests until the other side closes."""
    gc.collect()
    gc.freeze()  # the children share these pages
    # a shell's background jobs ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while True:
        _, handles, _, _ = socket.recv_fds(control, 1, 1)
        if not handles:
            return
        with socket.socket(fileno=handles[0]) as connection:
            if os.fork() == 0:
                control.close()
                _trace(connection)
        _reap()


def _reap() -> None:
    """Take note of tracers that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _trace(connection: socket.socket) -> None:
    """Run one request in this process, and end it."""
    code = 1
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # orphans of the tree are waited for here
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        request = receive(connection)
        if request is not None:
            send(connection, {"kind": "ended", **_outcome(connection, request)})
        code = 0
    except BaseException:
        send(connection, {"kind": "broken", "error": traceback.format_exc()})
    finally:
        os._exit(code)


def _outcome(connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    output, told = os.memfd_create("output"), os.memfd_create("told")
    gate, opener = os.pipe()
    begun = time.perf_counter()
    root = os.fork()
    if root == 0:
        os.close(opener)
        _payload(request, gate, output, told, connection)
    late = []

    def on_alarm(*_: object) -> None:
        late.append(True)
        tracer.kill()

    def stopped(threads: list[int]) -> dict[str, Any] | None:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        send(connection, {"kind": "stopped", "threads": threads, "calls": [asdict(call) for call in tracer.calls]})
        plan = receive(connection)
        signal.setitimer(signal.ITIMER_REAL, max(left, 1e-3))
        return plan

    os.close(gate)
    try:
        tracer = Tracer(root, Folder(request["folder"]), request["plan"], data=request["data"], stopped=stopped)
    except BaseException:
        os.kill(root, signal.SIGKILL)
        raise
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, request["timeout"])
    os.write(opener, b"g")
    try:
        tracer.follow()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    text = _content(told)
    return {
        "calls": [asdict(call) for call in tracer.calls],
        "status": tracer.status,
        "killed": tracer.killed,
        "timed_out": bool(late),
        "seconds": time.perf_counter() - begun,
        "output": _content(output).decode(errors="replace"),
        **{"value": None, "error": None, "imported": []},
        **(json.loads(text) if text else {}),
    }


def _content(handle: int) -> bytes:
    return os.pread(handle, os.fstat(handle).st_size, 0)


def _payload(request: dict[str, Any], gate: int, output: int, told: int, connection: socket.socket) -> None:
    """Wait to be followed, do what is asked, tell how it went, and end this process."""
    code, first = 1, os.getpid()
    try:
        connection.close()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for stream, handle in enumerate((nothing, output, output)):
            os.dup2(handle, stream)
        os.environ.update(request["env"])
        if request["cwd"] is not None:
            os.chdir(request["cwd"])
        os.read(gate, 1)
        install_filter()
        if isinstance(request["call"], list):
            os.execvp(request["call"][0], request["call"])
        known = set(sys.modules)
        value = _named(request["call"])(**request["args"])
        if os.getpid() == first:
            _tell(told, {"value": value, "error": None, "imported": sorted(set(sys.modules) - known)})
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        if os.getpid() == first:
            _tell(told, {"value": None, "error": traceback.format_exc()})
        else:  # a fork of the payload's own that got here
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _named(call: str) -> Any:
    module, _, path = call.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


def _tell(told: int, message: dict[str, Any]) -> None:
    os.write(told, json.dumps(message, default=str).encode())


def _threads() -> list[str]:
    """Return the names of this process's threads besides the first."""
    tasks = sorted(Path("/proc/self/task").iterdir(), key=lambda task: int(task.name))
    return [(task / "comm").read_text().strip() for task in tasks[1:]]


def main() -> None:
    """Import what is asked for, say so, and serve."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        request = receive(control)
        if request is None:
            return
        try:
            sys.path[:0] = request["path"]
            for name in request["imports"]:
                importlib.import_module(name)
            threads = _threads()
            for call, args in request["warm"]:
                _named(call)(**args)
        except BaseException:
            send(control, {"error": traceback.format_exc(), "threads": []})
            return
        send(control, {"error": None, "threads": _threads(), "left": len(_threads()) - len(threads)})
        serve(control)


if __name__ == "__main__":
    main()
