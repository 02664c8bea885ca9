"""`tianyan service check`: every number of the store against its digest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.cli_service import CaseFile


def check(
    *,
    case: CaseFile = Path("case.toml"),
    days: Annotated[int | None, Parameter(help="read the newest so many days only; all when not given")] = None,
    repair: Annotated[bool, Parameter(negative=(), help="bring the store back to what is whole")] = False,
) -> None:
    """Read every hour of the store, and hold it against its digests.

    A disk may damage what was written long ago; a reader of that hour gets an error, never a number. With --repair such
    an hour says again what an earlier version said, and is due; a month takes some seconds to read. Exit code 1 when
    something is wrong and was not repaired.
    """
    from pipeline.service.checking import checked, repaired
    from pipeline.service.place import read_place
    from pipeline.service.runs import running

    with running(read_place(case), "service check") as (service, _):
        count, wrong = checked(service, days)
        for hour, why in wrong.items():
            print(f"{hour}: {why}")
        print(f"{count} hour(s) read, {len(wrong)} of them not as written")
        if wrong and repair:
            for line in repaired(service, wrong):
                print(line)
        elif wrong:
            sys.exit(1)
