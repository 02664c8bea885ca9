import errno
import os
import shutil
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
import syscall_payloads
from syscall_faults import Fail, Harness, Kill, Only, Send, Short, every
from syscall_payloads import NEW, OLD, PAGES


@pytest.fixture(scope="module")
def harness():
    with Harness(["syscall_payloads"]) as made:
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    (made / "value").write_bytes(OLD)
    return made


def run(harness, name, folder, **told):
    args = {"folder": str(folder), **told.pop("args", {})}
    return harness.run(f"syscall_payloads:{name}", args, folder=folder, **told)


def names(outcome):
    return [call.name for call in outcome.calls]


def gone(pid):
    """A process ends a moment after its last wait is over."""
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False


def test_calls_are_told_in_order_with_path_size_and_result(harness, folder):
    outcome = run(harness, "publish", folder)
    told = [(call.name, call.path, call.to, call.size, call.result) for call in outcome.calls]
    handle = told[0][-1]
    assert told == [
        ("openat", "value.tmp", None, 0, handle),
        ("write", "value.tmp", None, len(NEW), len(NEW)),
        ("fsync", "value.tmp", None, 0, 0),
        ("rename", "value.tmp", "value", 0, 0),
        ("fsync", ".", None, 0, 0),
    ]
    assert (outcome.status, outcome.killed, outcome.error) == (0, False, None)
    assert (folder / "value").read_bytes() == NEW


def test_calls_of_threads_children_and_commands_all_count(harness, folder):
    outcome = run(harness, "threads_and_a_child", folder)
    assert outcome.error is None
    assert outcome.count == (4 + 1) * 5 * 2 + 2
    assert len({call.pid for call in outcome.calls}) >= 3
    assert len(list(folder.iterdir())) == (4 + 1) * 5 + 1 + 1


def test_calls_on_other_folders_pipes_and_sockets_do_not_count(harness, folder, tmp_path):
    outcome = run(harness, "elsewhere", folder, args={"other": str(tmp_path)})
    assert outcome.error is None
    assert outcome.calls == []
    assert outcome.output == "printed\ncomplained\n"


def test_links_relative_paths_and_handles_lead_to_the_folder(harness, folder):
    outcome = run(harness, "by_other_names", folder)
    assert outcome.error is None
    assert [(call.name, call.path) for call in outcome.calls] == [
        ("mkdir", "a"), ("mkdir", "b"), ("mkdirat", "c"), ("mkdir", "d"), ("rename", "d"),
    ]  # fmt: skip
    assert outcome.calls[-1].to == f"{folder}-d"


def test_a_command_is_followed(harness, folder):
    outcome = harness.run(["sh", "-c", "printf new > aside && ln aside other; exit 3"], folder=folder, cwd=folder)
    assert outcome.status == 3
    assert names(outcome) == ["openat", "write", "linkat"]
    assert (folder / "other").read_text() == "new"


def test_a_commit_in_c_counts(harness, folder):
    outcome = run(harness, "database", folder)
    again = run(harness, "database", folder)
    assert outcome.error is None
    assert {"pwrite64", "fdatasync", "unlink"} <= set(names(outcome))
    assert again.error is not None
    assert "already exists" in again.error


def states(harness, name, folder, after=False):
    """Return what `value` holds when the payload is killed at each of its calls."""
    count = run(harness, name, folder).count
    found = []
    for k in range(1, count + 1):
        (folder / "value").write_bytes(OLD)
        outcome = run(harness, name, folder, at=k, do=Kill(after=after))
        assert (outcome.killed, outcome.status, outcome.count) == (True, -signal.SIGKILL, k)
        found.append((folder / "value").read_bytes())
    return found


def test_killed_at_any_call_a_publication_leaves_the_old_or_the_new(harness, folder):
    assert states(harness, "publish", folder) == [OLD] * 4 + [NEW]


def test_killed_just_after_a_call_its_effect_is_there(harness, folder):
    assert states(harness, "publish", folder, after=True) == [OLD] * 3 + [NEW] * 2


def test_killed_at_any_call_an_overwriting_leaves_a_mix(harness, folder):
    """So the test above can fail."""
    found = states(harness, "overwrite", folder)
    assert [value.count(b"n") // 4096 for value in found] == [0, 0, *range(1, PAGES), PAGES]


def test_killed_in_c_a_commit_is_there_or_not(harness, folder):
    count = run(harness, "database", folder).count
    rows = set()
    for k in range(1, count + 1):
        for path in folder.glob("base*"):
            path.unlink()
        assert run(harness, "database", folder, at=k, do=Kill()).killed
        again = run(harness, "database", folder)
        rows.add(again.error is None)
    assert rows == {True, False}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_failing_call_raises_in_the_payload_and_does_nothing(harness, folder, code):
    for k, name in enumerate(["openat", "write", "fsync", "rename"], 1):
        outcome = run(harness, "publish", folder, at=k, do=Fail(code))
        assert outcome.status == 1
        assert f"[Errno {code}] {os.strerror(code)}" in outcome.error
        assert (names(outcome)[-1], outcome.calls[-1].result) == (name, -code)
        assert (folder / "value").read_bytes() == OLD


def failed(outcome):
    return [k for k, call in enumerate(outcome.calls, 1) if call.result == -errno.EIO]


def test_failing_onwards_spares_no_later_call(harness, folder):
    args = {"threads": 1, "files": 3}
    once = run(harness, "threads_and_a_child", folder, args=args, at=3, do=Fail(errno.EIO))
    onwards = run(harness, "threads_and_a_child", folder, args=args, at=3, do=Fail(errno.EIO, onwards=True))
    assert failed(once) == [3]
    assert failed(onwards) == list(range(3, onwards.count + 1))


def test_a_fault_may_be_for_some_calls_only(harness, folder):
    outcome = run(harness, "publish", folder, only=Only({"fsync"}, "."), at=1, do=Fail(errno.EIO))
    assert failed(outcome) == [5]
    outcome = run(harness, "publish", folder, only=Only(path="*.tmp"), at=4, do=Fail(errno.EIO))
    assert failed(outcome) == [4]
    outcome = run(harness, "publish", folder, only=Only({"mkdir"}), at=1, do=Fail(errno.EIO, onwards=True))
    assert (failed(outcome), outcome.status) == ([], 0)


def test_a_disk_that_fills_up_takes_half_a_write(harness, folder):
    outcome = run(harness, "write_all", folder, at=2, do=Short())
    assert outcome.value == [len(NEW) // 2, len(NEW) // 2]
    assert [(call.size, call.result) for call in outcome.calls[1:]] == [
        (len(NEW), len(NEW) // 2), (len(NEW) // 2, len(NEW) // 2),
    ]  # fmt: skip
    assert (folder / "value").read_bytes() == NEW


def test_a_stopped_tree_stands_still_until_it_is_let_go_on(harness, folder):
    args = {"folder": str(folder)}
    with harness.stopped("syscall_payloads:tick", args, folder=folder, at=3, data=True) as stopped:
        assert len(stopped.threads) == 2
        assert (len(stopped.calls), stopped.calls[-1].path) == (3, "1")
        files = sorted(path.name for path in folder.iterdir())
        time.sleep(0.6)
        assert sorted(path.name for path in folder.iterdir()) == files == ["0", "value"]
        outcome = stopped.go_on()
    assert (outcome.error, outcome.count) == (None, 6)
    assert outcome.value > 0.5, "a thread ran on"


def test_threads_children_and_commands_stop_and_go_on_at_any_call(harness, folder, tmp_path):
    count = run(harness, "threads_and_a_child", folder).count
    for k in every(count, 12, seed=5):
        made = tmp_path / f"{k}"
        made.mkdir()
        args = {"folder": str(made)}
        with harness.stopped("syscall_payloads:threads_and_a_child", args, folder=made, at=k) as stopped:
            assert len(stopped.calls) == k
            outcome = stopped.go_on()
        assert (outcome.error, outcome.count, outcome.timed_out) == (None, count, False)


def test_another_run_takes_over_while_one_is_stopped(harness, folder):
    args = {"folder": str(folder)}
    with harness.stopped("syscall_payloads:publish", args, folder=folder, at=4) as stopped:
        assert run(harness, "publish", folder).status == 0
        (folder / "value").write_bytes(OLD)
        outcome = stopped.go_on()
    # the other one took the file away
    assert "FileNotFoundError" in outcome.error
    assert (folder / "value").read_bytes() == OLD


def test_what_was_stopped_may_meet_another_fault_or_be_killed(harness, folder):
    args = {"folder": str(folder)}
    with harness.stopped("syscall_payloads:publish", args, folder=folder, at=2) as stopped:
        outcome = stopped.go_on(at=4, do=Fail(errno.EIO))
    assert failed(outcome) == [4]
    with harness.stopped("syscall_payloads:publish", args, folder=folder, at=4) as stopped:
        outcome = stopped.kill()
    assert (outcome.killed, outcome.count) == (True, 4)
    with harness.stopped("syscall_payloads:publish", args, folder=folder, at=4) as stopped:
        process = stopped.threads[0]
    assert gone(process)
    assert (folder / "value").read_bytes() == OLD


def test_stopping_says_so_when_the_payload_ends_before(harness, folder):
    stopped = harness.stopped("syscall_payloads:nothing", {"folder": str(folder)}, folder=folder, at=1)
    with pytest.raises(AssertionError, match="ended before call 1"), stopped:
        pass


def test_a_signal_at_a_call_is_for_the_payload_to_handle(harness, folder):
    outcome = run(harness, "told_to_end", folder, at=5, do=Send(signal.SIGTERM))
    assert (outcome.status, outcome.value) == (0, 3)
    outcome = run(harness, "publish", folder, at=2, do=Send(signal.SIGTERM))
    assert (outcome.status, outcome.killed) == (-signal.SIGTERM, False)


def test_a_payload_that_breaks_is_told_apart(harness, folder):
    outcome = run(harness, "crash", folder)
    assert (outcome.status, outcome.killed, outcome.timed_out) == (-signal.SIGSEGV, False, False)
    assert run(harness, "leave_early", folder).status == 7
    assert "AttributeError" in run(harness, "missing", folder).error
    assert run(harness, "nothing", folder).status == 0


def test_a_payload_that_takes_too_long_is_killed(harness, folder):
    outcome = run(harness, "sleep", folder, timeout=0.5)
    assert (outcome.status, outcome.timed_out, outcome.killed) == (-signal.SIGKILL, True, False)
    assert outcome.seconds < 20
    assert gone((folder / "process").read_text())


def test_a_killed_tree_leaves_no_process_behind(harness, folder):
    late = run(harness, "orphans", folder, timeout=1)
    assert late.timed_out
    assert gone((folder / "orphan").read_text())
    soon = run(harness, "orphans", folder, at=late.count, do=Kill(after=True))
    assert soon.killed
    assert gone((folder / "orphan").read_text())


def test_closing_the_harness_ends_what_runs(folder):
    with Harness(["syscall_payloads"]) as made:
        stopped = made.stopped("syscall_payloads:publish", {"folder": str(folder)}, folder=folder, at=3)
        process = stopped.__enter__().threads[0]
    assert gone(process)
    stopped.__exit__(None, None, None)


def test_killed_at_any_call_an_icechunk_commit_is_there_or_not(tmp_path):
    """The runtime of a library in Rust, with threads of its own."""
    pytest.importorskip("icechunk")
    with Harness(["icechunk", "zarr", "syscall_payloads"]) as made:
        first, second = tmp_path / "first", tmp_path / "second"
        first.mkdir()
        assert run(made, "icechunk_commit", first, args={"value": 1}).error is None
        shutil.copytree(first, second)
        plain = run(made, "icechunk_commit", second, args={"value": 2})
        assert (plain.error, run(made, "icechunk_values", second).value) == (None, [2])
        assert plain.count > 10
        assert len({call.pid for call in plain.calls}) > 1
        for k in every(plain.count, 6):
            folder = tmp_path / f"{k}"
            shutil.copytree(first, folder)
            # chunks go out in parallel, so the number of calls varies by a few
            killed = run(made, "icechunk_commit", folder, args={"value": 2}, at=k, do=Kill()).killed
            assert killed or k > plain.count - 4
            assert run(made, "icechunk_values", folder).value == ([1] if killed else [2])


def test_what_is_made_before_the_forks_is_there_after_them(folder):
    with Harness(warm=[("syscall_payloads:remember", {"value": 3})]) as made:
        assert made.run("syscall_payloads:remembered", folder=folder).value == 3
    with pytest.raises(AssertionError, match="left threads behind"):
        Harness(warm=[("syscall_payloads:leave_a_thread", {})])
    with pytest.raises(AssertionError, match="No module named 'no_such_module'"):
        Harness(["no_such_module"])


def test_what_a_payload_imports_is_told(harness, folder):
    outcome = harness.run("syscall_payloads:import_one", {"name": "wave"}, folder=folder)
    assert "wave" in outcome.imported
    with Harness(["wave"]) as made:
        outcome = made.run("syscall_payloads:import_one", {"name": "wave"}, folder=folder)
    assert "wave" not in outcome.imported


def test_where_tracing_is_not_permitted_the_harness_skips_and_says_so(harness, folder):
    outcome = run(harness, "trace", folder)
    assert outcome.error is None
    assert "permits no tracing" in outcome.value
    assert "Operation not permitted" in outcome.value


def test_the_calls_to_try_are_spread_and_hold_both_ends():
    assert every(5, 5) == [1, 2, 3, 4, 5]
    assert every(0, 5) == []
    assert every(9, 1) == [1]
    assert every(9, 2) == [1, 9]
    for count in (11, 50, 1001):
        samples = [every(count, 10, seed) for seed in range(30)]
        for sample in samples:
            assert (sample[0], sample[-1], len(set(sample))) == (1, count, 10)
            assert sample == sorted(sample)
            assert max(b - a for a, b in pairwise(sample)) <= 2 * count / 9 + 2
        assert len(set(map(tuple, samples))) > 1


def test_a_run_costs_little(harness, folder):
    seconds = min(run(harness, "nothing", folder).seconds for _ in range(20))
    counted = min(run(harness, "many", folder, args={"calls": 500}).value for _ in range(4))
    passed = min(run(harness, "read_many", folder, args={"calls": 500}).value for _ in range(4))
    alone = min(syscall_payloads.read_many(folder, 500) for _ in range(4))
    print(f"run {seconds * 1e3:.1f} ms, counted call {counted * 1e6:.0f} us, ", end="")
    print(f"open, read and close {passed * 1e6:.0f} us, alone {alone * 1e6:.0f} us")
    assert seconds < 0.3
    assert passed < 5 * alone, "calls that change nothing are not to stop"
