"""The store among processes: readers, two committers, and kills."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import hour_cases as cases
import numpy as np
import psutil
import pytest

from pipeline.errors import LockedError
from pipeline.grid import HourStore

SCRIPT = Path(cases.__file__).with_name("hour_process.py")
#: at any time; that a kill at every single call is survived is shown in tests/pipeline/service/test_kills.py
KILLS = 20 if os.environ.get("SOAK") else 6


def start(*arguments):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def end(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def test_a_reader_sees_no_mix_during_a_hundred_commits(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path)
    store.commit([cases.version(1, 1.0)], at=cases.at(0))
    reader = start("read", path, 100)
    for number in range(2, 102):
        store.commit([cases.version(1, float(number))], at=cases.at(number))
    (path / "stop").touch()
    reads, torn = map(int, end(reader).split())
    assert torn == 0
    assert reads > 20
    with store.at() as last:
        assert len(last.revisions(cases.hour(1))) == 101


def test_two_committers_lose_nothing(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path)
    writers = [start("write", path, first, 15, 2) for first in (2, 3)]
    lines = [line.split() for writer in writers for line in end(writer).splitlines()]
    assert sorted(int(seq) for _, seq in lines) == list(range(1, 31))
    with store.at() as reader:
        assert reader.seq == 30
        np.testing.assert_array_equal(reader.hours(), cases.START + np.r_[1, 2:32].astype("timedelta64[h]"))
        assert len(reader.revisions(cases.hour(1))) == 30
        for number in range(2, 32):
            assert (reader.values(cases.hour(number))["station_value"] == number).all()
    assert not store.check()


def test_a_committer_that_is_killed_leaves_the_old_hours_or_the_new_ones(tmp_path):
    path = tmp_path / "s"
    cases.make(path)
    random, number = np.random.default_rng(5), 2
    for _ in range(KILLS):
        process = start("write", path, number, 1000, 1)
        # at any place of the second or third commit, however slow the machine is
        began = time.monotonic()
        first = process.stdout.readline()
        time.sleep(float(random.uniform(0, 2)) * (time.monotonic() - began))
        process.kill()
        lines = [first, *process.communicate()[0].splitlines()]
        told = [int(line.split()[0]) for line in lines if len(line.split()) == 2]
        store = HourStore.open(path)
        with store.at() as reader:
            hours = reader.hours()
            last = int((hours.max() - cases.START).astype(int)) if hours.size else 1
            # what was said to be done is; at most one more
            assert last - max(told, default=number - 1) in (0, 1)
            if hours.size:
                assert {float(v) for values in reader.values(cases.hour(1)).values() for v in values.ravel()} == {last}
                reader.verify(cases.hour(last))
        number = last + 1
    # a commit whose answer was lost is recognised
    again = HourStore.open(path).commit([cases.version(last, float(last))], at=cases.at(0))
    assert not again.written
    assert not HourStore.open(path).check()
    HourStore.open(path).collect(cases.at(0))
    assert not list(path.rglob("*.partial"))


def test_a_file_that_cannot_be_written_is_the_systems_error_and_nothing_has_changed(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path)
    store.commit([cases.version(1, 1.0)], at=cases.at(0))
    assert int(end(start("limited", path))) == errno.EFBIG
    store = HourStore.open(path)
    assert (store.at().values(cases.hour(1))["station_value"] == 1.0).all()
    assert store.commit([cases.version(1, 2.0)], at=cases.at(2)).seq == 2
    assert not store.check()


def test_a_second_committer_waits_and_then_says_locked(tmp_path):
    store = cases.make(tmp_path / "s")
    with (tmp_path / "s" / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match=r"locked for 0\.1 s"):
            store.commit([cases.version(1, 1.0)], at=cases.at(0), patience=0.1)
    assert store.commit([cases.version(1, 1.0)], at=cases.at(0), patience=0.1).written


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="40 s; `make soak` runs it (SOAK=1)")
def test_a_process_that_commits_many_hours_keeps_no_list_of_each(tmp_path):
    store, me = cases.make(tmp_path / "s"), psutil.Process()
    held = []
    for number in range(600):
        store.commit([cases.noisy(number, number)], at=cases.at(0))
        if number in (399, 599):
            held.append(me.memory_full_info().uss)
    # by default 0.5 MB a commit here, and more with each
    assert held[1] - held[0] < 200 * 0.3e6, held
