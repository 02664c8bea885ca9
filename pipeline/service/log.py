"""What a service tells: one JSON object a line, with its run's id. A full disk or a closed terminal stops nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

_BYTES, _FILES = 4 << 20, 5


class _Json(logging.Formatter):
    """One line of JSON a record; characters that are not printable are escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "run": getattr(record, "run", ""),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        return json.dumps(told, ensure_ascii=True, default=str)


class _Quiet(RotatingFileHandler):
    """A log file whose disk may be full: what cannot be written is counted, and nothing else happens."""

    lost = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's own name
        self.lost += 1

    def close(self) -> None:
        """Close the file; what could not be written is given up."""
        with contextlib.suppress(OSError):
            super().close()


class _Stream(logging.StreamHandler[TextIO]):
    """Standard error, which may be closed."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on."""


class Log:
    """The log of one run.

    Parameters
    ----------
    run
        Its id, in every line.
    folder
        Where `service.log` stands, and what was before it; no file when not given.
    echo
        Whether lines go to standard error too, for a journal.
    """

    def __init__(self, run: str, folder: Path | None = None, *, echo: bool = False) -> None:
        self.run = run
        self._logger = logging.Logger(f"tianyan.{run}")
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                handler = _Quiet(folder / "service.log", maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
                handler.setFormatter(_Json())
                self._logger.addHandler(handler)
        if echo:
            stream = _Stream(sys.stderr)
            stream.setFormatter(_Json())
            self._logger.addHandler(stream)

    def info(self, event: str, **told: Any) -> None:
        """Tell what happened."""
        self._logger.info(event, extra={"run": self.run, "told": told})

    def warn(self, event: str, **told: Any) -> None:
        """Tell what a person should look at."""
        self._logger.warning(event, extra={"run": self.run, "told": told})

    def close(self) -> None:
        """Close the file."""
        for handler in list(self._logger.handlers):
            handler.close()
            self._logger.removeHandler(handler)
