"""Commands that bring deliveries: what a provider does not send is fetched, each source by a command of its own.

A command is the operator's own, from the case file: no shell is between, and nothing a provider said is part of it. It
puts files into the inbox, under a name of files under way until they are whole. One that fails or hangs stops nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.errors import shown
from pipeline.service.ledger import Ledger
from pipeline.service.log import Log
from pipeline.settings import FetchSettings

#: bytes of a command's output that the log keeps
_TAIL = 2000


def fetch(sources: Sequence[FetchSettings], inbox: Path, ledger: Ledger, log: Log, now: datetime) -> list[str]:
    """Run the commands that are due, one after the other; return a sentence for each that failed.

    Parameters
    ----------
    sources
        Sections [[service.fetch]].
    inbox
        Where they run.
    ledger, log
        Of the service.
    now
        The time.
    """
    failed = []
    for source in sources:
        if now < next_time(source, ledger):
            continue
        code, told = _run(source, inbox)
        ledger.note(_note(source), json.dumps({"at": now.isoformat(), "code": code}))
        if code == 0:
            log.info("fetched", source=source.name)
        else:
            log.warn("fetch failed", source=source.name, code=code, output=told)
            failed.append(f"{source.name}: exit code {code}: {told}" if told else f"{source.name}: exit code {code}")
    return failed


def next_time(source: FetchSettings, ledger: Ledger) -> datetime:
    """Return when a source is due: one that failed again at the next run, others after `every_minutes`."""
    noted = ledger.noted(_note(source))
    if noted is None:
        return datetime.min.replace(tzinfo=UTC)
    last = json.loads(noted)
    at = datetime.fromisoformat(last["at"])
    return at if last["code"] else at + timedelta(minutes=source.every_minutes)


def _note(source: FetchSettings) -> str:
    return f"fetch {source.name}"


def _run(source: FetchSettings, inbox: Path) -> tuple[int, str]:
    """Return the exit code of a command and the end of what it wrote; what it started ends with it."""
    try:
        process = subprocess.Popen(
            source.command,
            cwd=inbox,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return 127, shown(str(error))
    try:
        told, _ = process.communicate(timeout=source.timeout_seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        told, _ = process.communicate()
        code = 124
    return code, shown(told[-_TAIL:].decode(errors="replace").strip(), _TAIL)
