"""The index page of the evidence, written from the records: no number in it is typed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from benchmarks.evidence.about import ABOUT
from benchmarks.evidence.record import Record

_WIDTH = 120
_HEAD = """# Evidence

Every figure and table here is written by one command, from a clean clone:

    make evidence

It runs the pieces below, one after another; one alone: `.venv/bin/python -m benchmarks.evidence docs/evidence PIECE`.
A piece that this checkout has made with the same code and inputs is not made again (`--again` makes it all the same),
and a rebuild that was stopped goes on. Real inputs lie in `../shared/data`, beside the checkout; pieces without theirs
are not made, and say so. Simulated worlds stand in `evidence-output`, some gigabytes. `--quick` makes everything tiny.

This page is written from `records/*.json`: each has the command, the code's version and commit, seeds, SHA-256 of every
input and output. What the results mean for a user stands in the model card ([English](../model_card.md),
[中文](../model_card.zh.md)).
"""


def write_index(folder: Path, records: Sequence[Record], known: Sequence[str]) -> None:
    """Write README.md.

    Parameters
    ----------
    folder
        Of the evidence.
    records
        Of the pieces that there are.
    known
        Names of all pieces, in order.
    """
    by_name = {one.piece: one for one in records}
    parts = [_HEAD, _overview(by_name, known)]
    parts += [_section(name, by_name.get(name)) for name in known]
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")


def _overview(records: dict[str, Record], known: Sequence[str]) -> str:
    lines = ["| piece | what | made | commit | took |", "|---|---|---|---|---:|"]
    for name in known:
        one, title = records.get(name), ABOUT[name][0]
        anchor = title.lower().replace(",", "").replace(" ", "-")
        lines.append(f"| {name} | [{title}](#{anchor}) | {_made(one)} | {_commit(one)} | {_took(one)} |")
    return "\n".join(lines) + "\n"


def _made(one: Record | None) -> str:
    if one is None:
        return "not yet"
    if one.absent:
        return f"**not rebuilt**: {one.absent}"
    return f"{one.made}, {one.size} size"


def _commit(one: Record | None) -> str:
    return one.commit if one is not None and one.commit else "-"


def _took(one: Record | None) -> str:
    if one is None or not one.made:
        return "-"
    return f"{one.seconds:.0f} s" if one.seconds < 180 else f"{one.seconds / 60:.0f} min"


def _section(name: str, one: Record | None) -> str:
    title, about = ABOUT[name]
    parts = [f"## {title}", _wrapped(about)]
    if one is None:
        return "\n\n".join([*parts, "Not made yet.", ""])
    if one.absent:
        parts.append(_absence(one))
    if one.findings:
        parts.append("\n".join(_wrapped(f"- {sentence}", "  ") for sentence in one.findings))
    parts += one.shown
    parts += [f"![{caption}]({path})\n\n*{caption}*" for path, caption in one.pictures]
    if one.tables:
        parts.append("Files: " + "; ".join(f"[{path}]({path}) ({caption})" for path, caption in one.tables) + ".")
    if one.made:
        parts.append(_origin(one))
    return "\n\n".join([*parts, ""])


def _absence(one: Record) -> str:
    if not one.made:
        return f"**Not rebuilt: {one.absent}.**"
    return (
        f"**Not rebuilt: {one.absent}.** What stands here is of {one.made}, version {one.version}, "
        f"commit {one.commit or 'unknown'}."
    )


def _origin(one: Record) -> str:
    """Return command, versions, seeds and inputs of a piece."""
    seeds = "; ".join(f"{name} {_listed(value)}" for name, value in one.seeds.items())
    lines = [
        f"`{one.command}`: {one.made}, version {one.version}, commit {one.commit or 'unknown'}, {_took(one)}.",
        *([f"Seeds: {seeds}."] if seeds else []),
    ]
    if one.steps:
        inner = "\n".join(f"    {step}" for step in one.steps)
        lines.append(f"<details><summary>the parts by hand</summary>\n\n{inner}\n\n</details>")
    if one.inputs:
        inner = "\n".join(f"    {value[:16]}  {name}" for name, value in sorted(one.inputs.items()))
        record = f"records/{one.piece}.json"
        lines.append(
            f'<details><summary>inputs, SHA-256 (in full in <a href="{record}">{record}</a>)</summary>\n\n{inner}\n\n'
            "</details>"
        )
    return "\n\n".join(lines)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
