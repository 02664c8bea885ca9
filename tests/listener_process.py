"""A listener as a process of its own, and senders as stations are."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from pipeline.ingest.files import expand
from pipeline.ingest.formats import hj212

ROOT = Path(__file__).resolve().parents[1]
PATTERN = "hj212_*.txt"


@contextmanager
def listening(folder, *options, port=0, before="", keep_free=0):
    """Run a listener; give the process, with `port` and what it `said`. Killed at the end when it still runs."""
    code = f"import resource, sys; from pipeline.cli import main\n{before}\nmain()"
    given = ["--port", str(port), "--hold", "0.02", "--keep-free-mb", str(keep_free), *options]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "listen", str(folder), *given],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT,
        env=os.environ | {"TZ": "Asia/Shanghai"},
    )  # fmt: skip
    try:
        process.said = []
        for line in process.stderr:
            process.said.append(line)
            if found := re.search(r"listening: on \S+ port (\d+)", line):
                process.port = int(found[1])
                break
        else:
            process.port = None
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def stop(process, number=signal.SIGTERM):
    """Send a signal; return exit code and seconds it took."""
    start = time.monotonic()
    process.send_signal(number)
    process.said.extend(process.stderr)
    return process.wait(15), time.monotonic() - start


class Sender:
    """One connection of a station."""

    def __init__(self, port, seconds=5.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def answers(self, number):
        """Return the QN of so many answers; fewer when the connection ends or nothing comes."""
        found = []
        while len(found) < number:
            if b"\r\n" not in self._held:
                try:
                    piece = self.socket.recv(4096)
                except TimeoutError:
                    break
                if not piece:
                    break
                self._held += piece
                continue
            line, _, self._held = self._held.partition(b"\r\n")
            (packet,) = hj212.packets(line)
            assert not packet.reason
            assert ";ST=91;CN=9014;" in packet.data
            assert packet.data.endswith("CP=&&&&")
            found.append(re.match(r"QN=(\d+);", packet.data)[1])
        return found

    def ended(self, seconds):
        """Return whether the other side ends the connection in time."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(4096):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


def stored(folder):
    """Return the packets of all finished files, as the reader of the files finds them."""
    if not list(folder.glob(PATTERN)):
        return []
    return [packet for path in expand(folder, PATTERN) for packet in hj212.packets(path.read_bytes())]


def stored_qn(folder):
    """Return the QN of all messages in finished files; every packet in them is one."""
    found = stored(folder)
    assert not [packet.reason for packet in found if packet.reason]
    return [re.match(r"QN=(\d+);", packet.data)[1] for packet in found]


def told(folder, until, seconds=10.0):
    """Return the counters once they are as they should be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = json.loads((folder / "listener.json").read_text())
        except FileNotFoundError:
            found = None
        if found and until(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def rejected(folder):
    """Return (reason, bytes) of what was no message."""
    lines = [
        json.loads(line) for path in sorted((folder / "rejected").iterdir()) for line in path.read_text().splitlines()
    ]
    return [(line["reason"], line["raw"].encode("latin-1")) for line in lines]
