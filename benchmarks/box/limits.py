"""Limits of cores and memory as they are asked for: read from the command line, held against the machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from benchmarks.box.machine import memory_here
from pipeline.errors import ConfigError

#: bytes of a unit; a bare number would be read as MiB by one and as bytes by the next
_UNITS = {"M": 2**20, "MIB": 2**20, "MB": 2**20, "G": 2**30, "GIB": 2**30, "GB": 2**30}
#: what sizes the thread pools of the libraries; they look at affinity too, but not all of them
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """What everything that is measured may use.

    Parameters
    ----------
    cores
        Numbers of the cores.
    memory
        Bytes, of all processes together; None for all there is.
    """

    cores: tuple[int, ...]
    memory: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What tells the libraries of a process how many threads to start."""
        return dict.fromkeys(_THREADS, str(len(self.cores)))


def limits_of(cores: int | None, memory: str | None) -> Limits:
    """Return the limits that are asked for.

    Parameters
    ----------
    cores
        How many; all this process may use when None.
    memory
        A number with a unit, 4G or 512M; all there is when None.

    Raises
    ------
    ConfigError
        When the machine has less, or the text is no size.
    """
    here = sorted(os.sched_getaffinity(0))
    if cores is not None and not 1 <= cores <= len(here):
        raise ConfigError(
            f"cores must lie in [1, {len(here)}]: a box with more cannot be tried on one with fewer",
            got=cores,
            remedy="ask for fewer, or leave the option out",
            where="--cores",
        )
    return Limits(tuple(here[: cores or len(here)]), None if memory is None else _bytes(memory))


def _bytes(text: str) -> int:
    """Return a size in bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None or float(found[1]) <= 0.0:
        raise ConfigError(
            "a size of memory is a number with a unit, M or G", got=text, remedy="write 4G or 512M", where="--memory"
        )
    size, most = int(float(found[1]) * unit), memory_here()
    if size > most:
        raise ConfigError(
            f"memory must be at most what there is here, {shown_bytes(most)}",
            got=text,
            remedy="ask for less, or leave the option out",
            where="--memory",
        )
    return size


def shown_bytes(size: float) -> str:
    """Return a size as people read it.

    Examples
    --------
    >>> shown_bytes(4 * 2**30), shown_bytes(100 * 2**20)
    ('4.0 GiB', '100 MiB')
    """
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
