"""The folder of the listener: messages on disk before anybody is told so, and files that are whole when they are named.

    hj212_20240701T0105Z_0000.txt.part    being written; patterns of a case do not find it
    hj212_20240701T0100Z_0000.txt         whole, never written again
    rejected/rejected_20240701.jsonl      what was no message, a line each
    listener.json                         counters

A `.part` becomes a file by: fsync, rename, fsync of the folder. One that a crash left behind becomes one at the next
start, without what follows its last whole message. Names are made of the time and a counter, of nothing that was sent.
The folder itself is locked: it has one listener.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import time

from pipeline.errors import ConfigError, InputError, shown
from pipeline.listener.frames import LONGEST, Framer

_PART, _END = ".part", b"\r\n"
_NEW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: the files hold the senders' passwords
_MODE, _FOLDER_MODE = 0o640, 0o750
_READ = 1 << 16
#: what the reader of the files takes is 256 MB; one writing may go beyond the size by what waited
MOST_SIZE = 128 << 20


class Spool:
    """The files of one folder, written by one process; its methods run one at a time, in any thread.

    Parameters
    ----------
    folder
        Made when its parent is there.
    seconds, size
        Age and bytes at which a file is finished.
    least_free
        Bytes of the disk that are never used up.
    most_rejected
        Bytes of rejected records kept a day.
    clock
        Seconds since 1970.

    Raises
    ------
    InputError
        When there can be no such folder.
    ConfigError
        When another process writes into it, or files could not be finished at such an age and size.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float = 300.0,
        size: int = 16 << 20,
        least_free: int = 0,
        most_rejected: int = 16 << 20,
        clock: Callable[[], float] = time,
    ) -> None:
        self.folder, self.seconds, self.size = folder, seconds, size
        self._least_free, self._most_rejected, self._clock = least_free, most_rejected, clock
        self._part: int | None = None
        self._path, self._begun, self._durable, self._left_over = folder, 0.0, 0, False
        self.finished = 0
        if not (seconds > 0 and 0 < size <= MOST_SIZE):
            raise ConfigError(
                f"a file is finished after some seconds, and at no more than {MOST_SIZE >> 20} MB",
                got=(seconds, size), remedy="give positive numbers that are not too large", where="listener",
            )  # fmt: skip
        try:
            folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            (folder / "rejected").mkdir(mode=_FOLDER_MODE, exist_ok=True)
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(
                "the folder must be there, or its parent, and be writable", got=str(folder),
                remedy=f"make it and give it to this user ({error.strerror})", where="listener",
            ) from error  # fmt: skip
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._folder)
            raise ConfigError(
                "a folder must have one listener", got=str(folder),
                remedy=f"stop the other one, or give another folder, on a local disk ({error.strerror})",
                where="listener",
            ) from error  # fmt: skip

    def append(self, messages: Sequence[bytes]) -> None:
        """Put messages on disk, each with a line end; they are durable when this returns.

        Raises
        ------
        OSError
            When they are not. What was durable before is; the file is finished, the next attempt begins another.
        """
        text = b"".join(message + _END for message in messages)
        self._require_room(len(text))
        try:
            part = self._begin() if self._part is None else self._part
            _write(part, text)
            os.fsync(part)
        except OSError:
            self._abandon()
            raise
        self._durable += len(text)
        if self._durable >= self.size:
            with suppress(OSError):  # they are on disk all the same
                self.finish()

    def due(self) -> bool:
        """Return whether the file being written, or one that got no name, is old enough to be finished."""
        there = self._part is not None or self._left_over
        return there and not 0 <= self._clock() - self._begun < self.seconds

    def finish(self) -> None:
        """Give the file being written its name, and earlier ones that got none; without any nothing happens.

        Raises
        ------
        OSError
            When it cannot be; it stays a `.part` and is seen to later.
        """
        if self._left_over:
            self._left_over, self._begun = False, self._clock()
            self.recover()
        if self._part is None:
            return
        part, self._part = self._part, None
        try:
            self._name(self._path)
        except OSError:
            self._left_over = True
            raise
        finally:
            os.close(part)

    def reject(self, records: Sequence[str]) -> int:
        """Keep what was no message, a line each; return how many found no room in the day's file.

        Raises
        ------
        OSError
            When they could not be written.
        """
        day = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%d")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(self.folder / "rejected" / f"rejected_{day}.jsonl", flags, _MODE)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            lines, kept, room = ["\n"] if torn else [], 0, self._most_rejected - size
            for record in records:
                room -= len(record) + 1
                if room < 0:
                    break
                lines.append(record + "\n")
                kept += 1
            text = "".join(lines).encode("ascii", "backslashreplace")
            self._require_room(len(text))
            _write(file, text)
            os.fsync(file)
        finally:
            os.close(file)
        return len(records) - kept

    def recover(self) -> list[str]:
        """Give names to the files that were left under way; return what was done to each, in words.

        What follows the last whole message was never acknowledged: it is cut off, and the file is gone when it held
        nothing else. Done again after a crash of its own it comes to the same files.
        """
        told = []
        for path in sorted(self.folder.glob(f"hj212_*.txt{_PART}")):
            if self._part is not None and path == self._path:
                continue
            try:
                told.append(f"{shown(path.name)}: {self._recover(path)}")
            except OSError as error:
                self._left_over = True
                told.append(f"{shown(path.name)}: left as it is ({error.strerror})")
        return told

    def close(self) -> None:
        """Finish the file being written and let go of the folder."""
        try:
            self.finish()
        finally:
            os.close(self._folder)

    def _begin(self) -> int:
        now = self._clock()
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%MZ")
        for number in count():
            path = self.folder / f"hj212_{stamp}_{number:04d}.txt{_PART}"
            if not path.exists() and not path.with_suffix("").exists():
                break
        self._part = os.open(path, _NEW, _MODE)
        self._path, self._begun, self._durable = path, now, 0
        # the name is to be on disk before what is in it is called durable
        os.fsync(self._folder)
        return self._part

    def _abandon(self) -> None:
        """Cut a file back to what is durable and finish it: after an fsync that failed nobody knows what is on disk."""
        if self._part is None:
            return
        part, self._part = self._part, None
        try:
            os.ftruncate(part, self._durable)
            if self._durable:
                os.fsync(part)
                self._name(self._path)
            else:
                self._path.unlink()
        except OSError:
            self._left_over = True
        finally:
            os.close(part)

    def _name(self, part: Path) -> None:
        """Rename a file that is whole on disk; nothing is ever renamed over another."""
        path = part.with_suffix("")
        if path.exists():
            first = path.stem
            path = next(p for n in count(1) if not (p := path.with_name(f"{first}_{n}.txt")).exists())
        part.rename(path)
        self.finished += 1
        os.fsync(self._folder)

    def _recover(self, path: Path) -> str:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            framer, messages, whole, size = Framer(LONGEST), 0, 0, 0
            while piece := os.pread(file, _READ, size):
                size += len(piece)
                for frame in framer.feed(piece):
                    if not frame.reason:
                        messages, whole = messages + 1, framer.position
            tail, torn = os.pread(file, _READ, whole), size - whole
            if tail.strip(_END):
                self._keep_tail(path, tail)
            if messages and tail != _END:
                os.ftruncate(file, whole)
                os.pwrite(file, _END, whole)
            if not messages:
                path.unlink()
                return "no whole message, removed"
            os.fsync(file)
            self._name(path)
        finally:
            os.close(file)
        return f"{messages} messages" + (f", {torn} bytes after the last cut off" if tail.strip(_END) else "")

    def _keep_tail(self, path: Path, tail: bytes) -> None:
        # worth keeping, not worth stopping for
        with suppress(OSError):
            self.reject([record(self._clock(), f"left in {path.name}", "torn", tail)])

    def _require_room(self, size: int) -> None:
        if self._least_free:
            disk = os.fstatvfs(self._folder)
            if disk.f_bavail * disk.f_frsize - size < self._least_free:
                raise OSError(errno.ENOSPC, "less of the disk is free than is to be kept free")


def record(when: float, peer: str, reason: str, raw: bytes) -> str:
    r"""Return one line about bytes that were no message: JSON in ASCII, each byte a letter of Latin-1.

    Examples
    --------
    >>> print(record(0.0, "10.0.0.7:4000", "cut short", bytes([35, 35, 10, 255])))
    {"time": "1970-01-01T00:00:00Z", "peer": "10.0.0.7:4000", "reason": "cut short", "raw": "##\n\u00ff"}
    """
    told = {"time": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "peer": peer, "reason": reason}
    return json.dumps(told | {"raw": raw.decode("latin-1")}).replace("\x7f", "\\u007f")


def _write(file: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(file, view) :]
