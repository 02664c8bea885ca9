"""The averaging interval of a feed's files: that of most of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.errors import TimeError


def usual_interval(intervals: Sequence[np.timedelta64]) -> np.timedelta64:
    """Return the interval that most files have; of those that as many have, the first.

    Examples
    --------
    >>> usual_interval([np.timedelta64(60, "m"), np.timedelta64(30, "m"), np.timedelta64(30, "m")])
    np.timedelta64(30,'m')
    """
    return Counter(intervals).most_common(1)[0][0]


def odd_interval(interval: np.timedelta64, usual: np.timedelta64, *, remedy: str, where: str) -> TimeError:
    """Return the error of a file that has another interval than most."""
    return TimeError(
        f"the files of a feed must have one averaging interval, that of most: {usual}",
        got=str(interval),
        remedy=remedy,
        where=where,
    )
