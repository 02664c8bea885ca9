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
from tempfile import TemporaryFile

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
        if now < next_time(source, ledger, now):
            continue
        code, told = _run(source, inbox)
        ledger.note(_note(source), json.dumps({"at": now.isoformat(), "code": code}))
        if code == 0:
            log.info("fetched", source=source.name)
        else:
            log.warn("fetch failed", source=source.name, code=code, output=told)
            failed.append(f"{source.name}: exit code {code}: {told}" if told else f"{source.name}: exit code {code}")
    return failed


def next_time(source: FetchSettings, ledger: Ledger, now: datetime) -> datetime:
    """Return when a source is due: one that failed again at the next run, others after `every_minutes`.

    What was fetched later than now was so by a clock that was wrong.
    """
    noted = ledger.noted(_note(source))
    if noted is None:
        return datetime.min.replace(tzinfo=UTC)
    last = json.loads(noted)
    at = datetime.fromisoformat(last["at"])
    return min(at, now) if last["code"] or at > now else at + timedelta(minutes=source.every_minutes)


def _note(source: FetchSettings) -> str:
    return f"fetch {source.name}"


def _run(source: FetchSettings, inbox: Path) -> tuple[int, str]:
    """Return the exit code of a command and the end of what it wrote; what it started ends with it."""
    # a file, not a pipe: what leaves the session may hold it open for as long as it lives
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                source.command,
                cwd=inbox,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return 127, shown(str(error))
        try:
            code = process.wait(source.timeout_seconds)
        except subprocess.TimeoutExpired:
            code = 124
        finally:
            # also when we are told to stop
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL))
        return code, shown(output.read(_TAIL).decode(errors="replace").strip(), _TAIL)
