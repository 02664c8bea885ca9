"""Which rows of what was delivered count: a service's registry in a few lines."""

import hashlib

from pipeline.service.standing import revision_of


def sha(content):
    return hashlib.sha256(content).hexdigest()


def rows_in(path, content):
    """Return the rows of a file, time and value; None when it cannot be used."""
    if not content.startswith(b"time,co2\n") or b"\x00" in content:
        return None
    rows = [line.split(",") for line in content.decode().splitlines()[1:]]
    return [(time.removesuffix(":00Z"), float(value)) for time, value in rows] or None


class Model:
    """Which rows count, by what was taken."""

    def __init__(self):
        self.taken: dict[str, list[bytes]] = {}
        self.recalled: set[str] = set()

    def kept(self, path):
        """Return the versions of a path but for those that the next one begins with and can be used."""
        versions = self.taken[path]
        return [
            version
            for version, after in zip(versions, [*versions[1:], None], strict=True)
            if after is None or not after.startswith(version) or rows_in(path, after) is None
        ]

    def damaged(self):
        """Return the paths of which a version is set aside."""
        return {
            path
            for path in self.taken
            if any(rows_in(path, one) is None and sha(one) not in self.recalled for one in self.kept(path))
        }

    def counting(self):
        """Return the content that counts, and its path."""
        by_name = {}
        for path in self.taken:
            usable = [v for v in self.kept(path) if rows_in(path, v) is not None and sha(v) not in self.recalled]
            name, number = revision_of(path)
            if usable and not (number and len(set(usable)) > 1):
                by_name.setdefault(name, []).append((number, path, usable[-1]))
        newest = {path: content for found in by_name.values() for _, path, content in [max(found)]}
        # the same content counts once
        return {content: path for path, content in sorted(newest.items(), reverse=True)}

    def rows(self):
        """Return station, time and value of every row that counts."""
        told = {}
        for content, path in self.counting().items():
            for time, value in rows_in(path, content):
                told.setdefault((path[:3].upper(), time), set()).add(round(value, 4))
        return sorted((*at, *values) for at, values in told.items() if len(values) == 1)
