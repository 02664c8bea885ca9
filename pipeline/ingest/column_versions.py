"""One version of a product in a window, and of a granule its latest edition.

Product, version, variant and scale are a granule's identity. Files of one product must have one identity: another
version or variable has another bias, whose step would look like a flux. Two files of one identity are editions of one
granule when they hold the same sounding, by the product's own name of it; the later, by edition and date of making,
supersedes the other whole, for what it left out was left out on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ConfigError
from pipeline.ingest.soundings import Identity


def require_one_version(files: Sequence[tuple[str, Identity]]) -> None:
    """Raise when files of one product are of two versions or variants.

    Parameters
    ----------
    files
        (path, identity).

    Raises
    ------
    ConfigError
        Naming one file of each.
    """
    first: dict[str, tuple[str, Identity]] = {}
    for name, identity in files:
        other, known = first.setdefault(identity.product, (name, identity))
        if _kind(known) != _kind(identity):
            raise ConfigError(
                f"versions and variants of {identity.product} must not be mixed in one window",
                got=f"{other} is {_said(known)}; {name} is {_said(identity)}",
                remedy="keep the files of one; where a product changed within the window, take a reprocessed one",
                where="columns",
            )


def superseded(files: Sequence[tuple[Identity, np.ndarray]]) -> np.ndarray:
    """Return which files a later edition of the same granule stands for, (file,) bool.

    Parameters
    ----------
    files
        (identity, names of the soundings) of each file of one instrument.
    """
    out = np.zeros(len(files), dtype=bool)
    latest: dict[tuple[object, str], tuple[object, ...]] = {}
    for identity, names in files:
        for name in names.tolist():
            key = (_kind(identity), name)
            latest[key] = max(latest.get(key, ()), identity.issue)
    for number, (identity, names) in enumerate(files):
        out[number] = any(latest[_kind(identity), name] > identity.issue for name in names.tolist())
    return out


def _kind(identity: Identity) -> tuple[str, str, str, str]:
    return identity.product, identity.version, identity.variant, identity.scale


def _said(identity: Identity) -> str:
    return f"{identity}{f' on {identity.scale}' if identity.scale else ''}"
