"""Limits of cores and memory are held over whole trees of processes, by every way this machine has."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.box import groups
from benchmarks.box.limits import Limits, limits_of
from benchmarks.box.running import Box, routes
from benchmarks.box.watching import Watchdog
from pipeline.errors import ConfigError

ROUTES = dict(routes())
MIB = 2**20
#: holds so many MiB in a child of its own, in steps, and says so at the end
TAKE = """
import subprocess, sys, time
code = '''
import time
held = []
for _ in range({steps}):
    held.append(bytearray(b"x") * (4 * 2**20))
    time.sleep(0.02)
print("held", len(held) * 4)
'''
done = subprocess.run([sys.executable, "-c", code])
print("the child ended with", done.returncode)
"""


def take(mebibytes):
    return [sys.executable, "-c", TAKE.format(steps=mebibytes // 4)]


def first_core():
    return limits_of(1, None).cores


def left_over():
    # those of other processes are theirs
    return [path for parent, _ in groups.parents() for path in parent.glob(f"tianyan-bench-{os.getpid()}-*")]


@pytest.mark.parametrize("name", ROUTES)
def test_who_takes_less_than_the_limit_lives_and_is_measured(name):
    box = Box(Limits(first_core(), 600 * MIB), (name, ROUTES[name]))
    ran = box.run(take(160))
    assert ran.sound, ran
    assert "held 160" in ran.said
    # two interpreters and what is held; a look comes every few hundredths of a second
    assert 120 * MIB < ran.peak < 300 * MIB
    assert 0 < ran.processor < ran.seconds + 0.1
    assert not left_over()


@pytest.mark.parametrize("name", ROUTES)
def test_who_takes_more_than_the_limit_is_ended_with_all_it_started(name):
    box = Box(Limits(first_core(), 200 * MIB), (name, ROUTES[name]))
    ran = box.run(take(4000))
    assert ran.ended
    assert not ran.sound
    assert ran.why(box.limits) == "ended: it took more than 200 MiB"
    assert "held" not in ran.said
    # the parent did not go on without its child
    assert "the child ended" not in ran.said
    assert not left_over()


@pytest.mark.parametrize("name", ROUTES)
def test_a_child_in_a_session_of_its_own_is_ended_too(name):
    code = (
        "import subprocess, sys\n"
        'more = \'held = [bytearray(b"x") * (4 * 2**20) for _ in range(1000)]; print("held")\'\n'
        "print(subprocess.run([sys.executable, '-c', more], start_new_session=True).returncode)"
    )
    ran = Box(Limits(first_core(), 200 * MIB), (name, ROUTES[name])).run([sys.executable, "-c", code])
    assert ran.ended
    assert ran.said == ""


def test_a_control_group_holds_to_the_page():
    found = [name for name in ROUTES if name.startswith("control group")]
    if not found:
        pytest.skip("no control group can be made here")
    box = Box(Limits(first_core(), 200 * MIB), (found[0], ROUTES[found[0]]))
    ran = box.run(take(4000))
    assert ran.with_files == 200 * MIB


def test_cached_files_are_not_taken_memory(tmp_path):
    found = [name for name in ROUTES if name.startswith("control group")]
    if not found:
        pytest.skip("no control group can be made here")
    code = f"for _ in range(3):\n  open({str(tmp_path / 'large')!r}, 'ab').write(bytes(100 * 2**20))"
    ran = Box(Limits(first_core()), (found[0], ROUTES[found[0]])).run([sys.executable, "-c", code])
    assert ran.sound
    assert ran.with_files > 300 * MIB
    assert ran.peak < 200 * MIB


def test_every_library_sees_the_cores_that_are_allowed():
    code = (
        "import os, numba, numpy, threadpoolctl\n"
        "numpy.ones((2, 2)) @ numpy.ones((2, 2))\n"
        "pools = {one['num_threads'] for one in threadpoolctl.threadpool_info()}\n"
        "print(len(os.sched_getaffinity(0)), numba.config.NUMBA_NUM_THREADS, pools)"
    )
    assert Box(limits_of(1, None)).run([sys.executable, "-c", code]).said.strip() == "1 1 {1}"


def test_this_process_keeps_its_cores():
    before = os.sched_getaffinity(0)
    Box(limits_of(1, None)).run(["true"])
    assert os.sched_getaffinity(0) == before


def test_an_interrupt_leaves_neither_processes_nor_groups(monkeypatch):
    seen = []

    class Stopped(Watchdog):
        def taken(self, pid):
            seen.append(pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Box(Limits(first_core()), ("stopped", Stopped)).run([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(0.1)
    assert not Path(f"/proc/{seen[0]}").exists()


def test_a_command_that_fails_by_itself_is_told_with_its_last_line():
    box = Box(limits_of(None, None))
    ran = box.run([sys.executable, "-c", "raise ValueError('no such hour')"])
    assert not ran.ended
    assert ran.why(box.limits) == "failed with exit code 1: ValueError: no such hour"


@pytest.mark.parametrize(
    ("cores", "memory", "rule"),
    [
        (64_000, None, "cores must lie in"),
        (0, None, "cores must lie in"),
        (None, "abc", "a number with a unit"),
        (None, "4", "a number with a unit"),
        (None, "0G", "a number with a unit"),
        (None, "900000G", "at most what there is here"),
    ],
)
def test_limits_that_cannot_be_tried_here_are_refused(cores, memory, rule):
    with pytest.raises(ConfigError, match=rule) as caught:
        limits_of(cores, memory)
    assert caught.value.where in ("--cores", "--memory")


@pytest.mark.parametrize(
    ("text", "size"), [("1G", 2**30), ("512M", 512 * MIB), ("0.5 GiB", 512 * MIB), ("64mb", 64 * MIB)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert limits_of(None, text).memory == size


def test_a_group_of_version_2_is_limited_by_its_own_files(tmp_path, monkeypatch):
    """The kernel fills a new group's folder with files; here a folder made by hand stands in for it."""
    real = Path.mkdir

    def made(self, *arguments, **options):
        real(self, *arguments, **options)
        if self.name.startswith("tianyan-bench-"):
            (self / "memory.max").write_text("max")
            (self / "memory.swap.max").write_text("max")
            (self / "memory.stat").write_text("anon 1000\nfile 500\nshmem 70\nfile_mapped 30\n")
            (self / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
            (self / "memory.peak").write_text("1570\n")
            (self / "cgroup.procs").write_text("")

    monkeypatch.setattr(Path, "mkdir", made)
    group = groups.ControlGroup(tmp_path, groups.V2, 4096)
    assert (group.path / "memory.max").read_text() == "4096"
    assert (group.path / "memory.swap.max").read_text() == "0"
    assert (group.taken(0), group.ended(None), group.with_files()) == (1070, True, 1570)
