"""Which of the deliveries of a feed count: a function of the deliveries alone, whatever their order.

A file delivered again under its own name is a revision, the newest of which counts. One whose name carries a revision,
`NAME.r2.csv`, counts before `NAME.r1.csv` and `NAME.csv`, whichever came first. The same content under two names counts
once. A name with a revision that comes with other content than before contradicts itself: neither counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

CURRENT, SUPERSEDED, DUPLICATE, REFUSED, CONFLICT, RECALLED = (
    "current", "superseded", "duplicate", "refused", "conflict", "recalled",
)  # fmt: skip
_REVISION = re.compile(r"\.r(\d{1,6})(?=\.|$)")


@dataclass(frozen=True)
class Delivery:
    """One version of a file.

    Parameters
    ----------
    path
        Where it came to, under the inbox.
    sequence
        How many versions came under this path before it, and this one.
    sha256
        Of its content.
    grown
        The next version of the path begins with this content, and could be used: a file that grows. This one is not
        kept, and never counts.
    error
        Why it cannot be used; empty when it can.
    """

    path: str
    sequence: int
    sha256: str
    grown: bool = False
    error: str = ""


def revision_of(path: str) -> tuple[str, int]:
    """Return a path without the revision in its name, and the revision; 0 when it has none.

    Examples
    --------
    >>> revision_of("hz/HZ_20240715.r2.csv"), revision_of("hz/HZ_20240715.csv")
    (('hz/HZ_20240715.csv', 2), ('hz/HZ_20240715.csv', 0))
    """
    name = PurePosixPath(path).name
    found = _REVISION.search(name)
    if found is None:
        return path, 0
    bare = name[: found.start()] + name[found.end() :]
    return str(PurePosixPath(path).with_name(bare)), int(found.group(1))


def standing(deliveries: Iterable[Delivery], recalled: Collection[str] = ()) -> dict[tuple[str, int], tuple[str, str]]:
    """Return of each delivery of one feed, by path and sequence, its state and the reason of it.

    Parameters
    ----------
    deliveries
        All of the feed, in any order.
    recalled
        Digests of content that its provider has withdrawn.
    """
    out: dict[tuple[str, int], tuple[str, str]] = {}
    usable: dict[str, list[Delivery]] = {}
    for one in sorted(deliveries, key=lambda one: (one.path, one.sequence)):
        if one.sha256 in recalled:
            out[one.path, one.sequence] = RECALLED, "withdrawn by its provider"
        elif one.error:
            out[one.path, one.sequence] = REFUSED, one.error
        elif one.grown:
            out[one.path, one.sequence] = SUPERSEDED, "grown"
        else:
            usable.setdefault(one.path, []).append(one)
    named: dict[str, list[tuple[int, Delivery]]] = {}
    for path, versions in usable.items():
        bare, revision = revision_of(path)
        for old in versions[:-1]:
            out[path, old.sequence] = SUPERSEDED, "a later version came under its name"
        if revision and len({one.sha256 for one in versions}) > 1:
            contradicts = CONFLICT, f"revision {revision} came with two contents"
            out |= {(path, one.sequence): contradicts for one in versions}
        else:
            named.setdefault(bare, []).append((revision, versions[-1]))
    kept = [one for found in named.values() for one in _newest(found, out)]
    first: dict[str, str] = {}
    for one in sorted(kept, key=lambda one: one.path):
        same = first.setdefault(one.sha256, one.path)
        out[one.path, one.sequence] = (CURRENT, "") if same == one.path else (DUPLICATE, f"the same as {same}")
    return out


def _newest(found: list[tuple[int, Delivery]], out: dict[tuple[str, int], tuple[str, str]]) -> list[Delivery]:
    """Return those of the highest revision of a name, if they agree; say of the others why they do not count."""
    highest = max(revision for revision, _ in found)
    best = [one for revision, one in found if revision == highest]
    for revision, one in found:
        if revision < highest:
            out[one.path, one.sequence] = SUPERSEDED, f"revision {highest} came"
    if len({one.sha256 for one in best}) == 1:
        return best
    out |= {(one.path, one.sequence): (CONFLICT, f"revision {highest} came with two contents") for one in best}
    return []
