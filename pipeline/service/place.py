"""The folder of a service, and the case it serves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from pipeline.settings import CycleSettings, ServiceSettings, Settings, input_root, read_settings


@dataclass(frozen=True)
class Place:
    """A case that is served, and where.

    Parameters
    ----------
    path
        The case's TOML file.
    settings
        What it says.
    root
        Folder that deliveries come to, and of all other inputs.
    scratch
        Where a window is laid out and what windows share is kept; the service's folder when None.
    told
        What `config` is, when not the digest of these settings.
    """

    path: Path
    settings: Settings
    root: Path
    scratch: Path | None = None
    told: str | None = None

    @property
    def service(self) -> ServiceSettings:
        """Section [service]."""
        assert self.settings.service is not None
        return self.settings.service

    @property
    def cycle(self) -> CycleSettings:
        """Section [cycle]."""
        assert self.settings.cycle is not None
        return self.settings.cycle

    @property
    def folder(self) -> Path:
        """Folder of everything the service keeps."""
        return (self.path.parent / self.service.folder).resolve()

    @property
    def store(self) -> Path:
        """Versions of every hour."""
        return self.folder / "store"

    @property
    def database(self) -> Path:
        """Ledger of runs and index of deliveries; both can be made again."""
        return self.folder / "service.db"

    @property
    def spool(self) -> Path:
        """Every delivery as it came."""
        return self.folder / "spool"

    @property
    def cache(self) -> Path:
        """What one process's windows share; may be removed at any time."""
        return (self.scratch or self.folder) / "cache"

    @property
    def derived(self) -> Path:
        """What was derived from inputs, which all processes share; may be removed at any time."""
        return self.folder / "cache"

    @property
    def view(self) -> Path:
        """Links to what the window that is being made may read; may be removed when none is."""
        return (self.scratch or self.folder) / "view"

    @property
    def waiting(self) -> Path:
        """Versions of a reprocessing whose turn to be committed has not come; may be removed when none is under way."""
        return self.folder / "waiting"

    @property
    def lock(self) -> Path:
        """Locked by the run that is under way."""
        return self.folder / "run.lock"

    @cached_property
    def config(self) -> str:
        """Digest of what the case file says about an hour."""
        if self.told is not None:
            return self.told
        said = self.settings.model_dump(mode="json", exclude={"service", "outputs"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def lent(self, scratch: Path, threads: int, memory: int | None) -> Place:
        """Return the place as another process makes hours of it, which says the same of them.

        Parameters
        ----------
        scratch
            Folder of that process alone.
        threads
            Threads of its kernels.
        memory
            Bytes that it may take; what the case says when None.
        """
        solver = {"threads": threads} | ({} if memory is None else {"memory_limit": memory / 2**30})
        return replace(self._with(solver=self.settings.solver.model_copy(update=solver)), scratch=scratch)

    def keeping(self, oldest: np.datetime64) -> Place:
        """Return the place without the right to remove weather that hours from one on still need."""
        transport = self.settings.transport
        return self if transport is None else self._with(transport=transport.keeping(oldest))

    def _with(self, **changed: object) -> Place:
        """Return the place with sections changed in what changes no number: versions say what the case file does."""
        return replace(self, settings=self.settings.model_copy(update=changed), told=self.config)


def read_place(path: Path) -> Place:
    """Return the place of a case file.

    Raises
    ------
    ConfigError
        When the case has no sections [service] and [cycle], or cannot be read.
    """
    settings = read_settings(path)
    for name in ("service", "cycle"):
        if getattr(settings, name) is None:
            raise ConfigError(
                f"a case that is served must have a section [{name}]",
                remedy="see docs/service.md and `tianyan config explain`",
                where=path.name,
            )
    return Place(path.resolve(), settings, input_root(settings, path))


def newest_due(place: Place, now: datetime) -> np.datetime64:
    """Return the newest hour whose files are to be there at a time.

    With `ready_minutes` 75, at 13:14 that is the hour from 11:00, and at 13:15 the one from 12:00.
    """
    ready = now.astimezone(UTC) - timedelta(minutes=place.service.ready_minutes)
    return np.datetime64(ready.replace(tzinfo=None), "h")
