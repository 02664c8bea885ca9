"""A report: everything measured on one machine under one pair of limits, as JSON that later runs are compared with."""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.box import hour, machine, verdict, world
from benchmarks.box.limits import Limits, shown_bytes
from benchmarks.box.running import PYTHON, Box
from kernels.jit import source_digest
from pipeline._version import __version__
from pipeline.case import Progress
from pipeline.errors import ConfigError, FormatError

#: raised when the meaning of a field changes
SCHEMA = 1
_KIND = "tianyan bench"


def make_report(folder: Path, size_name: str, stations: int, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Measure everything and return the report.

    Parameters
    ----------
    folder
        The bench's: made, or used again.
    size_name
        Of the province.
    stations
        How many.
    limits
        On everything that is measured; the province is made without.
    progress
        As of `pipeline.case`.

    Raises
    ------
    ConfigError, InputError
        When what is asked for cannot be tried here.
    """
    size = world.size_of(size_name)
    world.with_stations(size.plan, stations)
    world.claim(folder)
    box = Box(limits)
    _require_room(box)
    place, inputs = world.make_world(folder, size_name, stations, progress)
    stolen = machine.stolen_seconds()
    report: dict[str, Any] = {
        "kind": _KIND,
        "schema": SCHEMA,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": {"version": __version__, "kernels": source_digest()},
        "machine": machine.describe(folder),
        "limits": {
            "cores": len(limits.cores),
            "memory": limits.memory,
            "held": box.held if limits.memory is not None else "no limit asked for",
        },
        "inputs": inputs | {"spacing_km": size.plan.spacing_km, "kernels_compiled_before": not size.cold},
    }
    progress("--help", 0, 0)
    report["help"] = _of(hour.help_command(box, size.help_runs), limits)
    report["runs"] = [_of(made, limits) for made in hour.run_service(box, place, folder, size, progress)]
    report["kernels"] = _kernels(box, size, folder, progress)
    report["stolen"] = round(machine.stolen_seconds() - stolen, 2)
    report["targets"] = verdict.targets(report)
    report["verdict"] = verdict.judge(report)
    return report


def _require_room(box: Box) -> None:
    """Raise when not even the imports of an hour fit."""
    ran = hour.start_up(box)
    if ran.ended:
        assert box.limits.memory is not None
        raise ConfigError(
            "memory must hold at least a process that has imported what an hour needs",
            got=shown_bytes(box.limits.memory),
            remedy="give 1G or more",
            where="--memory",
        )
    if not ran.sound:
        raise ConfigError(
            "this installation must be whole", got=ran.why(box.limits), remedy="install it again", where=sys.executable
        )


def _of(made: hour.Made, limits: Limits) -> dict[str, Any]:
    ran = made.ran
    return {
        "name": made.name,
        "seconds": round(ran.seconds, 3),
        "processor": round(ran.processor, 3),
        "peak": ran.peak,
        "with_files": ran.with_files,
        "trouble": made.trouble if ran.sound else ran.why(limits),
        "hours": made.hours,
    }


def _kernels(box: Box, size: world.Size, folder: Path, progress: Progress) -> dict[str, Any]:
    """Measure the kernels in a process of its own, and what compiling all of them takes in another."""
    found: dict[str, Any] = {"compile": None, "trouble": "", "first_calls": None, "peaks": [], "cases": []}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        out = Path(name) / "kernels.json"
        command = [*PYTHON, "-m", "benchmarks.box.kernels", size.kernels, str(out)]
        if size.cold:
            progress("compiling", 0, 0)
            ran = box.run([*command, "once"], {"NUMBA_CACHE_DIR": str(Path(name) / "cache")})
            found["compile"] = json.loads(out.read_text())["first_calls"] if ran.sound else None
        progress("kernels", 0, 0)
        ran = box.run(command)
        if not ran.sound:
            return found | {"trouble": ran.why(box.limits)}
        return found | json.loads(out.read_text(encoding="utf-8"))


def read_report(path: Path) -> dict[str, Any]:
    """Return a report from its file.

    Raises
    ------
    FormatError
        When it is none, or of another schema.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind, schema = found["kind"], found["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            "the file must be a report of `tianyan bench --out`",
            got=f"{type(error).__name__}: {error}",
            remedy="give one written by it",
            where=str(path),
        ) from error
    if (kind, schema) != (_KIND, SCHEMA):
        raise FormatError(
            f"the report must be of schema {SCHEMA}",
            got=f"{kind}, schema {schema}",
            remedy="measure again with this version",
            where=str(path),
        )
    return dict(found)
