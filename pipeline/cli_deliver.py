"""`tianyan osse deliver`: the files of a simulated case, as they would have come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def deliver(
    world: Path,
    folder: Path,
    *,
    until: Annotated[str, Parameter(help="what has arrived by this time, with zone: 2024-07-15T06Z")],
    late: Annotated[int | None, Parameter(help="let some files come late; a seed of which")] = None,
) -> None:
    """Deliver the files of a simulated case into a service's folder, as they would have come by a time.

    Called again with a later time, more has come: so the hourly service can be tried. The first call makes the folder
    with its case.toml.

    Parameters
    ----------
    world
        A folder `tianyan osse make` made.
    folder
        The service's; new, or of an earlier call.
    """
    from pipeline.cli_osse import deliver_until
    from pipeline.cli_times import parse_time, utc

    print(deliver_until(world, folder, utc(parse_time(until, "--until")), late))
