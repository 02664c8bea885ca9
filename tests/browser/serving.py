"""A server of the project as a process of its own, on a free port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The server of a store; it ends with the context."""

    def __init__(self, store: Path, log: Path) -> None:
        self._log = log.open("w")
        command = [sys.executable, "-m", "pipeline.cli", "serve", str(store), "--port", "0"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("serving http"):
            self.__exit__()
            raise AssertionError(f"the server did not start: {line} {log.read_text()}")
        self.url = line.split()[1].strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        self._log.close()
