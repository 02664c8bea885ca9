"""The structure of a foreign HDF5 file, looked at before a value is read.

netCDF's library follows whatever a file refers to: a link into another file, a dataset whose values are a part of
another, or whose bytes lie in any file at all (of /etc/passwd it shows the text). It takes a declared size at its word.
So does every reader built on it; what has no place in an observation file is refused here. The look itself parses the
file, so it is made where the file is read: in a process of `pipeline.ingest.sandbox`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py

from pipeline.errors import FormatError

#: real ones have 13 (prepared TROPOMI), 96 (TCCON's public file), about 130 (TROPOMI level 2 in its groups), and some
#: hundreds (TCCON with all diagnostics); a file with many more takes seconds to open, and is another kind of file
MOST_VARIABLES = 512
#: declared bytes, and how many times the file's; real ones reach 20 (repeated texts of ObsPack). Below the third, which
#: is nothing to the memory, a file of fills may be packed as well as it can
MOST_BYTES, MOST_RATIO, FREE_BYTES = 2 << 30, 200, 16 << 20
#: groups and links; the library would look at each
_MOST_LINKS = 8 * MOST_VARIABLES
#: built into the library: deflate, shuffle, Fletcher's checksum, szip, nbit, scale and offset (H5Zpublic.h)
_FILTERS = {1, 2, 3, 4, 5, 6}


def check_structure(path: Path) -> None:
    """Raise unless an HDF5 file holds all its values itself, packed as the library can unpack, and of bearable size.

    Raises
    ------
    FormatError
        Naming the variable, and what it is.
    """
    size = path.stat().st_size
    declared = variables = 0
    try:
        with h5py.File(path, "r") as data:
            for name, dataset in _datasets(data, path):
                variables += 1
                if variables > MOST_VARIABLES:
                    raise _refused(f"the file must hold at most {MOST_VARIABLES} variables", "more", path)
                _check_values(dataset, f"{path.name}: {name}")
                declared += _bytes(dataset)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            "the file must be readable HDF5", got=str(error)[:120], remedy="fetch it again", where=path.name
        ) from error
    if declared > min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * size)):
        raise _refused(
            f"the variables must not be larger than {MOST_BYTES >> 30} GB, or {MOST_RATIO} times the file",
            f"{declared} bytes in a file of {size}",
            path,
        )


def _datasets(data: h5py.File, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the datasets of all groups, each once, without following what leads out of the file."""
    links, seen, groups = 0, set(), [data["/"]]
    while groups:
        group = groups.pop()
        for name in group:
            links += 1
            if links > _MOST_LINKS:
                raise _refused(f"the file must hold at most {_MOST_LINKS} links", "more", path)
            place = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                kind = "a link into another file" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise _refused(f"{place} must be in the file itself", kind, path)
            found = group[name]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif isinstance(found, h5py.Dataset):
                yield place, found


def _check_values(dataset: h5py.Dataset, where: str) -> None:
    made = dataset.id.get_create_plist()
    if dataset.is_virtual or made.get_external_count():
        raise FormatError(
            "a variable must hold its own values",
            got="a view of other files" if dataset.is_virtual else "bytes of another file",
            remedy="ask the provider for a file that is whole",
            where=where,
        )
    filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
    if not filters <= _FILTERS:
        raise FormatError(
            "a variable must be packed by filters every HDF5 has",
            got=sorted(filters - _FILTERS),
            remedy="repack it with `nccopy -d 4`",
            where=where,
        )


def _bytes(dataset: h5py.Dataset) -> int:
    """Return the declared size; a text of any length counts as what points to it, for its bytes are in the file."""
    # Python's integers, which do not wrap round
    size = int(dataset.id.get_type().get_size())
    for length in dataset.shape or ():
        size *= int(length)
    return size


def _refused(rule: str, got: str, path: Path) -> FormatError:
    return FormatError(
        rule, got=got, remedy="it is no observation file; ask the provider for a plain one", where=path.name
    )
