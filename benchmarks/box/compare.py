"""Two reports side by side: ratios, and which of them exceed what one run varies by itself."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.box import verdict

#: a change smaller than this is never told as one, whatever the spread within the runs
_LEAST = 0.05
#: facts of a machine that make times comparable
_FACTS = ("processor", "cores", "memory", "vectors", "file_system", "python", "libraries", "blas")


@dataclass(frozen=True)
class Line:
    """One quantity of both reports.

    Parameters
    ----------
    name, unit
        What it is; less is better.
    before, after
        Of A and of B.
    spread
        Relative change that the runs themselves show; None where it was measured once.
    """

    name: str
    unit: str
    before: float
    after: float
    spread: float | None

    @property
    def ratio(self) -> float:
        """B over A."""
        return self.after / self.before if self.before else float("nan")

    @property
    def beyond(self) -> bool:
        """Whether the change exceeds the spread."""
        return self.spread is not None and abs(self.ratio - 1.0) > max(self.spread, _LEAST)


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what else differs between two reports than the code: warnings, in words."""
    found = []
    for key in _FACTS:
        one, two = before["machine"].get(key), after["machine"].get(key)
        if one != two:
            found.append(f"the machines differ in {key}: {one} and {two}")
    for name in ("limits", "inputs"):
        for key in before[name]:
            one, two = before[name][key], after[name].get(key)
            if one != two:
                found.append(f"the {name} differ in {key}: {one} and {two}")
    return found


def lines(before: dict[str, Any], after: dict[str, Any]) -> list[Line]:
    """Return every quantity that both reports have."""
    one, two = _quantities(before), _quantities(after)
    found = []
    for name in one:
        if name in two:
            (unit, a, own), (_, b, other) = one[name], two[name]
            spread = None if own is None or other is None else own + other
            found.append(Line(name, unit, a, b, spread))
    return found


def _quantities(report: dict[str, Any]) -> dict[str, tuple[str, float, float | None]]:
    """Return (unit, value, relative spread within the run) by name."""
    found: dict[str, tuple[str, float, float | None]] = {}
    for target in report["targets"]:
        if target["value"] is not None and target["unit"] != "x":
            found[target["name"]] = (target["unit"], target["value"], None)
    warm = verdict.warm_seconds(report)
    if warm:
        found["an hour, the median of the warm ones"] = ("s", statistics.median(warm), _spread(min(warm), warm))
    for name, one in verdict.stages(report).items():
        if one["seconds"] > 0.05:
            found[f"stage {name}"] = ("s", one["seconds"], (one["most"] - one["least"]) / one["seconds"])
    factor = verdict.faster_than_time(report)
    if factor is not None:
        found["an hour of several in one process"] = ("s", verdict.HOUR / factor, None)
    for case in report["kernels"]["cases"]:
        found[f"kernel {case['name']}"] = ("ms", 1e3 * case["seconds"], case["spread"])
    if report["kernels"]["compile"] is not None:
        found["kernels compiled, empty cache"] = ("s", report["kernels"]["compile"], None)
    return found


def _spread(least: float, values: list[float]) -> float:
    return (max(values) - least) / statistics.median(values) if values else 0.0


def show(before: dict[str, Any], after: dict[str, Any], console: Console) -> None:
    """Print two reports side by side, and what to beware of."""
    for warning in differences(before, after):
        console.print(f"beware: {warning}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(("what", "A", "B", "unit", "B / A", "spread", "")):
        table.add_column(name, justify="left" if number in (0, 6) else "right", no_wrap=number == 0)
    found = lines(before, after)
    for one in found:
        spread = "" if one.spread is None else f"{one.spread:.0%}"
        word = ("slower" if one.ratio > 1 else "faster") if one.beyond else ""
        if one.unit == "GiB":
            word = ""
        table.add_row(one.name, f"{one.before:.3g}", f"{one.after:.3g}", one.unit, f"{one.ratio:.2f}", spread, word)
    console.print(table)
    changed = [one for one in found if one.beyond]
    for label, report in (("A", before), ("B", after)):
        line = f"{label} ({report['code']['version']}, {report['at']}): {report['verdict']['line']}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{len(changed)} of {sum(one.spread is not None for one in found)} changes exceed the spread within the runs",
        highlight=False,
    )
