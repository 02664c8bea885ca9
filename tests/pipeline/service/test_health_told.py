"""What is told is what JSON, Prometheus and browsers take, whatever names and notes hold."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from health_cases import HOUR, NEWEST, NOW, facts, feed, line
from prometheus_client.parser import text_string_to_metric_families

from pipeline.service.health import SCHEMA, SetAside, health, metrics, page
from pipeline.service.health.drawing import bars, look_of

HOSTILE = "</td><script>alert('x')</script>\"\n\x1b[2J\u202e&<![CDATA["
VOID = {"meta", "br"}


def hostile():
    """Facts every foreign text of which is against us, and numbers that are none."""
    bad = line(
        NEWEST, condition="degraded", reasons=(HOSTILE,), missing=(HOSTILE,), error=HOSTILE, chi2=float("nan"),
        counts={HOSTILE: {"seen": 3, "used": 2}}, seconds={HOSTILE: 2.0},
    )  # fmt: skip
    return facts(
        title=HOSTILE, newest=bad, solved=bad, lines=(line(NEWEST - HOUR), bad, line(NEWEST, condition=HOSTILE)),
        failed=(line(NEWEST, state="failed", error=HOSTILE),), feeds=(feed(HOSTILE, HOSTILE, precise=True, last=None),),
        set_aside=(SetAside(HOSTILE, HOSTILE, "conflict", HOSTILE, NOW.isoformat()),), deliveries={HOSTILE: 1},
        sizes={HOSTILE: {"bytes": 1, "complete": True, "at": HOSTILE}},
        listener={"written": HOSTILE, "rejected": {HOSTILE: 1}, "stations": {HOSTILE: 1}, "messages": 3, HOSTILE: 1},
        faults={"store_busy": HOSTILE},
    )  # fmt: skip


class Balanced(HTMLParser):
    """Follows the tags of a page: each closes what was opened last."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


EMPTY = {"newest": None, "solved": None, "lines": (), "run": None, "feeds": (), "disk": None, "deliveries": {}}


@pytest.mark.parametrize("found", [facts(), hostile(), facts(**EMPTY)], ids=["well", "hostile", "empty"])
def test_the_page_is_html_its_pictures_are_xml_and_nothing_of_it_runs_or_comes_from_elsewhere(found):
    text = page(health(found))
    reader = Balanced()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    assert not reader.seen & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not [name for name in reader.attributes if name.startswith("on") or name in {"href", "src"}]
    assert "\x1b" not in text
    assert "\u202e" not in text
    pictures = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert (len(pictures) == 3) == bool(found.lines)
    for picture in pictures:
        ElementTree.fromstring(picture)


@pytest.mark.parametrize("found", [facts(), hostile(), facts(**EMPTY)], ids=["well", "hostile", "empty"])
def test_the_health_file_is_json_of_ascii_without_nan(found):
    text = health(found).text()

    def refused(name):
        raise AssertionError(name)

    told = json.loads(text, parse_constant=refused)
    assert text.isascii()
    assert "\x1b" not in json.dumps(told, ensure_ascii=False)
    assert told["schema"] == SCHEMA
    assert told["at"] == "2024-07-15T12:20:00Z"


@pytest.mark.parametrize("found", [facts(), hostile(), facts(**EMPTY)], ids=["well", "hostile", "empty"])
def test_metrics_are_read_back_by_prometheus(found):
    families = {family.name: family for family in text_string_to_metric_families(metrics(health(found)))}
    assert all(name.startswith("tianyan_") and family.documentation for name, family in families.items())
    assert all(sample.labels["case"] == "zhejiang" for family in families.values() for sample in family.samples)


def test_the_health_file_tells_newest_hour_its_age_what_is_due_and_feeds():
    left, gap = NEWEST - 4 * HOUR, NEWEST - 9 * HOUR
    told = health(facts(missing=(gap,), left=(left,), failed=(line(gap, state="failed", tries=3, error="no"),))).told()
    assert told["newest"]["hour"] == "2024-07-15T11:00Z"
    assert told["newest"]["age_hours"] == 1.33
    assert told["newest"]["counts"]["micro"]["used"] == 61
    assert told["due"]["missing_first"] == told["due"]["missing_last"] == "2024-07-15T02:00Z"
    assert told["due"]["left"] == ["2024-07-15T07:00Z"]
    assert told["failed"][0]["tries"] == 3
    assert told["feeds"][0] == {
        "name": "stations/HZ/10", "class": "provincial", "precise": True, "last": "2024-07-15T11:00Z",
        "silent_hours": 0.33,
    }  # fmt: skip
    assert told["stages"]["all"]["max"] == pytest.approx(27.7)


def test_metrics_tell_times_of_hours_and_every_alarm_on_or_off():
    found = metrics(health(facts(skew=90.0)))
    values = {
        (sample.name, sample.labels.get("name", sample.labels.get("class"))): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }
    assert values["tianyan_newest_hour_timestamp_seconds", None] == NEWEST.astype("datetime64[s]").astype(np.int64)
    assert values["tianyan_alarm", "clock_skew"] == 1
    assert values["tianyan_alarm", "degraded"] == 0
    assert values["tianyan_observations_used", "micro"] == 61
    assert values["tianyan_health_state", None] == 1


def test_an_hour_is_drawn_by_its_version_even_when_a_later_try_failed():
    assert look_of(line(NEWEST, state="failed")) == "full"
    assert look_of(line(NEWEST, condition="", status="", state="failed")) == "failed"
    assert look_of(line(NEWEST, condition="", status="", state="")) == "missing"


def test_bars_of_an_hour_add_up_to_its_total_on_the_scale_of_the_axis():
    text = bars({NEWEST - HOUR: {"a": 3.0, "b": 5.0}, NEWEST: {"a": 1.0}}, "")
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" fill', text)]
    assert heights == pytest.approx([150 * 3 / 8, 150 * 5 / 8, 150 / 8], abs=0.01)
    assert bars({NEWEST: {"a": 0.0}}, "") == bars({NEWEST: {}}, "") == bars({}, "") == ""
