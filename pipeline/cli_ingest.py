"""Commands on foreign files besides those of `pipeline.cli`. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def columns(
    files: Annotated[list[Path], Parameter(negative=())],
    *,
    format: Annotated[str, Parameter(help="layout of the files, as columns.format of a case")],
    species: Annotated[str, Parameter(help="co2 or ch4")],
    box: Annotated[str | None, Parameter(help="west,east,south,north in degrees: 118,123.3,27,31.3")] = None,
) -> None:
    """Read files of satellite columns, or of spectrometers on the ground, and print what became of every sounding.

    Parameters
    ----------
    files
        Files of one layout.
    """
    from pipeline.answers import box_of
    from pipeline.ingest import account, inspect_columns
    from pipeline.settings import ColumnSettings, validated
    from pipeline.units import species as species_of

    gas = species_of(species)
    name = format.upper().replace("-", "_")
    feed = validated(ColumnSettings, {"id": name, "format": format, "files": ["*"], "representation_error": 0.0})
    area = None if box is None else box_of(box, "--box")
    found = [inspect_columns(path, feed, gas, area) for path in files]
    print(account.render([told for told, _ in found]))
    for remark in dict.fromkeys(remark for _, remarks in found for remark in remarks):
        print(f"- {remark}")


def mobile(
    tracks: Annotated[list[Path], Parameter(negative=())],
    *,
    section: Annotated[Path, Parameter(help="TOML file of the keys of one section [[mobile]], without files")],
    species: Annotated[str, Parameter(help="co2, ch4 or co")],
    table: Annotated[Path | None, Parameter(help="station table of your own (docs/stations.md)")] = None,
    rules: Annotated[Path | None, Parameter(help="thresholds of your own (docs/quality.md)")] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to write; none when not given")] = None,
) -> None:
    """Read a mobile laboratory's tracks, print what became of every row, and draw the road and its segments.

    Parameters
    ----------
    tracks
        Files of one laboratory.
    """
    from pipeline.drives import read_tracks
    from pipeline.ingest import account

    found = read_tracks(tracks, section, species, [table] if table else [], [rules] if rules else [])
    print(account.render(found.drive.accounts))
    if picture is not None:
        from pipeline.show_track import draw_track

        draw_track(found.drive, found.title, found.gas, picture)
        print(f"picture: {os.path.relpath(picture)}")


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
