"""A store that is served: within this process, and by a process of its own."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

from starlette.testclient import TestClient

from pipeline.serve import Guard, Network, Shelf, create_app
from pipeline.serve.price import Gate

HOST = "testserver"


def client_of(store, *, token=None, case=None, shelf=None):
    """A client of a store's routes, with the guard around them; errors of ours are replies, not raised."""
    gate = Gate()
    app = create_app(shelf or Shelf(store), Network(case), gate)
    return TestClient(Guard(app, gate, [HOST], token), raise_server_exceptions=False)


@contextmanager
def process_of(store, *arguments):
    """`tianyan serve` of a store as a process; gives its address."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(store), "--port", "0", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "ICECHUNK_LOG": "error"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as one:
        try:
            line = one.stdout.readline()
            found = re.fullmatch(r"serving (http://127\.0\.0\.1:\d+)\n", line)
            if found is None:
                one.kill()
                raise AssertionError(f"no address: {line!r} {one.stderr.read()}")
            yield found[1], one
        finally:
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()
