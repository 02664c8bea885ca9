"""Readers that do what a hostile file could make a reader do; a process of `pipeline.ingest.sandbox` runs them."""

import ctypes
import os
import signal
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, TimeError


@dataclass(frozen=True)
class Found:
    """What the good reader returns."""

    text: str
    value: np.ndarray


@dataclass(frozen=True)
class Other:
    """What it should not return."""

    text: int
    value: np.ndarray


def good(path, **told):
    return Found(path.read_text() + str(told), np.arange(3.0))


def refuse(path, **told):
    raise TimeError("a rule", got=np.timedelta64(3, "h"), remedy="a remedy", where=path.name)


def misconfigured(path, **told):
    raise ConfigError("a setting must be", got=("a", 1), remedy="set it")


def stumble(path, **told):
    return {}["missing"]


def crash(path, **told):
    ctypes.string_at(0)


def abort(path, **told):
    os.kill(os.getpid(), signal.SIGABRT)


def spin(path, **told):
    while True:
        pass


def hang(path, **told):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Event().wait()


def eat(path, **told):
    return Found("", np.ones(1 << 40))


def flood(path, **told):
    return Found("", np.zeros(1 << 24))


def write(path, **told):
    try:
        with path.with_suffix(".written").open("wb") as stream:
            stream.write(b"x")
    except OSError as error:
        return Found(f"refused: {error.strerror}", np.arange(3.0))
    return Found("written", np.arange(3.0))


def open_many(path, **told):
    handles = [path.open() for _ in range(1000)]
    return Found(str(len(handles)), np.arange(3.0))


def call(path, **told):
    with socket.socket() as there:
        there.settimeout(2)
        there.connect(("127.0.0.1", int(path.read_text())))
    return Found("connected", np.arange(3.0))


def look_round(path, **told):
    variables = "\n".join(f"{name}={value}" for name, value in os.environ.items())
    return Found(variables, np.array([len(os.listdir("/proc/self/task"))], dtype=np.float64))


def other(path, **told):
    return Other(1, np.arange(3.0))


def garbage(path, **told):
    """Write what no honest child writes, and go: the path holds the bytes."""
    text = path.read_bytes()
    handles = [int(name) for name in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{name}").is_fifo()]
    os.write(max(handles), struct.pack("<Q", len(text)) + text)
    os._exit(0)


READERS = {
    reader.__name__: reader
    for reader in (
        good, refuse, misconfigured, stumble, crash, abort, spin, hang, eat, flood, write, open_many, call, look_round,
        other, garbage,
    )
}  # fmt: skip
