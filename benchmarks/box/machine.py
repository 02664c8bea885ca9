"""What a machine is: facts read from it, for people and for comparing reports."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

#: whose versions decide how fast things are
_LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "xarray", "zarr", "icechunk", "netCDF4", "h5py")


def memory_here() -> int:
    """Return the bytes of memory that processes here may have: the machine's, or less where a group limits them."""
    return min([_machine_memory(), *_group_limits()])


def describe(folder: Path) -> dict[str, Any]:
    """Return the facts about this machine.

    Parameters
    ----------
    folder
        Where the service's files will lie: its file system counts.
    """
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
        "cores_allowed": len(os.sched_getaffinity(0)),
        "memory": memory_here(),
        "system": f"{platform.system()} {platform.release()}",
        "virtual": "hypervisor" in _processor_flags(),
        "vectors": _widest(),
        "file_system": _file_system(folder),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "blas": _blas(),
    }


def stolen_seconds() -> float:
    """Return the seconds that the host of a virtual machine has kept its cores for others, since it started."""
    first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    return int(first[8]) / os.sysconf("SC_CLK_TCK") if len(first) > 8 else 0.0


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _group_limits() -> list[int]:
    """Return the limits of the memory groups this process is in, those that say a number."""
    found = []
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            path = line.split(":", 2)[2].lstrip("/")
            place = Path("/sys/fs/cgroup", *name.split("/")[:-1], path, name.split("/")[-1])
            try:
                found.append(int(place.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                continue
    return found


def _about_processor(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _processor() -> str:
    return _about_processor("model name") or platform.processor() or platform.machine()


def _processor_flags() -> list[str]:
    return _about_processor("flags").split() or _about_processor("Features").split()


def _widest() -> str:
    flags = _processor_flags()
    return next((name for name in ("avx512f", "avx2", "avx", "sve", "asimd") if name in flags), "none")


def _file_system(folder: Path) -> str:
    """Return the kind of the file system a folder lies on."""
    place, kind, best = str(folder.resolve()), "unknown", -1
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        at, name = line.split()[1:3]
        inside = place == at or place.startswith(at.rstrip("/") + "/")
        if inside and len(at) > best:
            kind, best = name, len(at)
    return kind


def _blas() -> str:
    """Return the name and version of the library behind numpy's matrix products."""
    import numpy as np  # noqa: PLC0415 - loads it
    import threadpoolctl  # noqa: PLC0415

    _ = np.ones((2, 2)) @ np.ones((2, 2))
    found = [one for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]
    return ", ".join(f"{one['internal_api']} {one['version']} ({one.get('architecture', '')})" for one in found[:1])
