"""A month of a store as one page: HTML that needs no network and no script, for the screen and for paper."""

from __future__ import annotations

import numpy as np

from pipeline._version import __version__
from pipeline.answers import NET, Language, Source
from pipeline.report_charts import COLOURS, Days, days_chart, hours_chart
from pipeline.report_maps import CHANGE, FLUX, SIGMA, Outlines, centre, map_picture
from pipeline.report_month import Month, read_month
from pipeline.report_tables import cards, coverage, formula, is_long, level_table, safe, table, totals
from pipeline.report_words import Words
from pipeline.show_maps import most_of
from pipeline.show_tables import mass_unit

_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font:14px/1.5 system-ui,"Noto Sans SC","Microsoft YaHei","PingFang SC","WenQuanYi Zen Hei",sans-serif;margin:0;
color:#1b1b1b;background:#fff}
main{max-width:900px;margin:0 auto;padding:20px}
h1{font-size:24px;margin:0 0 2px}h2{font-size:17px;margin:26px 0 6px;padding-bottom:3px;border-bottom:2px solid #0072B2}
p{margin:4px 0}small,.dim{color:#5a5f64}.dim{font-size:12.5px}
.note{border-left:5px solid #E69F00;background:#fdf6e7;padding:6px 12px;margin:10px 0}
.cards{display:flex;flex-wrap:wrap;gap:10px;margin:12px 0}
.card{flex:1 1 200px;border:1px solid #d5d9dd;border-radius:6px;padding:8px 12px}.card.net{border:2px solid #0072B2}
.card b{display:block;font-size:22px;white-space:nowrap}.card p{font-size:12.5px}.card small{display:block}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:12.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:3px 8px 3px 0;border-bottom:1px solid #e6e9ec;vertical-align:bottom}
th{border-bottom:1.5px solid #8a9096}.n{text-align:right}td.n{white-space:nowrap}
tr.sum td{font-weight:600;border-bottom:1.5px solid #b5babf}
.maps{display:grid;grid-template-columns:1fr 1fr;gap:12px 16px}figure{margin:0;break-inside:avoid}
figcaption{font-size:13px;font-weight:600}svg{display:block;width:100%;height:auto}svg text{fill:#333;font-size:10.5px}
.map text{font-size:14px;text-anchor:middle;fill:#111;stroke:#fff;stroke-width:3px;paint-order:stroke}
.grid{stroke:#e2e5e8}.zero{stroke:#777}.band{fill:#0072B2;opacity:.15}.posterior,.prior{fill:none;stroke:#0072B2}
.posterior{stroke-width:2}.prior{stroke:#666;stroke-dasharray:5 3}.whisker{stroke:#0072B2}
.dot{fill:#0072B2;stroke:#0072B2;stroke-width:1.5}.dot.part{fill:#fff}.dot.before{fill:#666;stroke:none}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:12.5px}
.legend i{display:inline-block;width:11px;height:11px;border:1px solid #555;margin-right:5px;vertical-align:-1px}
li{margin:3px 0}summary{cursor:pointer;color:#0072B2}code{font-size:12px;overflow-wrap:anywhere}
@page{size:A4;margin:14mm}
@media print{body{font-size:9.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:none;padding:0}h1{font-size:17pt}h2{font-size:12pt;break-after:avoid}.card b{font-size:14pt}
table,.dim,.card p,.legend{font-size:8pt}tr,.card,.keep{break-inside:avoid}thead{display:table-header-group}
th,td{padding:1.5px 5px 1.5px 0}.maps{width:76%;margin:0 auto}.wide table{font-size:7pt}
summary{display:none}.wide{overflow:visible}
details::details-content{content-visibility:visible;block-size:auto}}
"""


def report(source: Source, month: str, language: Language) -> str:
    """Return the report of a month as one HTML file; the same text for the same version of a store.

    Parameters
    ----------
    source
        Of `open_source`.
    month
        2024-07, UTC.
    language
        "en" or "zh".

    Raises
    ------
    InputError
        As `read_month`.
    """
    told, words = read_month(source, month), Words(language)
    title = words("title", gas=words(source.species), region=_region(told, words), month=words.month(month))
    tables = {
        level: _section(words(f"level_{level}"), f'<div class="wide">{level_table(told, level, words)}</div>')
        for level in told.levels[1:]
    }
    sections = (
        _head(told, title, words),
        _section(words("totals"), f'<div class="wide">{totals(told, words)}</div>'),
        _section(words("days", region=_region(told, words)), _days(told, words), keep=True),
        _section(words("maps"), _maps(told, words)),
        *(text for level, text in tables.items() if not is_long(told, level)),
        _section(words("coverage"), coverage(told, words) + _hours(told, words), keep=True),
        _section(words("caveats"), _caveats(told, words)),
        _section(words("provenance"), _provenance(told, words), keep=True),
        *(text for level, text in tables.items() if is_long(told, level)),
    )
    tongue = "zh-CN" if language == "zh" else "en"
    return (
        f'<!DOCTYPE html>\n<html lang="{tongue}"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:"/>'
        f"<title>{safe(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(sections)}"
        "</main></body></html>\n"
    )


def _head(month: Month, title: str, words: Words) -> str:
    grid = month.source.grid
    side = np.sqrt(grid.area.mean()) / 1e3
    subtitle = words("subtitle", cells=grid.size, side=f"{side:.3g}")
    first, last = month.hours[0], month.hours[-1] + np.timedelta64(1, "h")
    ends = {"first": f"{first}:00".replace("T", " "), "last": f"{last}:00".replace("T", " ")}
    if month.missing:
        told = words("partial", hours=month.hours.size, all=month.span.count, **ends)
        hours = f'<p class="note">{safe(told)}</p>'
    else:
        hours = f"<p>{safe(words('whole', all=month.span.count))}</p>"
    version = f"{words('version')} {month.source.version.id}"
    return (
        f'<header><h1>{safe(title)}</h1><p class="dim">{safe(subtitle)} · {safe(version)}</p></header>'
        f"{hours}{cards(month, words)}<p>{safe(words('lead'))}</p>"
    )


def _region(month: Month, words: Words) -> str:
    regions = month.source.regions
    at = regions.ids.index(month.largest)
    return words.region(regions.names[at], regions.names_en[at])


def _maps(month: Month, words: Words) -> str:
    source, maps = month.source, month.maps
    unit = str(maps["flux_posterior"].attrs["units"]).replace("umol", "µmol").replace("-1", "⁻¹").replace("-2", "⁻²")
    shares = source.fractions().toarray().reshape(-1, *source.grid.shape)
    regions = source.regions
    names = [
        (words.region(regions.names[at], regions.names_en[at]), *centre(source.grid, shares[at]))
        for at in month.named()
    ]
    over = Outlines(shares[regions.at_level(month.level)], names)
    net = maps.sel(sector=NET)
    alike = most_of(*(maps["flux_posterior"].sel(sector=name) for name in maps["sector"].values))
    wanted = [
        (words("map_net"), net["flux_posterior"], alike, FLUX),
        (words("map_change"), net["flux_change"], most_of(net["flux_change"]), CHANGE),
    ]
    if "flux_posterior_std" in maps:
        sigma = net["flux_posterior_std"]
        wanted.append((words("map_sigma"), sigma, most_of(sigma), SIGMA))
    if len(source.sectors) > 1:
        for name in source.sectors:
            field = maps["flux_posterior"].sel(sector=name)
            wanted.append((words("map_sector", sector=words.sector(name).capitalize()), field, alike, FLUX))
    figures = [
        f"<figure><figcaption>{safe(told)}</figcaption>"
        f"{map_picture(source.grid, field.values, most, unit, over, colours=colours)}</figure>"
        for told, field, most, colours in wanted
    ]
    note = "" if "flux_posterior_std" in maps else f'<p class="dim">{safe(words("no_sigma_map"))}</p>'
    return f'<div class="maps">{"".join(figures)}</div>{note}'


def _days(month: Month, words: Words) -> str:
    days = month.days
    unit, scale = mass_unit(float(np.abs(days[["posterior", "prior"]].to_array()).max()))
    start = month.span.start.astype("datetime64[D]")
    drawn = Days(
        month.span.count // 24,
        (days["time"].values.astype("datetime64[D]") - start).astype(int) + 1,
        days["prior"].values / scale,
        days["posterior"].values / scale,
        days["posterior_std"].values / scale,
        days["hours_missing"].values == 0,
    )
    told = [
        ('style="background:#0072B2"', "legend_posterior"),
        ('style="background:#666"', "legend_prior"),
        ('style="border:2px solid #0072B2;border-radius:50%"', "legend_partial"),
    ]
    keys = "".join(f"<span><i {look}></i>{safe(words(key))}</span>" for look, key in told)
    return f'{days_chart(drawn, f"{words(unit)} {formula(month.source.species)}")}<p class="legend">{keys}</p>'


def _hours(month: Month, words: Words) -> str:
    conditions = {hour: str(one["condition"]) for hour, one in zip(month.hours, month.facts, strict=True)}
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{safe(words(name))}</span>' for name, colour in COLOURS.items()
    )
    chart = hours_chart(month.span.start, month.span.count // 24, conditions)
    return f'<p class="dim">{safe(words("strip"))}</p>{chart}<p class="legend">{keys}</p>'


def _caveats(month: Month, words: Words) -> str:
    degraded = int(month.rows["hours_degraded"].iloc[0])
    told = [
        words("c_sigma"),
        words("c_exact" if month.exact else "c_upper"),
        *([words("c_missing", missing=month.missing)] if month.missing else []),
        *([words("c_degraded", degraded=degraded)] if degraded else []),
        words("c_share"),
        words("c_neighbours"),
        *([words("c_sectors")] if len(month.source.sectors) > 1 else []),
        words("c_gross"),
        words("c_maps"),
        *([words("c_linearised")] if month.source.linearised else []),
        words("c_outside"),
        words("c_utc"),
    ]
    return f"<ul>{''.join(f'<li>{safe(one)}</li>' for one in told)}</ul>"


def _provenance(month: Month, words: Words) -> str:
    version = month.source.version
    asked = f"--version {version.id}" if version.kind == "hours" else ""
    facts = {
        "case": month.origin.get("case", ""),
        "store": version.store.name,
        "version": version.id,
        "commit": month.origin.get("commit", ""),
        "at": month.origin.get("at", ""),
        "code": month.origin.get("code", ""),
        "by": f"tianyan {__version__}",
        "again": f"tianyan ledger STORE --level all --period {month.text} {asked}".rstrip(),
    }
    return table([], [[words(name), value] for name, value in facts.items() if value], 2)


def _section(title: str, content: str, *, keep: bool = False) -> str:
    css = ' class="keep"' if keep else ""
    return f"<section{css}><h2>{safe(title)}</h2>{content}</section>"
