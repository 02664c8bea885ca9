"""Groups of processes whose memory the kernel counts and limits: control groups of both versions, and systemd's scopes.

Memory here is what cannot be given back under pressure at no cost: anonymous pages, and shared or mapped ones. The
kernel's own peak counts cached files too, so that reading a large file looks like taking memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

#: of the folders of our groups; the number of the process that made it follows
_NAME = "tianyan-bench-"


@dataclass(frozen=True)
class Version:
    """How the files of a version of control groups are called.

    Parameters
    ----------
    name
        For people.
    limits
        Files that hold a limit: of memory, and of memory and swap together or of swap alone.
    swap_alone
        Whether the second is of swap alone, and is to be zero.
    peak
        The most there was, with cached files.
    private, mapped, shared
        Keys of memory.stat: anonymous, mapped and shared memory.
    events
        File that counts processes ended for memory.
    """

    name: str
    limits: tuple[str, str]
    swap_alone: bool
    peak: str
    private: str
    mapped: str
    shared: str
    events: str


V1 = Version(
    "control group v1", ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), False, "memory.max_usage_in_bytes",
    "total_rss", "total_mapped_file", "total_shmem", "memory.oom_control",
)  # fmt: skip
V2 = Version(
    "control group v2", ("memory.max", "memory.swap.max"), True, "memory.peak", "anon", "file_mapped", "shmem",
    "memory.events",
)  # fmt: skip


def taken(group: Path, version: Version) -> int:
    """Return the bytes a group holds now, without cached files."""
    lines = (line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
    found = {name: int(value) for name, value in lines}
    # shared memory that is mapped is counted in both
    return found[version.private] + max(found.get(version.mapped, 0), found.get(version.shared, 0))


def deaths(group: Path, version: Version) -> int:
    """Return how many processes of a group were ended because it took too much."""
    for line in (group / version.events).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


class ControlGroup:
    """A control group of our own, removed when it is closed.

    Parameters
    ----------
    parent
        Folder of the group it is made in.
    version
        Of the hierarchy.
    limit
        Bytes; None to count only.

    Raises
    ------
    OSError
        When it cannot be made here.
    """

    def __init__(self, parent: Path, version: Version, limit: int | None) -> None:
        self.name, self.version = version.name, version
        self.path = parent / f"{_NAME}{os.getpid()}-{time.monotonic_ns()}"
        self.path.mkdir()
        try:
            if limit is not None:
                self._limit(limit)
            # the peak of a group that nobody was in yet
            taken(self.path, version), deaths(self.path, version)
        except (OSError, KeyError) as error:
            self.path.rmdir()
            raise OSError(f"{self.path} cannot hold a limit: {error}") from error

    def _limit(self, limit: int) -> None:
        memory, swap = (self.path / name for name in self.version.limits)
        memory.write_text(str(limit))
        # a kernel without accounts of swap has no such file
        if swap.exists():
            swap.write_text("0" if self.version.swap_alone else str(limit))

    def command(self, command: list[str]) -> list[str]:
        """Return a command that joins the group before it becomes the one given."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *command]

    def taken(self, pid: int) -> int:  # noqa: ARG002 - as of any keeper
        """Return the bytes it holds now."""
        return taken(self.path, self.version)

    def ended(self, returncode: int | None) -> bool:  # noqa: ARG002
        """Return whether a process was ended because the group took too much."""
        return deaths(self.path, self.version) > 0

    def with_files(self) -> int | None:
        """Return the most bytes it held, cached files and all; None where the kernel does not say."""
        try:
            return int((self.path / self.version.peak).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def stop(self, pid: int) -> None:  # noqa: ARG002
        """End every process in it."""
        for _ in range(200):
            pids = [int(line) for line in (self.path / "cgroup.procs").read_text(encoding="utf-8").split()]
            if not pids:
                return
            for one in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            time.sleep(0.02)

    def close(self) -> None:
        """Remove it; what is still in it is ended first."""
        self.stop(0)
        for _ in range(200):
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                # a process that has ended leaves its group a moment later
                time.sleep(0.02)
            else:
                return


class Scope:
    """A scope of the user's own systemd, for who may not make control groups.

    Parameters
    ----------
    limit
        Bytes; None to count only.
    """

    name = "systemd scope"

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._group: Path | None = None
        self._deaths = 0
        self._peak: int | None = None

    def command(self, command: list[str]) -> list[str]:
        """Return a command that runs the one given in a scope."""
        held = [] if self._limit is None else ["-p", f"MemoryMax={self._limit}", "-p", "MemorySwapMax=0"]
        return ["systemd-run", "--user", "--scope", "--quiet", "--collect", *held, "--", *command]

    def taken(self, pid: int) -> int:
        """Return the bytes it holds now; the scope is gone with its last process, so counts are read as they come."""
        try:
            if self._group is None:
                line = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").strip().splitlines()[-1]
                group = Path("/sys/fs/cgroup" + line.split(":", 2)[2])
                # systemd-run itself is in the scope only once it is there
                self._group = group if group.suffix == ".scope" and group.name.startswith("run-") else None
            if self._group is None:
                return 0
            self._deaths = max(self._deaths, deaths(self._group, V2))
            with contextlib.suppress(OSError, ValueError):
                self._peak = int((self._group / V2.peak).read_text(encoding="utf-8"))
            return taken(self._group, V2)
        except (OSError, KeyError):
            return 0

    def ended(self, returncode: int | None) -> bool:
        """Return whether a process was ended because the scope took too much."""
        return self._deaths > 0 or (self._limit is not None and returncode == -signal.SIGKILL)

    def with_files(self) -> int | None:
        """Return the most bytes it held, cached files and all, when last looked at."""
        return self._peak

    def stop(self, pid: int) -> None:
        """End what was started."""
        end_session(pid)

    def close(self) -> None:
        """Leave the rest to systemd."""


def end_session(pid: int) -> None:
    """End all processes of a session, whose first one has this number."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def parents() -> list[tuple[Path, Version]]:
    """Return the control groups in which one of our own could be made, the likeliest first."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()]
    found: list[tuple[Path, Version]] = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, at, kind, options, *_ = line.split()
        if kind == "cgroup2":
            here = _inside(Path(at), next((path for _, names, path in own if not names), "/"))
            # a group with processes of its own hands memory on to none below it: one beside it may be made
            for place in (here, here.parent):
                if place.is_relative_to(at) and "memory" in _says(place / "cgroup.subtree_control").split():
                    found.append((place, V2))
        elif kind == "cgroup" and "memory" in options.split(","):
            here = _inside(Path(at), next((path for _, names, path in own if "memory" in names.split(",")), "/"))
            # without it a group below would escape the limits above
            if _says(here / "memory.use_hierarchy").strip() == "1":
                found.append((here, V1))
    return found


def _inside(mount: Path, path: str) -> Path:
    """Return the folder of a group; in a container the mount itself is the group."""
    place = mount / path.lstrip("/")
    return place if place.is_dir() else mount


def _says(path: Path) -> str:
    """Return what a file of the kernel says; nothing when it may not be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def scopes_work() -> bool:
    """Return whether the user's systemd starts scopes here."""
    if shutil.which("systemd-run") is None:
        return False
    tried = subprocess.run(
        ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "MemoryMax=1G", "--", "true"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    return tried.returncode == 0


def remove_left_over() -> None:
    """Remove groups that an earlier bench, killed since, has left behind empty."""
    for parent, _ in parents():
        for path in parent.glob(f"{_NAME}*"):
            if not Path(f"/proc/{path.name.removeprefix(_NAME).split('-')[0]}").exists():
                with contextlib.suppress(OSError):
                    path.rmdir()
