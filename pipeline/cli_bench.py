"""The command `tianyan bench`: what this machine does with an hour of the province, and whether it keeps up."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipeline.cli_progress import Bar
from pipeline.errors import ConfigError

#: exit code when the machine does not keep up
SLOW = 1

bench = App(
    name="bench",
    help=(
        "Measure this machine: every kernel, every stage and the whole hour, on frozen inputs, cold and warm.\n\n"
        "Would a small box do? Everything that is measured is held to these limits:\n\n"
        "`tianyan bench --cores 2 --memory 4G --out here.json`\n\n"
        "`tianyan bench compare before.json after.json`\n\n"
        "The last line says whether this machine keeps up with the hour; exit code 0 when it does, 1 when not. The "
        "province is simulated once, which takes minutes, and used again."
    ),
)


@bench.default
def run(
    *,
    size: Annotated[str, Parameter(help="province, 3 km; small, 18 km; tiny, to see that it runs")] = "province",
    stations: Annotated[int, Parameter(help="of all kinds in proportion, at most 113")] = 113,
    cores: Annotated[int | None, Parameter(help="that may be used; all when not given")] = None,
    memory: Annotated[str | None, Parameter(help="of all processes together, 4G or 512M; all when not given")] = None,
    folder: Annotated[Path, Parameter(help="where inputs are made once, and the service runs")] = Path("tianyan-bench"),
    out: Annotated[Path | None, Parameter(help="JSON to write, for `tianyan bench compare`")] = None,
    table: Annotated[Path | None, Parameter(help="text file to write the tables to as well")] = None,
) -> None:
    """Measure, print tables with targets, and say in the last line whether this machine keeps up."""
    from rich.console import Console

    from benchmarks.box.limits import limits_of
    from benchmarks.box.report import make_report
    from benchmarks.box.table import show

    limits = limits_of(cores, memory)
    for path, option in ((out, "--out"), (table, "--table")):
        _require_place(path, option)
    with Bar() as progress:
        report = make_report(folder, size, stations, limits, progress)
    if out is not None:
        out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if table is not None:
        shown = Console(file=io.StringIO(), width=150)
        show(report, shown)
        lines = shown.file.getvalue().splitlines()  # type: ignore[attr-defined]
        table.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    console = Console()
    show(report, console if console.is_terminal else Console(width=150))
    if not report["verdict"]["keeps_up"]:
        sys.exit(SLOW)


def _require_place(path: Path | None, option: str) -> None:
    """Raise where nothing can be written: minutes of measuring would be lost."""
    if path is not None and (path.is_dir() or not path.resolve().parent.is_dir()):
        raise ConfigError("the folder of a file must be there", got=str(path), remedy="make it", where=option)


@bench.command
def compare(before: Path, after: Path) -> None:
    """Tell what changed from one report to another, as ratios, and which changes exceed the spread within the runs.

    Parameters
    ----------
    before
        Written by `tianyan bench --out`.
    after
        Another.
    """
    from rich.console import Console

    from benchmarks.box.compare import show
    from benchmarks.box.report import read_report

    console = Console()
    show(read_report(before), read_report(after), console if console.is_terminal else Console(width=150))
