"""Follows a tree of processes by ptrace, call by call, and does what was planned at the k-th; for `syscall_server`.

Only one of the counted calls is under way at a time: the k-th begins when the k-1 before it have returned. Everything
else runs as it would alone.
"""

import ctypes
import fnmatch
import os
import signal
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from syscall_table import CALLS, OPENS, RESIZES, WRITES, Call, Folder, place_of

_WALL = 0x40000000
_CONT, _POKEUSER, _SYSCALL, _SEIZE = 7, 6, 24, 0x4206
_INTERRUPT, _LISTEN, _GET_SYSCALL_INFO = 0x4207, 0x4208, 0x420E
_FORK, _VFORK, _CLONE, _EXEC, _VFORK_DONE, _SECCOMP, _STOP = 1, 2, 3, 4, 5, 7, 128
#: TRACESYSGOOD, one for each event above, and EXITKILL: the tree dies with the tracer
_OPTIONS = 1 | sum(1 << event for event in (_FORK, _VFORK, _CLONE, _EXEC, _VFORK_DONE, _SECCOMP)) | 1 << 20
_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
#: places in `struct user`, bytes
_RAX, _RDX, _ORIG_RAX = 80, 96, 120

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_told = ctypes.create_string_buffer(128)

Plan = dict[str, Any]


def _ptrace(request: int, tid: int, address: int = 0, data: int = 0) -> None:
    """Ask the kernel; ProcessLookupError where the thread has been killed meanwhile."""
    if _libc.ptrace(request, tid, ctypes.c_void_p(address), ctypes.c_void_p(data)) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}: {os.strerror(ctypes.get_errno())}")


def _syscall(tid: int) -> tuple[int, tuple[int, ...]]:
    """Return number and arguments at a call's entry; at its exit, the result and nothing."""
    _ptrace(_GET_SYSCALL_INFO, tid, len(_told), ctypes.addressof(_told))
    if _told.raw[0] == 2:
        return struct.unpack_from("<q", _told, 24)[0], ()
    number, *arguments = struct.unpack_from("<7Q", _told, 24)
    return number, tuple(arguments)


class Tracer:
    """One run.

    Parameters
    ----------
    root
        Process to follow; it waits, and installs the filter once it is followed.
    plan
        `at`, `only`, `do`, as in `syscall_faults`.
    data
        Whether to keep what is written.
    stopped
        Called when the tree stands still at the k-th call, with the numbers of its threads; returns the plan to go on
        with, or None to kill the tree.
    """

    def __init__(
        self, root: int, folder: Folder, plan: Plan, *, data: bool, stopped: Callable[[list[int]], Plan | None]
    ) -> None:
        self._root, self._folder, self._plan, self._data, self._stopped = root, folder, plan, data, stopped
        self._tasks: set[int] = set()
        #: threads that will not move before a child of theirs does
        self._vforking: set[int] = set()
        #: the thread whose call is under way, its call, and threads that wait for their turn
        self._busy: int | None = None
        self._under_way: tuple[Call, tuple[int, ...]] | None = None
        self._turn: deque[int] = deque()
        self._matching = 0
        self._kill_after = False
        self._ending = False
        self.calls: list[Call] = []
        self.status: int | None = None
        self.killed = False
        _ptrace(_SEIZE, root, 0, _OPTIONS)
        self._tasks.add(root)

    def follow(self) -> None:
        """Return when no process of the tree is left."""
        while True:
            try:
                tid, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                return
            self._seen(tid, status)

    def kill(self) -> None:
        """Kill every process of the tree."""
        self._ending = True
        for tid in list(self._tasks):
            with suppress(ProcessLookupError):
                os.kill(tid, signal.SIGKILL)

    def _seen(self, tid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._gone(tid, status)
            return
        # a child is known by its own first stop, so that no number is kept of one that ended before its parent's event
        self._tasks.add(tid)
        self._vforking.discard(tid)
        if self._ending:
            with suppress(ProcessLookupError):
                os.kill(tid, signal.SIGKILL)
            return
        # of a thread that is killed meanwhile, the number and the files in /proc are gone
        with suppress(ProcessLookupError, FileNotFoundError):
            self._stop(tid, status >> 16, os.WSTOPSIG(status))

    def _stop(self, tid: int, event: int, sent: int) -> None:
        """Deal with a stop and let the thread run on, or wait."""
        if event == _SECCOMP:
            self._enters(tid)
        elif sent == signal.SIGTRAP | 0x80:
            self._leaves(tid)
        elif event == _STOP and sent in _STOPS:
            _ptrace(_LISTEN, tid)
        else:
            if event == _VFORK:
                self._vforking.add(tid)
            _ptrace(_CONT, tid, 0, 0 if event else sent)
            # a program ends the threads of the one before without a word
            if event == _EXEC and (tid == self._busy or not os.path.exists(f"/proc/{self._busy}")):
                self._next()

    def _gone(self, tid: int, status: int) -> None:
        self._tasks.discard(tid)
        self._vforking.discard(tid)
        if tid == self._root:
            self.status = os.waitstatus_to_exitcode(status)
        if tid in self._turn:
            self._turn.remove(tid)
        if tid == self._busy:
            self._next()

    def _enters(self, tid: int) -> None:
        number, arguments = _syscall(tid)
        call = self._folder.call(tid, number, arguments)
        if call is None:
            _ptrace(_CONT, tid)
        elif self._busy is None:
            self._count(tid, call, number, arguments)
        else:
            self._turn.append(tid)

    def _next(self) -> None:
        self._busy = self._under_way = None
        while self._turn and self._busy is None and not self._ending:
            with suppress(ProcessLookupError, FileNotFoundError):
                self._enters(self._turn.popleft())

    def _count(self, tid: int, call: Call, number: int, arguments: tuple[int, ...]) -> None:
        """Count a call, and do at it what is planned."""
        self.calls.append(call)
        if self._data:
            call.offset, call.inode, call.sync = place_of(tid, number, arguments)
        self._busy, self._under_way = tid, (call, arguments)
        do = self._due(call)
        kind = None if do is None else do["kind"]
        if kind == "kill" and not do["after"]:
            self.killed = True
            self.kill()
        elif kind == "fail":
            call.result = -do["errno"]
            _ptrace(_POKEUSER, tid, _ORIG_RAX, -1)
            _ptrace(_POKEUSER, tid, _RAX, call.result)
            _ptrace(_CONT, tid)
            self._next()
        else:
            self._kill_after = kind == "kill"
            if kind == "short" and call.name in {"write", "pwrite64"}:
                _ptrace(_POKEUSER, tid, _RDX, call.size // 2)
            elif kind == "send":
                os.kill(self._root, do["signal"])
            elif kind == "stop":
                self._pause(tid)
            if not self._ending:
                _ptrace(_SYSCALL, tid)

    def _due(self, call: Call) -> Plan | None:
        """Return what is to be done at a call."""
        only, at, do = self._plan["only"], self._plan["at"], self._plan["do"]
        if only is not None:
            named = not only["names"] or call.name in only["names"]
            if not named or not any(fnmatch.fnmatchcase(path, only["path"]) for path in (call.path, call.to) if path):
                return None
        self._matching += 1
        if do is None or at is None:
            return None
        return do if self._matching == at or (do.get("onwards") and self._matching > at) else None

    def _leaves(self, tid: int) -> None:
        """Take note of a call's result; the thread runs on before the next call's turn, which may be to stop it."""
        result, _ = _syscall(tid)
        mine = tid == self._busy and self._under_way is not None
        if mine:
            call, arguments = self._under_way
            call.result = result
            if self._data and result >= 0:
                self._keep(tid, call, arguments)
            if self._kill_after:
                self.killed = True
                self.kill()
                return
            if call.name in {"write", "pwrite64"}:  # a call leaves its arguments as they were
                _ptrace(_POKEUSER, tid, _RDX, ctypes.c_long(arguments[2]).value)
        _ptrace(_CONT, tid)
        if mine:
            self._next()

    def _keep(self, tid: int, call: Call, arguments: tuple[int, ...]) -> None:
        """Keep what a file holds where the call wrote, its new length, or where a link leads."""
        fd = CALLS[call.name].fd
        path = os.path.join(self._folder.path, call.path)
        if fd is not None:  # a handle leads to its file whatever the names are now
            path = f"/proc/{tid}/fd/{arguments[fd] & 0xFFFFFFFF}"
        if call.name in OPENS:
            call.inode = os.stat(f"/proc/{tid}/fd/{call.result}").st_ino
        if call.name in {"symlink", "symlinkat"}:
            call.data = os.fsencode(os.readlink(path)).hex()
        if call.name not in WRITES | RESIZES:
            return
        size = (call.result or 0) if call.name in WRITES else 0
        if call.name in RESIZES:
            call.length = os.stat(path).st_size
        if call.name == "fallocate":
            size = call.size
        with open(path, "rb") as stream:
            call.data = os.pread(stream.fileno(), size, call.offset or 0).hex()

    def _pause(self, tid: int) -> None:
        """Make every other thread stand still, hand over, and let them go on."""
        later: list[tuple[int, int]] = []
        still = {tid, *self._turn}
        for other in self._tasks - still:
            with suppress(ProcessLookupError):
                _ptrace(_INTERRUPT, other)
        while self._tasks - still - self._vforking and not self._ending:
            other, status = os.waitpid(-1, _WALL)
            later.append((other, status))
            if os.WIFSTOPPED(status):
                self._tasks.add(other)
                still.add(other)
            else:
                self._tasks.discard(other)
        plan = None if self._ending else self._stopped(sorted(self._tasks))
        if plan is None:
            self.killed = not self._ending
            self.kill()
        else:
            self._plan = plan
        for other, status in later:
            self._seen(other, status)
