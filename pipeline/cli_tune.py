"""`tianyan tune`: the error settings under which a case's observations are most likely, as a table and as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.tune import CaseTuning


def tune(
    case: Path,
    *,
    data: Annotated[Path | None, Parameter(help="input folder, instead of inputs.root of the case")] = None,
    most: Annotated[int, Parameter(help="observations to use at most; the time it takes grows as they do")] = 1000,
    every: Annotated[int, Parameter(help="use every n-th hour")] = 1,
    seed: Annotated[int, Parameter(help="fixes which observations are used")] = 1,
    restricted: Annotated[
        bool, Parameter(negative=(), help="give away the mean background and a factor on each sector's prior")
    ] = False,
    only: Annotated[
        list[str] | None, Parameter(negative=(), help="parameters to tune, such as biosphere.length, background, sigma")
    ] = None,
    offset_hours: Annotated[bool, Parameter(negative=(), help="tune the time over which offsets drift too")] = False,
) -> None:
    """Find the error settings under which a case's observations are most likely. The case file is not changed.

    Parameters
    ----------
    case
        The case's TOML file, for example workflows/tacolneston.toml.
    """
    from rich.console import Console

    from pipeline.tune import tune_case

    with Console(stderr=True).status("starting") as status:
        found = tune_case(
            case, root=data, most=most, every=every, seed=seed, restricted=restricted, only=tuple(only or ()),
            offset_hours=offset_hours, progress=lambda stage, done, _: status.update(f"{stage} {done or ''}"),
        )  # fmt: skip
    report(found, Console())


def report(found: CaseTuning, console: Console) -> None:
    """Print the table, what to know of it, and the lines for the case file."""
    from rich.table import Table

    table = Table(title=f"tuned with {found.used} of {found.of} observations", title_justify="left")
    table.add_column("parameter", no_wrap=True)
    table.add_column("meaning")
    for column in ("stated", "tuned", "+-"):
        table.add_column(column, justify="right")
    for line in found.lines:
        error = f"{line.error:.0%}" if line.error < 10 else "-"
        stated, tuned = (f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in (line.stated, line.tuned))
        table.add_row(line.name, line.meaning, stated, tuned, error)
    console.print(table)
    before, after = found.tuned.before, found.tuned.after
    for name, one, other in (("log-likelihood", before.value, after.value), ("reduced chi2", before.chi2, after.chi2)):
        console.print(f"{name}: {one:.2f} before, {other:.2f} after", highlight=False)
    for note in found.notes:
        console.print(f"- {note}", highlight=False, markup=False)
    if found.toml:
        console.print("\nfor the case file, what is determined:\n", highlight=False)
        console.print("\n".join(found.toml), highlight=False, markup=False, soft_wrap=True)
