"""Foreign binary files, read in a process that can do no harm: HDF5, netCDF and Parquet have parsers in C.

A file from outside may crash such a parser, hang it, make it fill the memory, or worse. So each is read in a child of
its own (`pipeline.ingest.sandbox_child`), with limits of time, memory and open files, without network, and with no
right to write a byte into a file. The child is asked for a reader by name, and gives back plain arrays, which are
checked (`pipeline.ingest.packing`). What goes wrong there is a FormatError here, and the next file is read.

That is for observations, which come from anywhere. Weather, inventories, backgrounds and footprints are chosen by the
operator and read in this process.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import station_meta
from pipeline import errors
from pipeline.derived import Derived, code_digest, content_digest, digest_of
from pipeline.errors import FormatError, TianyanError
from pipeline.ingest.packing import empty, unpack
from pipeline.ingest.signatures import BINARY

#: errors a reader may raise, by name
_TOLD: dict[str, type[TianyanError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.InputError | errors.ConfigError)
}
#: a header lists arrays and distinct texts: of these a file has as many as rows, at most
_HEADER_BYTES = 1 << 28
_CHUNK = 1 << 20
#: for the imports of the process, which take a second
_START_SECONDS = 120.0
_SIGNALS = {9: "it was killed, as the system does for want of memory", 24: "it took too much of the processor's time"}

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What reading one file may take.

    Parameters
    ----------
    seconds
        Of the clock, and of the processor.
    memory
        Address space besides that of the libraries, bytes: a file's declared size may be 2 GB (`pipeline.ingest.hdf5`),
        and a reader has a variable twice while it converts it.
    answer
        Bytes of the arrays that come back.
    """

    seconds: float = 60.0
    memory: int = 4 << 30
    answer: int = 2 << 30


LIMITS = Limits()


class Sandbox:
    """The process that forks a child for each file; started at the first file, and again should it end.

    Parameters
    ----------
    readers
        Module whose READERS holds what may be asked for.
    """

    def __init__(self, readers: str = "pipeline.ingest.sandbox_readers") -> None:
        self._readers = readers
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0
        #: whether the children are cut off from the network; None before the first file
        self.network_cut: bool | None = None

    def read(self, reader: str, path: Path, result: type[T], *, limits: Limits = LIMITS, **told: str) -> T:
        """Return what a reader makes of a file.

        Parameters
        ----------
        reader
            Its name.
        result
            Dataclass it returns.
        told
            What it is told besides the path.

        Raises
        ------
        InputError
            What the reader raised; a FormatError when it ended otherwise, took too long or too much, or gave back
            something else.
        """
        return unpack(result, *self.answer(reader, path, limits=limits, **told))

    def answer(self, reader: str, path: Path, *, limits: Limits = LIMITS, **told: str) -> tuple[Any, list[np.ndarray]]:
        """Return what a reader makes of a file, packed; see `read`."""
        asked = {"reader": reader, "path": str(path.absolute()), "told": told}
        line = json.dumps(asked | {"seconds": limits.seconds, "memory": limits.memory}).encode() + b"\n"
        with self._lock:
            control = self._started()
            ours, theirs = os.pipe()
            try:
                try:
                    socket.send_fds(control, [line], [theirs])
                finally:
                    os.close(theirs)
                answer = _Answer(ours, limits)
                try:
                    header = answer.header()
                    arrays = None if header is None else answer.arrays(header)
                finally:
                    ended = self._ended(control)
            finally:
                os.close(ours)
        if answer.late:
            raise _refused(path, f"the file must be readable within {limits.seconds:g} s", "not yet")
        if header is None or arrays is None:
            raise _refused(path, "reading the file must not break its reader", _SIGNALS.get(-ended, _end(ended)))
        return _value(header, path), arrays

    def close(self) -> None:
        """End the process, if it runs; the next file starts another."""
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._owner == os.getpid():
            self._process.wait()
        self._control = self._process = None

    def _started(self) -> socket.socket:
        """Return the socket of a running process of our own."""
        if self._control is not None and self._process is not None:
            if self._owner == os.getpid() and self._process.poll() is None:
                return self._control
            self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pipeline.ingest.sandbox_child", str(theirs.fileno()), self._readers],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(self._readers),
                # a terminal's interrupt is for us; this process ends when we do
                start_new_session=True,
            )
        self._control, self._owner = ours, os.getpid()
        ours.settimeout(_START_SECONDS)
        hello = b""
        while not hello.endswith(b"\n"):
            more = ours.recv(1024)
            if not more:
                self.close()
                raise RuntimeError("the process that reads foreign files did not start; what it wrote says why")
            hello += more
        self.network_cut = bool(json.loads(hello)["network_cut"])
        return ours

    def _ended(self, control: socket.socket) -> int:
        """Let the child be ended and return its exit status, 1 when the process that knows it is gone."""
        try:
            control.sendall(b"\n")
            status = control.recv(4, socket.MSG_WAITALL)
        except ConnectionError:
            status = b""
        if len(status) < 4:
            self.close()
            return 1
        return int(struct.unpack("<i", status)[0])


class _Answer:
    """What comes through a child's pipe before its time is over; nothing of it is trusted."""

    def __init__(self, pipe: int, limits: Limits) -> None:
        self._pipe, self._most = pipe, limits.answer
        self._end = time.monotonic() + limits.seconds
        #: whether the time was over
        self.late = False

    def header(self) -> dict[str, Any] | None:
        """Return the header; None when none came."""
        length = bytearray(8)
        if not self._filled(memoryview(length)):
            return None
        (size,) = struct.unpack("<Q", length)
        text = bytearray(min(size, _HEADER_BYTES))
        if size > _HEADER_BYTES or not self._filled(memoryview(text)):
            return None
        try:
            found = json.loads(text)
        # a nest too deep is a RecursionError
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def arrays(self, header: dict[str, Any]) -> list[np.ndarray] | None:
        """Return the arrays a header lists; None when they did not come whole."""
        arrays = empty(header.get("arrays", []), self._most)
        for array in arrays:
            if array.nbytes and not self._filled(array.reshape(-1).view(np.uint8).data):
                return None
        return arrays

    def _filled(self, room: memoryview) -> bool:
        while room:
            left = self._end - time.monotonic()
            if left <= 0 or not select.select([self._pipe], [], [], left)[0]:
                self.late = True
                return False
            got = os.readv(self._pipe, [room[:_CHUNK]])
            if got == 0:
                return False
            room = room[got:]
        return True


def read_apart(reader: str, path: Path, result: type[T], *, cache: Path | None = None, **told: str) -> T:
    """Return what a reader of `pipeline.ingest.sandbox_readers` makes of a file, in the process all of us share.

    Parameters and errors are those of `Sandbox.read`; a file that cannot be opened is a FormatError too.

    Parameters
    ----------
    cache
        Folder of answers that were given before; what is there is not asked for again.
    """
    try:
        if cache is None:
            return _SHARED.read(reader, path, result, limits=LIMITS, **told)
        key = digest_of(code_digest(*_code()), reader, content_digest(path), path.name, told)
        found = Derived(cache).of("apart", key, lambda: _kept(*_SHARED.answer(reader, path, limits=LIMITS, **told)))
    except OSError as error:
        raise _refused(path, "the file must be readable", str(error)) from error
    if not found["network_cut"]:
        _SHARED.network_cut = False
    arrays = [found[f"array_{number}"] for number in range(len(found) - 2)]
    return unpack(result, json.loads(str(found["value"])), arrays)


def _kept(value: Any, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    named = {f"array_{number}": array for number, array in enumerate(arrays)}
    return {"value": np.array(json.dumps(value)), "network_cut": np.array(bool(_SHARED.network_cut)), **named}


def _code() -> tuple[Path, ...]:
    """Return the folders of what an answer follows from beside the file."""
    here = Path(__file__).resolve().parent
    return here, here.parent / "grid", here.parent / "settings", Path(station_meta.__file__).parent


def finish() -> None:
    """End the process all of us share, whose libraries hold 150 MB; another file would start it again."""
    _SHARED.close()


def is_binary(path: Path) -> bool:
    """Return whether a file is one whose parser is in C, by its first bytes.

    Raises
    ------
    FormatError
        When it cannot be opened.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(4).startswith(BINARY)
    except OSError as error:
        raise _refused(path, "the file must be readable", str(error)) from error


def network_note() -> list[str]:
    """Return a note when files were read by processes that the system did not let us cut off from the network."""
    if _SHARED.network_cut is not False:
        return []
    return ["foreign binary files were read by processes with network: the system does not permit to cut it off"]


def _value(header: dict[str, Any], path: Path) -> Any:
    """Return the value a header holds, or raise the error it tells."""
    if "value" in header:
        return header["value"]
    if "memory" in header:
        raise _refused(path, "the file must be readable within the memory a file may take", "more was asked for")
    name, *told = (header.get(key) for key in ("error", "rule", "remedy", "where"))
    if isinstance(name, str) and name in _TOLD and all(isinstance(text, str) for text in told):
        got = _Shown(header["got"]) if isinstance(header.get("got"), str) else None
        rule, remedy, where = map(str, told)
        raise _TOLD[name](rule, got=got, remedy=remedy, where=where)
    raise _refused(path, "the reader must be able to read the file", str(header.get("fault", "nothing it knows")))


class _Shown(str):
    """A value as the child shows it: its own representation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _refused(path: Path, rule: str, got: str) -> FormatError:
    return FormatError(rule, got=got, remedy="it is damaged or hostile; fetch it again", where=path.name)


def _end(status: int) -> str:
    return f"it ended with signal {-status}" if status < 0 else "it ended without an answer"


def _environment(readers: str) -> dict[str, str]:
    """Return the little of our environment the process needs: nothing secret, one thread, this code."""
    ours = Path(__file__).resolve().parents[2]
    found = importlib.util.find_spec(readers)
    theirs = Path(found.origin).resolve().parents[readers.count(".")] if found and found.origin else ours
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL") if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ours), str(theirs)])),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Arrow's allocator would start a thread when imported; only a process with one thread can leave the network
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        # a filter that is not built in would be looked for as a library to load
        "HDF5_PLUGIN_PATH": os.devnull,
    }


_SHARED = Sandbox()
atexit.register(finish)
