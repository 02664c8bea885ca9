"""Commands on foreign files besides those of `pipeline.cli`. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import os
from pathlib import Path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip, tar or tar.gz of station files, or refuse it whole when it holds anything but plain files.

    Parameters
    ----------
    archive
        The archive.
    folder
        Where to put its files; made when it is not there. No file there is replaced.
    """
    from pipeline.ingest.archives import unpack_archive

    files = unpack_archive(archive, folder)
    print(f"{len(files)} file(s) in {os.path.relpath(folder)}")
