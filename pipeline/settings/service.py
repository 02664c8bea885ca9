"""Section of the hourly service: where it keeps what it knows, when an hour is due, and how much a run may do."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from pydantic import AwareDatetime, Field, field_validator

from pipeline.settings.base import NonNegative, Positive, Section


class FetchSettings(Section):
    """A command that brings deliveries into the inbox, where it runs."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="name of the source, in the log")
    command: list[str] = Field(min_length=1, description="program and arguments; no shell is between")
    every_minutes: Positive = Field(default=60.0, description="run it so often; when it failed, at the next run")
    timeout_seconds: Positive = Field(default=300.0, description="it is killed after so long")


class ServiceSettings(Section):
    """The hourly service: `tianyan run-due`."""

    folder: str = Field(default="service", description="store, ledger, registry and caches, relative to this file")
    start: AwareDatetime = Field(description="first hour to make, with a zone, for example 2024-07-15T00:00:00Z")
    ready_minutes: int = Field(
        default=75, ge=60, le=24 * 60, description="an hour is due so many minutes after it began: its files come late"
    )
    quiet_seconds: NonNegative = Field(
        default=60.0,
        description="a file is whole when it has not changed for so long; one renamed into place is whole at once",
    )
    catch_up: int = Field(default=24, ge=0, description="hours a run makes besides the newest, oldest first")
    spectrometers_least: int = Field(
        default=3, ge=1, description="an hour with fewer precise stations is degraded; without any it is the prior"
    )
    consolidate_days: int = Field(
        default=30, ge=1, description="days after a month's end when its hours are consolidated and sealed"
    )
    keep_days: int = Field(default=400, ge=1, description="days earlier versions of an hour stay readable; tags stay")
    fetch: list[FetchSettings] = Field(default_factory=list, description="commands that bring deliveries")
    retry_minutes: Positive = Field(default=10.0, description="an hour that failed is tried again after so long")

    @field_validator("start")
    @classmethod
    def _whole(cls, start: datetime) -> datetime:
        utc = start.astimezone(UTC)
        if utc.minute or utc.second or utc.microsecond:
            raise ValueError(f"start must be a whole hour of UTC; got {start.isoformat()}")
        return start

    @property
    def first(self) -> np.datetime64:
        """First hour, UTC datetime64[h]."""
        return np.datetime64(self.start.astimezone(UTC).replace(tzinfo=None), "h")
