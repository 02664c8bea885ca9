"""Errors of the moment: what the system refuses now it may grant later, and nothing about a file follows from it."""

from __future__ import annotations


def passes(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, is one of the system: no rights, no descriptors, no memory, no disk.

    Errors of a library about what a file holds have no number of the system's.
    """
    while error is not None:
        if isinstance(error, OSError) and (error.errno or 0) > 0:
            return True
        error = error.__cause__
    return False
