"""`tianyan listen`: take the messages of micro stations off the line, into files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def listen(
    folder: Path,
    *,
    port: Annotated[int, Parameter(help="TCP port; 0 for any that is free, told on standard error")] = 2120,
    bind: Annotated[
        str, Parameter(help="address to listen on; any but this machine's own needs --allow")
    ] = "127.0.0.1",
    allow: Annotated[
        list[str] | None,
        Parameter(negative=(), help="network that may connect, 10.0.0.0/8; once for each, or the word any"),
    ] = None,
    rotate_seconds: Annotated[float, Parameter(help="age at which a file is finished and named")] = 300.0,
    rotate_mb: Annotated[float, Parameter(help="size at which it is")] = 16.0,
    hold: Annotated[float, Parameter(help="seconds messages are gathered for one writing to disk")] = 0.5,
    connections: Annotated[int, Parameter(help="most at the same time")] = 200,
    idle: Annotated[float, Parameter(help="seconds without a message after which a connection is closed")] = 600.0,
    patience: Annotated[float, Parameter(help="seconds from the first byte of a message to its last")] = 30.0,
    rate_kb: Annotated[float, Parameter(help="kB a second of one connection; faster ones are slowed")] = 16.0,
    total_rate_kb: Annotated[float, Parameter(help="kB a second of all connections")] = 256.0,
    longest: Annotated[
        int, Parameter(help="bytes of a data segment; the standard has 1024, no packet above 9999")
    ] = 1024,
    keep_free_mb: Annotated[
        float, Parameter(help="MB of the disk that are left free; short of it no message is taken")
    ] = 256.0,
) -> None:
    """Listen for HJ 212-2017 messages and store them in a folder that hourly runs read.

    Messages are stored as they came, nothing in them is interpreted. A sender that asks for it (bit 0 of Flag) is
    answered once its message is on disk. Files under way end in .part, which patterns of a case do not find; after five
    minutes they lose it and are never written again. Let the case read them:

    `files = ["spool/hj212_*.txt"]` and `hj212 = { mn = "...", ... }` in its sections [[stations]]

    On this machine, behind a gateway; and for the stations of a network:

    `tianyan listen spool`

    `tianyan listen spool --bind 0.0.0.0 --allow 10.20.0.0/16`

    FOLDER/listener.json counts what came and what was refused; FOLDER/rejected holds what was no message, with the
    reason. It ends on SIGTERM or Ctrl-C, with all it took on disk: exit code 0, or 1 when the disk would not take it.
    docs/listener.md has the rest.

    Parameters
    ----------
    folder
        Where files go; made when its parent is there. One listener a folder.
    """
    from pipeline.listener import Limits, Spool, networks
    from pipeline.listener import listen as listen_in

    allowed = networks(bind, allow or ())
    limits = Limits(
        connections=connections, idle=idle, patience=patience, rate=1e3 * rate_kb, total_rate=1e3 * total_rate_kb,
        longest=longest, hold=hold,
    )  # fmt: skip
    spool = Spool(
        folder, seconds=rotate_seconds, size=round(1e6 * rotate_mb), least_free=round(1e6 * keep_free_mb)
    )  # fmt: skip
    if listen_in(spool, bind, port, limits, allowed):
        sys.exit(1)
