"""Tables of the monthly report as HTML: totals by sector, the regions of a level, hours and observations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from pipeline.answers import NET
from pipeline.errors import shown
from pipeline.report_month import Month
from pipeline.report_words import Words
from pipeline.show_tables import mass_unit, rounded, with_sigma

#: regions that are shown unasked, and sectors that have columns of their own
_OPEN, _SECTORS = 20, 3
_SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Row = dict[Any, Any]


def safe(text: object) -> str:
    """Return text of anyone as it may stand in HTML."""
    return escape(shown(str(text), 300), quote=True)


def formula(species: str) -> str:
    """Return how a gas is written.

    Examples
    --------
    >>> formula("co2")
    'CO₂'
    """
    return species.upper().translate(_SMALL)


def cards(month: Month, words: Words) -> str:
    """Return the totals of the largest region: a card for each sector, and net."""
    rows = _rows(month, "region", month.largest)
    unit, scale = _unit(rows)
    out = []
    for row in rows:
        told = words("card", prior=_prior(row, scale), share=_share(row))
        name = words.sector(str(row["sector"])).capitalize()
        css = "card net" if row["sector"] == NET else "card"
        out.append(
            f'<div class="{css}"><small>{safe(name)}</small><b>{safe(_posterior(row, scale))}</b>'
            f"<small>{safe(words(unit))} {formula(row['species'])}</small><p>{safe(told)}</p></div>"
        )
    return f'<div class="cards">{"".join(out)}</div>'


def totals(month: Month, words: Words) -> str:
    """Return the totals of every region of the first level, by sector."""
    rows = _rows(month, "level", month.level)
    _, scale = _unit(rows)
    heads = ["region", "sector", "emission", "uptake", "posterior", "prior", "change", "share"]
    body = [
        [
            _name(row, words),
            words.sector(str(row["sector"])),
            *_gross(row, scale),
            _posterior(row, scale),
            _prior(row, scale),
            _change(row, scale),
            _share(row),
        ]
        for row in rows
    ]
    return _caption(rows, words) + table([words(head) for head in heads], body, 2, bold=_nets(rows))


def level_table(month: Month, level: str, words: Words) -> str:
    """Return the regions of a level, one a row; many are folded away."""
    rows = _rows(month, "level", level)
    _, scale = _unit(rows)
    sectors = month.source.sectors if 1 < len(month.source.sectors) <= _SECTORS else ()
    heads = [
        words("region"),
        *(words.sector(name) for name in sectors),
        *(words(head) for head in ("net_posterior", "net_prior", "change", "emission", "uptake", "share")),
    ]
    by_sector = {(row["region"], row["sector"]): row for row in rows}
    body = []
    for row in rows:
        if row["sector"] == NET:
            each = [_posterior(by_sector[row["region"], name], scale) for name in sectors]
            total = _posterior(row, scale), _prior(row, scale), _change(row, scale)
            body.append([_name(row, words), *each, *total, *_gross(row, scale), _share(row)])
    told = _caption(rows, words) + table(heads, body, 1)
    if not is_long(month, level):
        return told
    return f"<details><summary>{safe(words('regions', count=len(body)))}</summary>{told}</details>"


def is_long(month: Month, level: str) -> bool:
    """Return whether a level has so many regions that they are folded away."""
    return len(month.source.regions.at_level(level)) > _OPEN


def coverage(month: Month, words: Words) -> str:
    """Return how many hours there are, and how final and complete they are."""
    first = month.rows.iloc[0]
    rows = [
        [words("of_month"), f"{month.span.count}"],
        [words("with_numbers"), f"{month.hours.size}: {month.hours[0]}Z – {month.hours[-1]}Z"],
        [words("without"), f"{month.missing}"],
        [words("by_status"), _counts(month, "status", words)],
        [words("by_condition"), _counts(month, "condition", words)],
        [words("used"), f"{first['observations']}"],
        [words("revision"), f"{first['revision']}"],
    ]
    return table([], rows, 2)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int, bold: Sequence[bool] = ()) -> str:
    """Return a table.

    Parameters
    ----------
    heads
        Of columns; none when there are none.
    rows
        Text of cells.
    left
        Columns that hold words and are set to the left.
    bold
        Rows that stand out.
    """

    def cells(tag: str, texts: Sequence[str]) -> str:
        looks = ["" if at < left else ' class="n"' for at in range(len(texts))]
        return "".join(f"<{tag}{look}>{safe(text)}</{tag}>" for look, text in zip(looks, texts, strict=True))

    head = f"<thead><tr>{cells('th', heads)}</tr></thead>" if heads else ""
    strong = [' class="sum"' if at < len(bold) and bold[at] else "" for at in range(len(rows))]
    body = "".join(f"<tr{look}>{cells('td', row)}</tr>" for look, row in zip(strong, rows, strict=True))
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _rows(month: Month, column: str, value: str) -> list[Row]:
    return month.rows[month.rows[column] == value].to_dict("records")


def _counts(month: Month, key: str, words: Words) -> str:
    found = Counter(str(one[key]) for one in month.facts)
    return ", ".join(f"{words(name)} {count}" for name, count in sorted(found.items()))


def _caption(rows: Sequence[Row], words: Words) -> str:
    unit, _ = _unit(rows)
    return f'<p class="dim">{safe(words("unit", unit=words(unit), gas=formula(rows[0]["species"])))}</p>'


def _nets(rows: Sequence[Row]) -> list[bool]:
    return [row["sector"] == NET for row in rows]


def _name(row: Row, words: Words) -> str:
    return words.region(row["region_name"], row["region_name_en"])


def _unit(rows: Sequence[Row]) -> tuple[str, float]:
    return mass_unit(max(abs(row[which]) for row in rows for which in ("net", "prior")))


def _minus(text: str) -> str:
    """Return a number with a sign that is as wide as a plus."""
    return text.replace("-", "−")


def _posterior(row: Row, scale: float) -> str:
    return _minus(with_sigma(row["net"], row["sigma"], scale).replace("±", _mark(row)))


def _prior(row: Row, scale: float) -> str:
    return _minus(with_sigma(row["prior"], row["prior_sigma"], scale).replace("±", _mark(row)))


def _mark(row: Row) -> str:
    return "±" if row["sigma_kind"] == "exact" else "±≤"


def _change(row: Row, scale: float) -> str:
    change = rounded(row["net"] - row["prior"], row["sigma"], scale)
    return _minus(f"+{change}" if float(change) > 0 else change)


def _gross(row: Row, scale: float) -> tuple[str, str]:
    return _minus(rounded(row["emission"], row["sigma"], scale)), _minus(rounded(row["uptake"], row["sigma"], scale))


def _share(row: Row) -> str:
    return f"{row['data_share']:.0%}"
