"""Warnings of libraries that are known and change nothing."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: Python keeps one list of filters for all threads
_ONE = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings back while a library is called that gives one every time."""
    with _ONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
