"""The process in which foreign binary files are read: it forks a child for every file, and the child may do little.

Run by `pipeline.ingest.sandbox` as `python -m pipeline.ingest.sandbox_child SOCKET MODULE`; MODULE holds READERS, the
readers that may be asked for, by name. Imports are done once, before the first file, with one thread running, so a
child costs a fork. This process parses nothing, and a child reads one file: what it breaks, no other file sees.

A request is a line of JSON with the end of a pipe; into that the child writes 8 bytes, the length of a header, the
header in JSON, and the bytes of the arrays the header lists. At the parent's word the child is killed, if it still
runs, and its end is told.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import TianyanError
from pipeline.ingest.packing import layout, pack

#: files a child may have open: the one it reads, its pipe, the standard three, and libraries while they load
_OPEN_FILES = 64
_REQUEST_BYTES = 1 << 20
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

Readers = Mapping[str, Callable[..., object]]


def serve(control: socket.socket, readers: Readers) -> None:
    """Answer requests until the other side closes."""
    libraries = _address_space()
    while True:
        line, handles = _request(control)
        if not line:
            return
        asked, (pipe,) = json.loads(line), handles
        child = os.fork()
        if child == 0:
            control.close()
            _answer(pipe, asked, readers, libraries)
        os.close(pipe)
        over = control.recv(1) == b""
        # not yet waited for, so the number is still its own
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if over:
            return
        control.sendall(struct.pack("<i", os.waitstatus_to_exitcode(status)))


def cut_network() -> bool:
    """Leave every network, where the system permits it, and return whether it did; gain no rights by running files."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        return False
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _request(control: socket.socket) -> tuple[bytes, list[int]]:
    line, handles, _, _ = socket.recv_fds(control, _REQUEST_BYTES, 1)
    while line and not line.endswith(b"\n"):
        more = control.recv(_REQUEST_BYTES)
        line = line + more if more else b""
    return line, handles


def _answer(pipe: int, asked: dict[str, Any], readers: Readers, libraries: int) -> None:
    """Read the file, write what it holds or why it cannot be read, and end the process."""
    try:
        _limit(asked["seconds"], libraries + asked["memory"])
        header, arrays = _found(asked, readers)
        text = json.dumps(header).encode()
        _write(pipe, struct.pack("<Q", len(text)) + text)
        for array in arrays:
            # an empty array has no bytes to look at
            _write(pipe, array.reshape(-1).view(np.uint8).data if array.nbytes else b"")
        os._exit(0)
    finally:
        os._exit(1)


def _found(asked: dict[str, Any], readers: Readers) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return the header of an answer, and the arrays it lists."""
    try:
        value, arrays = pack(readers[asked["reader"]](Path(asked["path"]), **asked["told"]))
        return {"value": value, "arrays": layout(arrays)}, arrays
    except MemoryError:
        return {"memory": asked["memory"]}, []
    except TianyanError as error:
        told = {"rule": error.rule, "remedy": error.remedy, "where": error.where}
        return {"error": type(error).__name__, **told, **({} if error.got is None else {"got": repr(error.got)})}, []
    except Exception as error:  # whatever a reader makes of a damaged file
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name} line {last.lineno}"
        return {"fault": f"{type(error).__name__}: {error!s:.200}, at {place}"}, []


def _limit(seconds: float, memory: int) -> None:
    """Let this process do no more than read: time, memory, no file written, no output, no life after its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: max(1, round(seconds)),
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def _address_space() -> int:
    """Return the address space of this process, bytes; none where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[0]) * resource.getpagesize() if told.is_file() else 0


def _write(pipe: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def main() -> None:
    """Serve on the socket whose number is the first argument, with the readers of the module that is the second."""
    control = socket.socket(fileno=int(sys.argv[1]))
    readers: Readers = importlib.import_module(sys.argv[2]).READERS
    control.sendall(json.dumps({"network_cut": cut_network()}).encode() + b"\n")
    serve(control, readers)


if __name__ == "__main__":
    main()
