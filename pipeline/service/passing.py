"""What says nothing of a file: errors of the moment, which the system may take back, and names that cannot be kept."""

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


def is_utf8(name: str) -> bool:
    """Return whether a path can be written down: bytes of a file's name need not be of UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
