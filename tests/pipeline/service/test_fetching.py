"""A command brings deliveries, and stops nothing when it cannot."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.service.database import open_database
from pipeline.service.fetching import fetch
from pipeline.service.ledger import Ledger
from pipeline.service.log import Log
from pipeline.service.quick import fingerprint, is_quiet, write_quiet
from pipeline.settings import FetchSettings

NOW = datetime(2024, 7, 15, 12, tzinfo=UTC)


def python(name, text, **more):
    return FetchSettings(name=name, command=[sys.executable, "-c", text], **more)


@pytest.fixture
def run(tmp_path):
    ledger, log = Ledger(open_database(tmp_path / "service.db")), Log("x", tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()

    def run(*sources, now=NOW):
        return fetch(sources, inbox, ledger, log, now)

    run.inbox, run.log = inbox, tmp_path / "service.log"
    yield run
    log.close()


def test_a_command_runs_in_the_inbox_when_it_is_due_and_not_before(run):
    source = python("towers", "open('a.csv', 'a').write('x')", every_minutes=60)
    assert run(source) == []
    assert run(source, now=NOW + timedelta(minutes=59)) == []
    assert (run.inbox / "a.csv").read_text() == "x"
    assert run(source, now=NOW + timedelta(minutes=60)) == []
    assert (run.inbox / "a.csv").read_text() == "xx"


def test_one_that_fails_is_told_with_its_words_tried_again_and_stops_no_other(run):
    bad = python("bad", "import sys; print('no\\x1b[31m such host'); sys.exit(3)")
    good = python("good", "open('b.csv', 'w')")
    absent = FetchSettings(name="absent", command=["/nowhere/at/all"])
    told = run(bad, absent, good)
    assert told[0] == "bad: exit code 3: no\\x1b[31m such host"
    assert told[1].startswith("absent: exit code 127")
    assert (run.inbox / "b.csv").exists()
    assert len(run(bad, now=NOW + timedelta(minutes=1))) == 1
    assert "\x1b" not in run.log.read_text()


def test_one_that_hangs_is_ended_with_all_it_started(run):
    mark = run.inbox / "late"
    child = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    text = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    began = time.monotonic()
    assert run(python("hangs", text, timeout_seconds=0.7)) == ["hangs: exit code 124"]
    assert time.monotonic() - began < 10
    time.sleep(2.5)
    assert not mark.exists()


def test_one_that_leaves_its_session_and_keeps_what_it_writes_to_open_is_not_waited_for(run):
    # as the master of shared ssh connections does
    text = (
        "import subprocess, time; print('said', flush=True); subprocess.Popen(['sleep', '20'], start_new_session=True)"
    )
    began = time.monotonic()
    assert run(python("ends", text), python("hangs", f"{text}; time.sleep(60)", timeout_seconds=1.5)) == [
        "hangs: exit code 124: said"
    ]
    assert time.monotonic() - began < 10


def test_one_that_was_fetched_by_a_clock_that_was_ahead_is_fetched_again(run):
    source = python("towers", "open('a.csv', 'a').write('x')", every_minutes=60)
    assert run(source, now=NOW + timedelta(days=900)) == []
    for minutes in (0, 15, 30, 60):
        assert run(source, now=NOW + timedelta(minutes=minutes)) == []
    assert (run.inbox / "a.csv").read_text() == "xxx"


def test_when_the_run_is_told_to_stop_the_command_ends_with_it(run, monkeypatch):
    def stopped(process, timeout=None):
        monkeypatch.undo()
        raise SystemExit(143)

    monkeypatch.setattr(subprocess.Popen, "wait", stopped)
    mark = run.inbox / "late"
    with pytest.raises(SystemExit):
        run(python("slow", f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"))
    time.sleep(2)
    assert not mark.exists()


def test_arguments_are_words_and_never_a_shell_s(run):
    source = FetchSettings(name="echo", command=["sh", "-c", 'printf "%s" "$1" > out', "sh", "; touch owned"])
    assert run(source) == []
    assert (run.inbox / "out").read_text() == "; touch owned"
    assert not (run.inbox / "owned").exists()


def test_a_run_is_not_quiet_when_something_is_to_be_fetched(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text("[service]\nstart = 2024-07-15T00:00:00Z\n", encoding="utf-8")
    (tmp_path / "service").mkdir()
    newest = NOW - timedelta(hours=2)
    for again, quiet in ((None, True), (NOW + timedelta(minutes=1), True), (NOW, False)):
        write_quiet(tmp_path / "service", fingerprint(case), newest, newest, again)
        assert is_quiet(case, NOW) == quiet
    # another hour is due, a file came, the store is another
    write_quiet(tmp_path / "service", fingerprint(case), newest, newest)
    assert not is_quiet(case, NOW + timedelta(hours=1))
    (tmp_path / "new.csv").touch()
    assert not is_quiet(case, NOW)
    write_quiet(tmp_path / "service", fingerprint(case), newest, newest)
    assert is_quiet(case, NOW)
    (tmp_path / "service" / "store").mkdir()
    (tmp_path / "service" / "store" / "journal.jsonl").touch()
    assert not is_quiet(case, NOW)
