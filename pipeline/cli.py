"""The `tianyan` command. Heavy libraries are imported inside the commands, so that --help is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from pipeline._version import __version__
from pipeline.cli_bench import bench
from pipeline.cli_calibrate import calibrate
from pipeline.cli_compare import compare
from pipeline.cli_deliver import deliver
from pipeline.cli_design import design
from pipeline.cli_export import export, ledger
from pipeline.cli_ingest import columns, mobile, unpack
from pipeline.cli_install import service
from pipeline.cli_listen import listen
from pipeline.cli_progress import Bar
from pipeline.cli_qc import qc
from pipeline.cli_query import query
from pipeline.cli_report import report
from pipeline.cli_serve import serve
from pipeline.cli_service import backfill, hour, release, reprocess, run_due
from pipeline.cli_status import status
from pipeline.cli_tune import tune
from pipeline.errors import LockedError, TianyanError

app = App(
    name="tianyan",
    version=__version__,
    help=(
        "tianyan (天眼): greenhouse-gas measurements to maps of emission and uptake, with honest uncertainty.\n\n"
        "Start with `tianyan demo`; then write a case file (`tianyan config explain`), check it "
        "(`tianyan config check CASE.toml`), run it (`tianyan run CASE.toml`) and look at it (`tianyan show STORE`)."
    ),
)
config = App(name="config", help="Check a case file, or explain every key of one.")
ingest = App(name="ingest", help="Read foreign files and account for every row.")
footprints = App(
    name="footprints",
    help=(
        "Make the footprints of a case with a section [transport], or draw one.\n\n"
        "What is there is not made again, so a stopped run goes on where it was. For example:\n\n"
        "`tianyan footprints workflows/bowen.toml --from 2022-12-07T00Z --to 2022-12-08T00Z`\n\n"
        "`tianyan footprints show workflows/bowen.toml --station TROPOMI`"
    ),
)
app.command(config)
app.command(ingest)
ingest.command(columns)
ingest.command(mobile)
ingest.command(unpack)
osse = App(
    name="osse",
    help=(
        "Make a simulated province whose true fluxes are known, and score an inversion of it.\n\n"
        "A week at 3 km with the whole network, and what its inversion is worth:\n\n"
        "`tianyan osse make week --seed 1`\n\n"
        "`tianyan run week/case.toml`\n\n"
        "`tianyan osse score week`"
    ),
)
app.command(footprints)
app.command(osse)
osse.command(deliver)
app.command(qc)
app.command(query)
app.command(serve)
app.command(compare)
app.command(export)
app.command(ledger)
app.command(report)
app.command(tune)
app.command(design)
app.command(calibrate)
app.command(hour)
app.command(run_due)
app.command(backfill)
app.command(reprocess)
app.command(release)
app.command(status)
app.command(listen)
app.command(service)
app.command(bench)


@app.command
def run(
    case: Path,
    *,
    data: Annotated[Path | None, Parameter(help="input folder, instead of inputs.root of the case")] = None,
    store: Annotated[Path | None, Parameter(help="where to write, instead of outputs.store of the case")] = None,
    scheduler: Annotated[
        str | None, Parameter(help="local (processes of this machine), or the address of a dask scheduler")
    ] = None,
) -> None:
    """Run a case: files in, one Zarr store out.

    Parameters
    ----------
    case
        The case's TOML file, for example workflows/tacolneston.toml.
    """
    from pipeline.case import run_case

    with Bar() as progress:
        written = run_case(case, root=data, store=store, scheduler=scheduler, progress=progress)
    _show(written)


@app.command
def show(store: Path, *, picture: Path | None = None, full: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Print the account of a store and draw its picture.

    Parameters
    ----------
    store
        A Zarr folder written by `tianyan run`.
    picture
        PNG to write; beside the store when not given.
    full
        Print what became of the rows of every file, however many files there are.
    """
    _show(store, picture=picture, full=full)


@app.command
def demo(
    folder: Path = Path("demo-output"),
    *,
    seed: int = 2024,
) -> None:
    """Simulate a day over Zhejiang, write it as files in the real formats, ingest and invert them.

    Parameters
    ----------
    folder
        Where to put inputs, store and picture.
    seed
        Seed of everything random; the same seed gives the same files.
    """
    from pipeline.case import run_case
    from pipeline.osse import make_demo, print_score

    with Bar() as progress:
        progress("simulating", 0, 0)
        case = make_demo(folder, seed=seed, progress=progress)
        store = run_case(case, progress=progress)
    _show(store)
    print_score(store, folder / "truth.nc")
    print(f"on a map, in a browser: tianyan serve {os.path.relpath(store)}")


@config.command
def check(case: Path) -> None:
    """Check a case file: every key, type and value, its grid, its need of memory, and that its input files exist.

    Parameters
    ----------
    case
        The case's TOML file.
    """
    from pipeline.case import domain_grid
    from pipeline.case_inputs import input_files
    from pipeline.settings import input_root, read_settings

    settings = read_settings(case)
    grid = domain_grid(settings)
    files = input_files(settings, input_root(settings, case))
    print(
        f"{case.name}: fine. {grid.ny} x {grid.nx} cells, {len(settings.stations)} station feed(s), "
        f"{len(files)} input file(s)."
    )


@config.command
def explain() -> None:
    """List every key of a case file: its type, default and meaning."""
    from pipeline.settings import explain as rows

    for key, kind, default, meaning in rows():
        print(f"{key}: {kind}{f' = {default}' if default else ''}\n    {meaning}")


@ingest.command
def stations(
    files: Annotated[list[Path], Parameter(negative=())],
    *,
    station: Annotated[str, Parameter(help="station id of station_meta")],
    species: Annotated[str, Parameter(help="co2, ch4 or co")],
    height: Annotated[float, Parameter(help="inlet height above ground, m")],
    format: Annotated[str | None, Parameter(help="file format; recognised from the header when not given")] = None,
    expected: Annotated[int, Parameter(help="samples a full hour has (18 for a tower with three inlets in turn)")] = 60,
    minimum: Annotated[int, Parameter(help="fewer samples than this and the hour is flagged incomplete")] = 45,
    table: Annotated[Path | None, Parameter(help="station table of your own (docs/stations.md)")] = None,
    rules: Annotated[Path | None, Parameter(help="thresholds of your own (docs/quality.md)")] = None,
) -> None:
    """Read station files and print what became of every row.

    Parameters
    ----------
    files
        Files of one station.
    """
    from pipeline.ingest import account, inspect, load_registry
    from pipeline.ingest.registry import load_own_rules
    from pipeline.settings import Completeness, validated
    from pipeline.units import species as species_of

    registry = load_registry([table] if table else [])
    gas = species_of(species)
    completeness = validated(Completeness, {"expected": expected, "minimum": minimum})
    own = load_own_rules([rules] if rules else [], registry)
    accounts = [
        inspect(
            path, gas, registry, station=station, height=height, format=format, completeness=completeness, rules=own
        )[1]
        for path in files
    ]
    print(account.render(accounts))


@footprints.default
def make(
    case: Path,
    *,
    start: Annotated[str | None, Parameter(name="--from", help="first hour, with zone: 2022-12-07T00Z")] = None,
    end: Annotated[str | None, Parameter(name="--to", help="end, exclusive, with zone")] = None,
    data: Annotated[Path | None, Parameter(help="input folder, instead of inputs.root of the case")] = None,
    threads: Annotated[int | None, Parameter(help="receptors traced at once, instead of solver.threads")] = None,
    scheduler: Annotated[str | None, Parameter(help="address of a dask scheduler, or local")] = None,
) -> None:
    """Make the footprints of a case's receptors that are not there.

    Without times, those of the case's observation_hours.

    Parameters
    ----------
    case
        The case's TOML file, for example workflows/bowen.toml.
    """
    from pipeline.cli_footprints import account
    from pipeline.cli_footprints import make as make_between

    with Bar() as progress:
        outcome = make_between(case, start, end, data=data, threads=threads, scheduler=scheduler, progress=progress)
    print("\n".join(account(outcome)))


@footprints.command(name="show")
def show_footprint(
    case: Path,
    *,
    station: Annotated[str | None, Parameter(help="station, sounding or instrument; the first when not given")] = None,
    time: Annotated[str | None, Parameter(help="a time in the receptor's hour, with zone: 2022-12-07T03Z")] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to write; in the transport folder when not given")] = None,
    age: Annotated[bool, Parameter(negative=(), help="draw contours of the plume's age")] = False,
) -> None:
    """Draw one footprint over coast and borders: its map, its hours, and where its particles end.

    Parameters
    ----------
    case
        The case's TOML file.
    """
    from pipeline.cli_footprints import draw

    path, told = draw(case, station=station, time=time, picture=picture, age=age)
    print("\n".join([*told, f"picture: {os.path.relpath(path)}"]))


@osse.command(name="make")
def make_simulated(
    folder: Path,
    *,
    seed: Annotated[int, Parameter(help="fixes geography, weather and where satellites look")] = 1,
    draw: Annotated[int | None, Parameter(help="fixes errors of prior and instruments; seed when not given")] = None,
    days: Annotated[int, Parameter(help="days with observations, from Monday 2024-07-15")] = 7,
    spacing_km: Annotated[float, Parameter(help="cell side, km")] = 3.0,
    particles: Annotated[int, Parameter(help="particles per receptor")] = 200,
    transport_error: Annotated[
        bool, Parameter(negative=(), help="the air moved otherwise than the weather says: 10 %, 10 degrees, 20 %")
    ] = False,
    matched: Annotated[
        bool, Parameter(negative=(), help="truth and noise drawn from what the case states, for checks of statistics")
    ] = False,
    spectrometers: Annotated[int, Parameter(help="provincial, regional and city stations, 0 to 28")] = 28,
    micro: Annotated[int, Parameter(help="micro sensors, 0 to 80")] = 80,
    sinks: Annotated[bool, Parameter(help="five eddy-covariance towers")] = True,
    columns: Annotated[bool, Parameter(help="two satellites")] = True,
    mobile: Annotated[bool, Parameter(help="a laboratory drives a round, held out to compare with")] = True,
    faults: Annotated[
        str, Parameter(help="kinds of faults stations have on purpose: all, or some by name, stuck,zone,unit")
    ] = "",
) -> None:
    """Write a simulated case: truth, prior, weather and instruments, as files in the real formats.

    Weather and footprints that are there already are used again: other draws over one folder are quick. The case file
    is FOLDER/case.toml; the truth, which it does not name, is FOLDER/truth.nc.

    Parameters
    ----------
    folder
        Where to put it; new, or of an earlier simulated case, whose inputs are replaced.
    """
    from pipeline.cli_osse import make as make_in
    from pipeline.osse import Plan, TransportError, fault_names

    plan = Plan(
        seed=seed, draw=draw, hours=24 * days, spacing_km=spacing_km, particles=particles,
        spectrometers=spectrometers, micro=micro, sinks=5 if sinks else 0, columns=columns, mobile=mobile,
        transport_error=TransportError() if transport_error else None, matched=matched, faults=fault_names(faults),
    )  # fmt: skip
    with Bar() as progress:
        told = make_in(folder, plan, progress=progress)
    print("\n".join(told))


@osse.command(name="score")
def score_simulated(given: Path) -> None:
    """Print how near an inversion of a simulated case came to its truth, beside the targets.

    Parameters
    ----------
    given
        The folder of a simulated case that was run, or its store.
    """
    from pipeline.cli_osse import places
    from pipeline.osse import print_score

    print_score(*places(given))


@osse.command(name="detect")
def detect_faults(folder: Path) -> None:
    """Print what quality control made of the faults of a simulated case.

    Parameters
    ----------
    folder
        The folder of a case made with --faults; if it was run, the innovation gate's findings are counted too.
    """
    from pipeline.osse import print_detection

    print_detection(folder)


def _show(store: Path, *, picture: Path | None = None, full: bool = False) -> None:
    """Print the account and draw the picture, beside the store unless another place is given."""
    from rich.console import Console

    from pipeline.grid import open_store
    from pipeline.show import draw, print_account

    dataset = open_store(store)
    picture = picture or store.resolve().with_suffix(".png")
    console = Console()
    print_account(dataset, console, full=full)
    draw(dataset, picture)
    for name, path in (("store:  ", store), ("picture:", picture)):
        console.print(f"{name} {os.path.relpath(path)}", highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Run the command; errors raised on purpose are printed in one paragraph, with exit code 2, or 75 to try again."""
    try:
        app(sys.argv[1:])
    except TianyanError as error:
        print(f"tianyan: {error}", file=sys.stderr)
        # EX_TEMPFAIL of sysexits.h: another run is under way
        sys.exit(75 if isinstance(error, LockedError) else 2)
    except BrokenPipeError:
        # who reads us (`| head`) has enough; Python would complain again when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
