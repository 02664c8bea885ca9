"""Files that could not be used: set aside with the reason, while the run goes on with the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from pipeline.errors import InputError, shown
from pipeline.ingest.account import Account


@dataclass(frozen=True)
class Refused:
    """A file that was set aside.

    Parameters
    ----------
    path, name
        The file, and what an account calls it.
    error
        Why.
    """

    path: Path
    name: str
    error: InputError

    def account(self, station: str, species: str, height: float) -> Account:
        """Return the account of the file: no row of it was used, and why."""
        return Account(self.name, station, species, height, 0, {}, 0, 0, {}, refused=self.error, sha256=self._digest())

    def _digest(self) -> str:
        """Return the SHA-256 of what was refused; empty when it cannot be read at all."""
        try:
            with self.path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return ""


class FeedRefusedError(InputError):
    """No file of a feed can be used."""

    def __init__(self, refused: Sequence[Refused], where: str) -> None:
        self.refused = tuple(refused)
        super().__init__(
            "a feed must have a file that can be used",
            got=[str(one.error) for one in self.refused],
            remedy="correct one of them",
            where=where,
        )


def refused_of(error: InputError, paths: Sequence[Path], names: Sequence[str]) -> tuple[Refused, ...]:
    """Return the files of a feed that is lost: each with its own error, or all with that of the feed."""
    if isinstance(error, FeedRefusedError):
        return error.refused
    return tuple(Refused(path, name, error) for path, name in zip(paths, names, strict=True))


def record(accounts: Sequence[Account]) -> str:
    """Return the files set aside as JSON: what each is by content, and rule, value and remedy of its error."""
    rows = [
        {
            "file": told.source,
            "sha256": told.sha256,
            "station": told.station,
            "error": type(told.refused).__name__,
            "rule": told.refused.rule,
            "got": None if told.refused.got is None else shown(repr(told.refused.got)),
            "remedy": told.refused.remedy,
        }
        for told in accounts
        if told.refused is not None
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def notes(accounts: Sequence[Account]) -> list[str]:
    """Return a sentence for each file set aside, and for each feed of which no file is left."""
    feeds: dict[tuple[str, float], list[Account]] = {}
    for told in accounts:
        feeds.setdefault((told.station, told.height), []).append(told)
    files = [f"{told.source} was set aside: {told.refused}" for told in accounts if told.refused is not None]
    lost = [
        f"station {station} at {height:g} m is missing: none of its {len(mine)} file(s) can be used"
        for (station, height), mine in feeds.items()
        if all(told.refused is not None for told in mine)
    ]
    return files + lost


def reasons(accounts: Sequence[Account]) -> list[str]:
    """Return the files set aside, each with the rule it does not keep."""
    return [f"{told.source}: {told.refused.rule}" for told in accounts if told.refused is not None]


def require_usable(receptors: xr.Dataset, accounts: Sequence[Account]) -> None:
    """Raise when files were set aside and no observation is left that could be used.

    Raises
    ------
    InputError
        Naming the files.
    """
    files = reasons(accounts)
    if files and receptors.sizes["obs"] == 0:
        raise InputError(
            "there must be observations to use",
            got=f"{len(files)} file(s) set aside: {'; '.join(files)}",
            remedy="correct one of the files, or name others in the case",
            where="observations",
        )
