"""The system calls that change files: their numbers and arguments, the filter that stops at them, what one stop says.

Linux on x86_64. Used by `syscall_tracer`; tests use `syscall_faults`.
"""

import ctypes
import errno
import os
import stat
import struct
from dataclasses import dataclass, field

#: open may change something when it has any of these
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_AT_FDCWD = -100

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_RET_KILL, _RET_ERRNO, _RET_TRACE, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FF00000, 0x7FFF0000
_LOAD, _JUMP_EQUAL, _JUMP_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ARCH_X86_64, _X32 = 0xC000003E, 0x40000000
_IO_URING_SETUP, _IOCTL = 425, 16
#: reflinks, FICLONE and FICLONERANGE: refused, so that programs copy where it is seen
_CLONES = (0x40049409, 0x4020940D)


@dataclass(frozen=True)
class Spec:
    """Where a call keeps what: indices of its arguments.

    `paths` are pairs (directory handle or None, path).
    """

    number: int
    fd: int | None = None
    paths: tuple[tuple[int | None, int], ...] = ()
    size: int | None = None
    vector: int | None = None
    offset: int | None = None
    offset_at: int | None = None
    flags: int | None = None
    follow: bool = False


CALLS = {
    "write": Spec(1, fd=0, size=2),
    "open": Spec(2, paths=((None, 0),), flags=1, follow=True),
    "pwrite64": Spec(18, fd=0, size=2, offset=3),
    "writev": Spec(20, fd=0, vector=1),
    "sendfile": Spec(40, fd=0, size=3),
    "fsync": Spec(74, fd=0),
    "fdatasync": Spec(75, fd=0),
    "truncate": Spec(76, paths=((None, 0),), size=1, follow=True),
    "ftruncate": Spec(77, fd=0, size=1),
    "rename": Spec(82, paths=((None, 0), (None, 1))),
    "mkdir": Spec(83, paths=((None, 0),)),
    "rmdir": Spec(84, paths=((None, 0),)),
    "creat": Spec(85, paths=((None, 0),), follow=True),
    "link": Spec(86, paths=((None, 0), (None, 1))),
    "unlink": Spec(87, paths=((None, 0),)),
    "symlink": Spec(88, paths=((None, 1),)),
    "sync": Spec(162),
    "openat": Spec(257, paths=((0, 1),), flags=2, follow=True),
    "mkdirat": Spec(258, paths=((0, 1),)),
    "unlinkat": Spec(263, paths=((0, 1),)),
    "renameat": Spec(264, paths=((0, 1), (2, 3))),
    "linkat": Spec(265, paths=((0, 1), (2, 3))),
    "symlinkat": Spec(266, paths=((1, 2),)),
    "splice": Spec(275, fd=2, size=4, offset_at=3),
    "fallocate": Spec(285, fd=0, size=3, offset=2),
    "pwritev": Spec(296, fd=0, vector=1, offset=3),
    "syncfs": Spec(306, fd=0),
    "renameat2": Spec(316, paths=((0, 1), (2, 3)), flags=4),
    "copy_file_range": Spec(326, fd=2, size=4, offset_at=3),
    "pwritev2": Spec(328, fd=0, vector=1, offset=3),
    "openat2": Spec(437, paths=((0, 1),), follow=True),
}
NAMES = {spec.number: name for name, spec in CALLS.items()}
#: those that put bytes into a file
WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "splice", "copy_file_range"}
RESIZES = {"truncate", "ftruncate", "fallocate"}
OPENS = {"open", "openat", "openat2", "creat"}


@dataclass
class Call:
    """One call that changes files under the folder, or would.

    Parameters
    ----------
    path, to
        Relative to the folder, "." for itself; absolute where one of the two lies elsewhere.
    size
        Bytes asked for: to write, or as a file's length.
    result
        What it returned, -errno for an error; None when the process was killed before it returned.
    pid
        The thread.
    offset, data, length, inode, sync
        Asked for with `data=True`: where a write went, what the file held there after it (hexadecimal; of a symbolic
        link where it leads), the file's new length where the call sets it, its inode
        where the call has a handle of it, and whether the handle is O_SYNC or O_DSYNC.
    """

    name: str
    path: str
    size: int = 0
    to: str | None = None
    flags: int = 0
    result: int | None = None
    pid: int = 0
    offset: int | None = None
    data: str | None = None
    length: int | None = None
    inode: int | None = None
    sync: bool = False


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _statement(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _argument(index: int) -> bytes:
    return _statement(_LOAD, 16 + 8 * index)


def _filter() -> bytes:
    """Return the program that stops at the calls of CALLS and lets others run; an open for reading is another."""
    stop, number = _statement(_RETURN, _RET_TRACE), _statement(_LOAD, 0)
    lines = [
        _statement(_LOAD, 4),
        _statement(_JUMP_EQUAL, _ARCH_X86_64, 1, 0),
        _statement(_RETURN, _RET_KILL),
        number,
        _statement(_JUMP_LEAST, _X32, 0, 1),
        _statement(_RETURN, _RET_ERRNO | errno.ENOSYS),
        # what goes through its rings is no system call: programs then do without
        _statement(_JUMP_EQUAL, _IO_URING_SETUP, 0, 1),
        _statement(_RETURN, _RET_ERRNO | errno.ENOSYS),
        _statement(_JUMP_EQUAL, _IOCTL, 0, 5),
        _argument(1),
        _statement(_JUMP_EQUAL, _CLONES[0], 1, 0),
        _statement(_JUMP_EQUAL, _CLONES[1], 0, 1),
        _statement(_RETURN, _RET_ERRNO | errno.EOPNOTSUPP),
        _statement(_RETURN, _RET_ALLOW),
    ]
    for name, spec in CALLS.items():
        if name in OPENS and spec.flags is not None:
            lines += [_statement(_JUMP_EQUAL, spec.number, 0, 4), _argument(spec.flags)]
            lines += [_statement(_JUMP_BITS, WRITING, 0, 1), stop, _statement(_RETURN, _RET_ALLOW)]
        else:
            lines += [_statement(_JUMP_EQUAL, spec.number, 0, 1), stop]
    return b"".join([*lines, _statement(_RETURN, _RET_ALLOW)])


_libc = ctypes.CDLL(None, use_errno=True)
_text = ctypes.create_string_buffer(_filter())
_program = _Program((len(_text) - 1) // 8, ctypes.addressof(_text))


def install_filter() -> None:
    """Make this process and its future children stop at the calls of CALLS; for good."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_NO_NEW_PRIVS")
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    if _libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(_program), zero, zero):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_SECCOMP")


@dataclass
class Folder:
    """A folder, and what a stopped thread is about to do to it."""

    path: str
    device: int = field(init=False)

    def __post_init__(self) -> None:
        self.path = os.path.realpath(self.path)
        self.device = os.stat(self.path).st_dev

    def call(self, tid: int, number: int, arguments: tuple[int, ...]) -> Call | None:
        """Return the call a thread is about to make; None when it leaves the folder alone."""
        name = NAMES[number]
        spec = CALLS[name]
        flags = 0 if spec.flags is None else arguments[spec.flags]
        size = 0 if spec.size is None else arguments[spec.size]
        if name == "sync":
            return Call(name, ".", pid=tid)
        try:
            if name == "openat2":
                (flags,) = struct.unpack("<Q", _memory(tid, arguments[2], 8))
                if not flags & WRITING:
                    return None
            if spec.vector is not None:
                size = _vector(tid, arguments[spec.vector], arguments[spec.vector + 1])
            if spec.fd is not None:
                paths = [self._handle(tid, _int(arguments[spec.fd]), name)]
            else:
                follow = spec.follow and not flags & os.O_NOFOLLOW
                pairs = [(None if at is None else _int(arguments[at]), arguments[to]) for at, to in spec.paths]
                paths = [self._named(tid, at, address, follow) for at, address in pairs]
        except OSError:  # the call will fail as well
            return None
        if not any(_inside(path, self.path) for path in paths):
            return None
        told = [self._told(path) for path in paths]
        return Call(name, told[0], size, told[1] if told[1:] else None, flags, pid=tid)

    def _handle(self, tid: int, fd: int, name: str) -> str:
        """Return what a handle is open on; "" for what is no file or folder."""
        place = f"/proc/{tid}/fd/{fd}"
        path = os.readlink(place)
        if name == "syncfs" and os.stat(place).st_dev == self.device:
            return self.path
        if not _inside(path, self.path):
            return ""
        mode = os.stat(place).st_mode
        return path if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else ""

    def _named(self, tid: int, at: int | None, address: int, follow: bool) -> str:
        text = os.fsdecode(_memory(tid, address, 4096).split(b"\0", 1)[0])
        for own in ("/proc/self/", "/proc/thread-self/"):
            text = f"/proc/{tid}/{text.removeprefix(own)}" if text.startswith(own) else text
        base = f"/proc/{tid}/cwd" if at is None or at == _AT_FDCWD else f"/proc/{tid}/fd/{at}"
        path = text if text.startswith("/") else os.path.join(os.readlink(base), text)
        head, tail = os.path.split(path.rstrip("/"))
        if follow or tail in {"", ".", ".."}:
            path = os.path.realpath(path)
        else:
            path = os.path.join(os.path.realpath(head), tail)
        # opening the end of a named pipe waits for its other end
        return "" if follow and os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode) else path

    def _told(self, path: str) -> str:
        if path == self.path:
            return "."
        return path[len(self.path) + 1 :] if _inside(path, self.path) else path


def place_of(tid: int, number: int, arguments: tuple[int, ...]) -> tuple[int, int | None, bool]:
    """Return where in its file a write is about to go, the file's inode, and whether its handle writes through."""
    spec = CALLS[NAMES[number]]
    if spec.fd is None:
        return 0, None, False
    fd = _int(arguments[spec.fd])
    with open(f"/proc/{tid}/fdinfo/{fd}", encoding="ascii") as stream:
        told = dict(line.split(":", 1) for line in stream.read().splitlines() if ":" in line)
    flags = int(told["flags"], 8)
    if spec.offset is not None and arguments[spec.offset] != 2**64 - 1:
        offset = arguments[spec.offset]
    elif spec.offset_at is not None and arguments[spec.offset_at]:
        (offset,) = struct.unpack("<Q", _memory(tid, arguments[spec.offset_at], 8))
    else:
        offset = int(told["pos"])
    file = os.stat(f"/proc/{tid}/fd/{fd}")
    # on Linux an append handle appends even with pwrite
    if flags & os.O_APPEND and NAMES[number] in WRITES:
        offset = file.st_size
    return offset, file.st_ino, bool(flags & os.O_DSYNC)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _int(register: int) -> int:
    """Return the int in a register, whose upper half may hold anything."""
    return ((register & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _memory(tid: int, address: int, size: int) -> bytes:
    """Return bytes of a thread's memory, fewer where its pages end."""
    handle = os.open(f"/proc/{tid}/mem", os.O_RDONLY)
    try:
        return os.pread(handle, size, address)
    finally:
        os.close(handle)


def _vector(tid: int, address: int, count: int) -> int:
    """Return the bytes of an iovec array."""
    text = _memory(tid, address, 16 * _int(count))
    return sum(length for _, length in struct.iter_unpack("<QQ", text))
