"""A report as tables for people."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

from benchmarks.box import verdict
from benchmarks.box.limits import shown_bytes

#: the kernel that does most of a stage's work, where one does
_BEHIND = {
    "footprints": "langevin.sub_step",
    "observations": "quality.far_from_median",
    "weather": "heights.to_heights",
    "solving": "lanes.gather",
    "K": "lanes.gather",
    "factor": "factor of K",
    "totals": "lanes.smooth_x",
    "ensemble": "exponential.forward",
}


#: columns of words
_WORDS = ("than", "bound by", "most by kernel", "which is bound by", "unit", "target", "met")


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report; its last line says whether the machine keeps up."""
    for part in (_machine(report), _targets(report), _runs(report), _stages(report), _kernels(report)):
        console.print(part)
    kernels = report["kernels"]
    for one in kernels["peaks"]:
        console.print(f"{one['name']}, one core: {one['rate']:.1f} {one['unit']}", highlight=False)
    if kernels["compile"] is not None:
        console.print(f"all kernels compiled and called once, empty cache: {kernels['compile']:.1f} s", highlight=False)
    if kernels["trouble"]:
        console.print(f"kernels: {kernels['trouble']}", highlight=False, markup=False)
    console.print()
    console.print(report["verdict"]["line"], highlight=False, markup=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        words = number == 0 or name in _WORDS
        table.add_column(name, justify="left" if words else "right", no_wrap=words)
    return table


def _machine(report: dict[str, Any]) -> RenderableType:
    machine, limits, inputs = report["machine"], report["limits"], report["inputs"]
    allowed = shown_bytes(limits["memory"]) if limits["memory"] else "all"
    table = Table(title="tianyan bench", box=None, show_header=False, title_justify="left", title_style="bold")
    table.add_column(no_wrap=True)
    table.add_column()
    rows = {
        "processor": f"{machine['processor']}, {machine['cores']} cores, {machine['vectors']}"
        + (", virtual" if machine["virtual"] else ""),
        "memory": shown_bytes(machine["memory"]),
        "limits": f"{limits['cores']} core(s), memory {allowed} ({limits['held']})",
        "system": f"{machine['system']}, files on {machine['file_system']}, Python {machine['python']}",
        "libraries": ", ".join(f"{name} {version}" for name, version in machine["libraries"].items()),
        "matrices": machine["blas"],
        "other work": f"load {machine['load']} when it began; {report['stolen']} s of core time went to other machines",
        "inputs": f"{inputs['size']}: {inputs['stations']} stations, {inputs['spacing_km']:g} km, {inputs['digest']}",
        "code": f"{report['code']['version']}, kernels {report['code']['kernels']}, {report['at']}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _targets(report: dict[str, Any]) -> Table:
    table = _table("Targets", "what", "measured", "unit", "target", "met")
    words = {True: "yes", False: "NO", None: ""}
    for one in report["targets"]:
        value = "-" if one["value"] is None else f"{one['value']:.3g}"
        table.add_row(one["name"], value, one["unit"], one["limit"], words[one["met"]])
    if all(one["met"] is None for one in report["targets"]):
        table.caption = "promised of the province at 3 km alone"
    return table


def _runs(report: dict[str, Any]) -> Table:
    table = _table("Commands", "command", "clock, s", "cores in use", "memory", "with cached files", "")
    for run in [report["help"], *report["runs"]]:
        made = [str(one["hour"]) for one in run["hours"] if one["written"]]
        name = run["name"] + (f", {made[0]}Z" if len(made) == 1 else f", {len(made)}" if made else "")
        used = run["processor"] / run["seconds"] if run["seconds"] else 0.0
        files = "" if run["with_files"] is None else shown_bytes(run["with_files"])
        table.add_row(name, f"{run['seconds']:.2f}", f"{used:.2f}", shown_bytes(run["peak"]), files, run["trouble"])
    return table


def _stages(report: dict[str, Any]) -> Table:
    columns = ("stage", "median, s", "least", "most", "share", "cores in use", "most by kernel", "which is bound by")
    table = _table("A warm hour by stage", *columns)
    found = verdict.stages(report)
    whole = sum(one["seconds"] for one in found.values())
    bounds = {case["name"]: case["bound"] for case in report["kernels"]["cases"]}
    for name, one in found.items():
        kernel = _BEHIND.get(name, "")
        table.add_row(
            name, *(f"{one[key]:.2f}" for key in ("seconds", "least", "most")), f"{one['seconds'] / whole:.0%}",
            f"{one['cores']:.2f}" if one["cores"] else "", kernel if kernel in bounds else "", bounds.get(kernel, ""),
        )  # fmt: skip
    clock = verdict.warm_seconds(report)
    if clock:
        outside = sum(clock) / len(clock) - whole
        table.caption = f"{whole:.1f} s in all; {outside:.1f} s more for the start of Python, deliveries and the end"
    return table


def _kernels(report: dict[str, Any]) -> Table:
    columns = (
        "kernel",
        "ms of a core",
        "times faster",
        "than",
        "GB/s",
        "of triad",
        "Gflop/s",
        "of product",
        "bound by",
    )
    table = _table("Kernels, warm, one core", *columns)
    for case in report["kernels"]["cases"]:
        table.add_row(
            case["name"], f"{1e3 * case['seconds']:.3g}", f"{case['ratio']:.3g}" if case["ratio"] else "",
            case["against"], *_share(case["bandwidth"], case["of_triad"]), *_share(case["flops"], case["of_blas"]),
            case["bound"],
        )  # fmt: skip
    return table


def _share(rate: float, share: float) -> tuple[str, str]:
    return (f"{rate:.1f}", f"{share:.0%}") if rate else ("", "")
