"""The imports run in one direction: read from the sources, not from what happens to be loaded."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("kernels", "pipeline", "station_meta", "workflows", "benchmarks")
ROOTS = {"derived", "errors", "hj212", "units", "scales", "schema", "settings", "_version"}  # of pipeline

# room -> rooms of ours it may import, besides itself; "roots" stands for ROOTS
ALLOWED = {
    "kernels": set(),
    "station_meta": set(),
    "roots": set(),
    "pipeline.grid": {"roots"},
    "pipeline.ingest": {"kernels", "pipeline.grid", "station_meta", "roots"},
    "pipeline.transport": {"kernels", "pipeline.grid", "roots"},
    "pipeline.inversion": {"kernels", "pipeline.grid", "roots"},
    "pipeline.listener": {"roots"},
    "pipeline.answers": {"roots", "pipeline.grid", "pipeline.inversion"},
    "pipeline.flow": {
        "kernels", "roots", "station_meta", "pipeline.answers", "pipeline.grid", "pipeline.ingest",
        "pipeline.transport", "pipeline.inversion",
    },
    "pipeline.osse": {
        "roots", "station_meta", "pipeline.grid", "pipeline.ingest", "pipeline.transport", "pipeline.inversion",
        "pipeline.flow",
    },
    "pipeline.service": {
        "kernels", "roots", "station_meta", "pipeline.grid", "pipeline.ingest", "pipeline.inversion", "pipeline.flow",
    },
    "pipeline.serve": {
        "roots", "pipeline.answers", "pipeline.grid", "pipeline.ingest", "pipeline.service", "pipeline.flow",
    },
    "pipeline.cli": {
        "roots", "pipeline.flow", "pipeline.grid", "pipeline.ingest", "pipeline.listener", "pipeline.answers",
        "pipeline.serve", "pipeline.service", "pipeline.osse", "pipeline.bench",
    },
    "workflows": {"roots", "pipeline.service"},
    # the command that measures a machine runs what measures it; nothing else may lean on the benchmarks
    "pipeline.bench": {"roots", "benchmarks", "pipeline.cli"},
    "benchmarks": set(),  # anything: only that command imports it
}  # fmt: skip
FLOW = {
    "pipeline.case", "pipeline.case_inputs", "pipeline.coast",
    "pipeline.cycle", "pipeline.design", "pipeline.design_case", "pipeline.design_file", "pipeline.design_plan",
    "pipeline.design_sites", "pipeline.footprints", "pipeline.footprints_dask",
    "pipeline.footprints_tracing", "pipeline.footprints_weather",
    "pipeline.drives", "pipeline.inversion_dask",
    "pipeline.provenance", "pipeline.qc", "pipeline.qc_friction", "pipeline.qc_sinks",
    "pipeline.quality_report", "pipeline.report", "pipeline.report_charts", "pipeline.report_maps",
    "pipeline.report_month", "pipeline.report_tables", "pipeline.report_words",
    "pipeline.show", "pipeline.show_design", "pipeline.show_footprint", "pipeline.show_maps",
    "pipeline.show_quality", "pipeline.show_tables", "pipeline.show_track", "pipeline.station_weather", "pipeline.tune",
}  # fmt: skip
COMMAND = {
    "pipeline.cli", "pipeline.cli_backup", "pipeline.cli_calibrate", "pipeline.cli_check", "pipeline.cli_compare",
    "pipeline.cli_deliver", "pipeline.cli_design",
    "pipeline.cli_export", "pipeline.cli_footprints", "pipeline.cli_ingest", "pipeline.cli_install",
    "pipeline.cli_listen",
    "pipeline.cli_osse", "pipeline.cli_progress", "pipeline.cli_qc", "pipeline.cli_query", "pipeline.cli_report",
    "pipeline.cli_serve",
    "pipeline.cli_service", "pipeline.cli_status", "pipeline.cli_times",
    "pipeline.cli_tune",
}  # fmt: skip
OUTSIDE = {"kernels": {"numpy", "numba", "threadpoolctl"}, "station_meta": {"numpy", "pandas"}}
STDLIB = __import__("sys").stdlib_module_names


def modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(name, path):
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                head = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*head, base] if base else head)
            known = {module for module, _ in MODULES}
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base


MODULES = list(modules())


def room(module):
    parts = module.split(".")
    if module == "pipeline" or (parts[0] == "pipeline" and parts[1] in ROOTS):
        return "roots"
    if module in FLOW:
        return "pipeline.flow"
    if module == "pipeline.cli_bench":
        return "pipeline.bench"
    if module in COMMAND:
        return "pipeline.cli"
    return ".".join(parts[:2]) if parts[0] == "pipeline" else parts[0]


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_every_import_runs_in_an_allowed_direction(name, path):
    here = room(name)
    assert here in ALLOWED, f"{name} is in no declared room"
    if here == "benchmarks":
        return
    for target in imports_of(name, path):
        top = target.split(".")[0]
        if top in PACKAGES:
            there = room(target)
            assert there == here or there in ALLOWED[here], f"{name} must not import {target}"
        elif here in OUTSIDE and top not in STDLIB:
            assert top in OUTSIDE[here], f"{name} must not import {target}"


def test_every_allowed_direction_is_taken():
    taken = {room(name): set() for name, _ in MODULES}
    for name, path in MODULES:
        taken[room(name)] |= {room(target) for target in imports_of(name, path) if target.split(".")[0] in PACKAGES}
    assert {here: there - taken[here] for here, there in ALLOWED.items() if there - taken[here]} == {}


def test_the_import_graph_has_no_cycle():
    graph = {name: {t for t in imports_of(name, path) if t.split(".")[0] in PACKAGES} for name, path in MODULES}
    done, stack = set(), []

    def visit(name):
        if name in done:
            return
        assert name not in stack, " -> ".join([*stack[stack.index(name) :], name])
        stack.append(name)
        for target in sorted(graph.get(name, ())):
            # a package's __init__ gathers its modules: an edge from a module to its own package is not followed
            if not name.startswith(f"{target}."):
                visit(target)
        stack.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_a_module_takes_only_public_names_from_another_room():
    for name, path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
                private = [
                    alias.name for alias in node.names if alias.name.startswith("_") and alias.name != "__version__"
                ]
                assert not private, f"{name} takes {private} from {node.module}"
