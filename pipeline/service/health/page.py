"""The page of status: one HTML file that needs no network and no script, for a screen on the wall and for a phone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from pipeline.service.health.alarms import GREEN, RED, YELLOW, silent_hours
from pipeline.service.health.drawing import COLOURS, bars, legend, local, look_of, safe, strip
from pipeline.service.health.facts import BEIJING, Facts, Feed, Line
from pipeline.service.health.health import Health

#: hours of bars and of the table; feeds that are listed without being asked
HOURS, _FEEDS = 48, 12
_STATES = {GREEN: ("●", "正常", "green"), YELLOW: ("▲", "注意", "yellow"), RED: ("■", "告警", "red")}
_LOOKS = {
    "full": "完整 full", "degraded": "降级 degraded", "prior_only": "仅先验 prior only", "missing": "缺失 missing",
    "failed": "失败 failed",
}  # fmt: skip
_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font:15px/1.45 system-ui,"Noto Sans SC","Microsoft YaHei","PingFang SC",sans-serif;margin:0;color:#1b1b1b;
background:#f4f5f6}
main{max-width:980px;margin:0 auto;padding:12px}
section{background:#fff;border:1px solid #dcdfe2;border-radius:8px;padding:12px;margin:0 0 12px;overflow-x:auto}
h1{font-size:20px;margin:0}h2{font-size:16px;margin:0 0 8px}p{margin:4px 0}small,.dim{color:#5a5f64}
.head{border-left:12px solid;display:flex;flex-wrap:wrap;gap:4px 28px;align-items:center}
.head b{font-size:24px}.green{border-left-color:#0072B2}.yellow{border-left-color:#E69F00}
.red{border-left-color:#D55E00}
.fact b{display:block;font-size:20px}
.alarm{border-left:6px solid #999;padding:2px 10px;margin:8px 0;overflow-wrap:anywhere}
.alarm.yellow{border-left-color:#E69F00}.alarm.red{border-left-color:#D55E00}
svg{display:block;width:100%;height:auto;max-width:760px}svg text{fill:#333}svg .light{fill:#fff}svg .dark{fill:#000}
svg .grid{stroke:#ddd}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:13px}
.legend i{display:inline-block;width:12px;height:12px;border:1px solid #555;margin-right:5px;vertical-align:-1px}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:3px 8px 3px 0;vertical-align:top;
border-bottom:1px solid #eceef0}td{overflow-wrap:anywhere}th,.n{white-space:nowrap}.n{text-align:right}
summary{cursor:pointer}
@media(max-width:640px){svg{font-size:18px}.wide{display:none}}
"""


def page(health: Health) -> str:
    """Return the page of a state."""
    facts = health.facts
    recent = facts.lines[-HOURS:]
    stages = {line.hour: {k: round(float(v), 3) for k, v in line.seconds.items()} for line in recent}
    used = {line.hour: {k: float(v) for k, v in sorted(line.used.items())} for line in recent}
    sections = (
        _head(health),
        _alarms(health),
        _section(
            "近七日逐时产品 Hours of seven days",
            strip(facts.lines) + _looks() if facts.lines else "",
            "数字：版本级别 P0–P3。The digit is how final: P0 prior, P1 preliminary, P2 with its lag, P3 consolidated.",
        ),
        _section("各阶段耗时 Seconds of each stage", bars(stages, " s"), ""),
        _section("逐时采用观测数 Observations used, by class", bars(used, ""), ""),
        _section("最近 48 小时 Last 48 hours", _hours(recent), ""),
        _section("数据源 Feeds", _feeds(facts), ""),
        _section("文件与磁盘 Files and disk", _rest(health), ""),
    )
    title = f"{_STATES[health.state][1]} {facts.case}"
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
        f"<title>{safe(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(sections)}"
        f'<p class="dim">tianyan {safe(health.version)} · {safe(_both(health.at))} · run {safe(health.run or "–")}</p>'
        "</main></body></html>\n"
    )


def _head(health: Health) -> str:
    sign, chinese, css = _STATES[health.state]
    facts = health.facts
    told = f"{facts.case} · 截至 as of {_both(health.at)}"
    return (
        f'<section class="head {css}"><div><h1>{safe(facts.title)}</h1><small>{safe(told)}</small></div>'
        f"<b>{sign} {chinese} {safe(health.state)}</b>"
        f"{_fact('最新小时 newest hour', facts, health.newest)}"
        f"{_fact('最新反演 newest solved', facts, health.solved)}</section>"
    )


def _fact(name: str, facts: Facts, line: Line | None) -> str:
    if line is None:
        return f'<div class="fact"><small>{name}</small><b>–</b></div>'
    at = f"{local(line.hour):%m-%d %H}:00 北京 = {str(line.hour)[5:].replace('T', ' ')}:00 UTC"
    told = f"{line.status} {line.condition} · {at}"
    return (
        f'<div class="fact"><small>{name}</small><b>{facts.age(line.hour):.1f} h</b><small>{safe(told)}</small></div>'
    )


def _alarms(health: Health) -> str:
    if not health.alarms:
        return ""
    told = "".join(
        f'<div class="alarm {one.level}"><b>{safe(one.zh)} {safe(one.name)}</b> <small>{safe(one.level)} · since '
        f"{safe(_both(one.since))}</small><p>{safe(one.meaning)}: {safe(one.detail)}</p>"
        f'<p class="dim">→ {safe(one.action)}</p></div>'
        for one in health.alarms
    )
    return _section(f"告警 Alarms ({len(health.alarms)})", told, "")


def _looks() -> str:
    return legend({name: COLOURS[look] for look, name in _LOOKS.items()})


def _hours(lines: Iterable[Line]) -> str:
    rows = []
    for line in reversed(list(lines)):
        why = "; ".join(line.reasons) or line.error
        counts = ", ".join(f"{name} {used}/{line.seen[name]}" for name, used in line.used.items() if line.seen[name])
        version = f"{line.status} r{line.revision}" if line.status else ""
        seconds = f"{sum(line.seconds.values()):.1f}" if line.seconds else ""
        chi2 = "" if line.chi2 is None else f"{line.chi2:.2f}"
        times = f"{local(line.hour):%m-%d %H}:00", str(line.hour)[5:].replace("T", " ")
        rows.append([*times, _LOOKS.get(look_of(line), look_of(line)), version, counts, chi2, seconds, why])
    heads = {
        "北京": "n", "UTC": "n wide", "状态 condition": "", "版本": "n", "采用/收到 used/seen": "", "chi2": "n wide",
        "s": "n wide", "原因 reasons": "",
    }  # fmt: skip
    return _table(heads, rows) if rows else ""


def _feeds(facts: Facts) -> str:
    def past(feed: Feed) -> float:
        found = silent_hours(facts, feed)
        return np.inf if found is None else found

    rows = []
    for feed in sorted(facts.feeds, key=lambda one: (-past(one), one.name)):
        last = "–" if feed.last is None else f"{local(feed.last):%Y-%m-%d %H}:00"
        silent = "从未 never" if feed.last is None else f"{past(feed):.0f}"
        rows.append([feed.name, feed.klass, last, silent])
    heads = {"数据源 feed": "", "类别 class": "", "最新小时（北京）": "n", "静默 h": "n"}
    if len(rows) <= _FEEDS:
        return _table(heads, rows) if rows else ""
    more = f"<details><summary>全部 all {len(rows)}</summary>{_table(heads, rows)}</details>"
    return _table(heads, rows[:_FEEDS]) + more


def _rest(health: Health) -> str:
    facts = health.facts
    rows = [[f"文件 files: {state}", f"{count}"] for state, count in facts.deliveries.items()]
    if facts.disk is not None:
        rows.append(["磁盘可用 disk free", f"{facts.disk[0] / 1e9:.1f} / {facts.disk[1] / 1e9:.0f} GB"])
    for name, size in facts.sizes.items():
        least = "" if size.get("complete") else "≥ "
        rows.append([f"占用 size: {name}", f"{least}{float(size.get('bytes', 0)) / 1e6:.1f} MB"])
    aside = [[one.path, one.state, one.reason, one.at] for one in facts.set_aside[:_FEEDS]]
    told = _table({"": "", "数量": "n"}, rows)
    if aside:
        told += "<p><b>未采用文件 Set aside</b></p>" + _table(
            {"文件 file": "", "状态": "", "原因 reason": "", "UTC": "n wide"}, aside
        )
    return told


def _table(heads: Mapping[str, str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; heads tell the style of their columns."""
    styles = tuple(heads.values())
    first = "".join(f'<th class="{css}">{safe(name)}</th>' for name, css in heads.items())
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{css}">{safe(text)}</td>' for text, css in zip(row, styles, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"


def _section(title: str, content: str, note: str) -> str:
    told = content or '<p class="dim">暂无 nothing yet</p>'
    more = f'<p class="dim">{safe(note)}</p>' if note and content else ""
    return f"<section><h2>{safe(title)}</h2>{told}{more}</section>"


def _both(at: datetime) -> str:
    """Return a time in Beijing and in UTC."""
    return f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M} 北京 = {at:%m-%d %H:%M} UTC"
