"""What others put beside a service, and how much of it, neither stops nor hides what is told of it."""

import json
from datetime import timedelta

import pytest
from health_cases import NOW, facts

from pipeline.service.database import open_database
from pipeline.service.health import alarms, health, metrics, page
from pipeline.service.health.around import LISTENER, listener_near
from pipeline.service.health.database import _SHOWN, _set_aside

WRITTEN = f'"written": "{NOW.isoformat()}"'
BAD = {
    "before the first year": '{"written": "0001-01-01T00:00:00+14:00"}',
    "after the last year": '{"written": "9999-12-31T23:59:59-14:00"}',
    "a number beyond all": f'{{{WRITTEN}, "messages": 1{"0" * 400}, "rejected": {{"a": 1{"0" * 400}}}}}',
    "deep": f'{{{WRITTEN}, "connections": {"[" * 900}{"]" * 900}, "b": {{"c": {{"d": {{"e": {{}}}}}}}}}}',
    "long": f'{{{WRITTEN}, "connections": {json.dumps({str(n): n for n in range(10**5)})}}}',
    "no numbers": f'{{{WRITTEN}, "messages": NaN, "waiting": "many", "failures": null, "stations": 7}}',
}


@pytest.mark.parametrize("name", BAD)
def test_counters_that_no_listener_wrote_stop_nothing(tmp_path, name):
    (tmp_path / LISTENER).write_text(BAD[name])
    found = health(facts(listener=listener_near(tmp_path, tmp_path, ())))
    assert [one.name for one in found.alarms] == (["listener_silent"] if "year" in name else [])
    told = json.loads(found.text())["listener"]
    assert told["stations"] == 0
    assert len(json.dumps(told)) < 2000
    assert "tianyan_health_state" in metrics(found)
    assert "</html>" in page(found)


def test_counters_of_a_listener_come_through(tmp_path):
    counters = {
        "written": NOW.isoformat(), "messages": 7, "waiting": 0, "rejected": {"no packet": 2}, "last_failure": "",
        "connections": {"now": 3, "closed": {"idle": 4}}, "stations": {"A": {}, "B": {}},
    }  # fmt: skip
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / LISTENER).write_text(json.dumps(counters))
    found = listener_near(tmp_path, tmp_path / "service", ["spool/hj212_*.txt"])
    assert found == {**counters, "stations": 2}


def test_a_conflict_is_told_however_many_files_were_refused_since(tmp_path):
    database = open_database(tmp_path / "ledger.sqlite")
    for number in range(2 * _SHOWN):
        state, seen = ("conflict", NOW - timedelta(days=1)) if number == 0 else ("refused", NOW)
        database.execute("INSERT INTO delivery VALUES (?, 1, 'x', 9, ?, 0)", (f"{number}.csv", seen.isoformat()))
        database.execute("INSERT INTO standing VALUES ('stations/A', ?, 1, 'x', ?, 'why')", (f"{number}.csv", state))
    found = tuple(_set_aside(database))
    database.close()
    assert len(found) == _SHOWN + 1
    assert found[-1].path == "0.csv"
    on = alarms(facts(set_aside=found))
    assert [one.name for one in on] == ["deliveries_conflict", "deliveries_refused"]
