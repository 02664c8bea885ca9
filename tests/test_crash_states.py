import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from crash_states import crash_states
from syscall_faults import Harness
from syscall_payloads import NEW, OLD


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


def states(harness, name, folder, *, most=200, seed=0, args=None, ignore=()):
    """Run a payload, and yield what the disk may hold, and whether the payload had ended."""
    before = folder.with_name("before")
    shutil.copytree(folder, before, symlinks=True)
    outcome = harness.run(f"syscall_payloads:{name}", {"folder": str(folder), **(args or {})}, folder=folder, data=True)
    assert outcome.error is None
    into = folder.with_name("states")
    for state in crash_states(before, outcome.calls, after=folder, into=into, most=most, seed=seed, ignore=ignore):
        yield state, state.after == outcome.count


def values(harness, name, folder):
    return [((state.folder / "value").read_bytes(), ended) for state, ended in states(harness, name, folder)]


def test_a_publication_that_syncs_is_old_or_new_and_new_once_it_ended(harness, folder):
    found = values(harness, "publish", folder)
    assert {value for value, ended in found if not ended} == {OLD, NEW}
    assert {value for value, ended in found if ended} == {NEW}


def test_without_a_sync_of_the_file_its_name_may_lead_to_an_empty_one(harness, folder):
    found = [value for value, _ in values(harness, "publish_without_sync", folder)]
    assert b"" in found
    assert any(value not in {OLD, NEW, b""} for value in found), "nor is it whole or empty"


def test_without_a_sync_of_the_folder_the_name_may_be_undone(harness, folder):
    found = values(harness, "publish_without_folder_sync", folder)
    assert {value for value, _ in found} == {OLD, NEW}
    assert {value for value, ended in found if ended} == {OLD, NEW}


def test_what_is_written_in_place_may_be_a_mix(harness, folder):
    found = values(harness, "overwrite", folder)
    assert any(b"o" in value and b"n" in value for value, _ in found)
    assert {value for value, ended in found if ended} == {NEW}


@pytest.mark.parametrize("seed", [*range(8), 161])
def test_the_calls_lead_to_what_is_there(harness, folder, seed):
    """The model against the kernel: `crash_states` compares before it yields.

    In 161 a file is written by a handle whose name is gone, and read by another name.
    """
    found = list(states(harness, "in_any_order", folder, args={"seed": seed}, most=40))
    assert found


def test_what_no_call_told_is_noticed(harness, folder):
    with pytest.raises(AssertionError, match="value is not as the calls left it"):
        list(states(harness, "write_mapped", folder))


def test_states_are_as_many_as_asked_for_and_the_same_for_a_seed(harness, folder):
    before, into = folder.with_name("before"), folder.with_name("states")
    shutil.copytree(folder, before)
    args = {"folder": str(folder)}
    calls = harness.run("syscall_payloads:publish_without_sync", args, folder=folder, data=True).calls

    def all_of(seed, most=12):
        found = []
        for state in crash_states(before, calls, after=folder, into=into, most=most, seed=seed):
            found.append((state.told, {path.name: path.read_bytes() for path in state.folder.iterdir()}))
        shutil.rmtree(into)
        return found

    assert all_of(1) == all_of(1)
    assert all_of(1) != all_of(2)
    assert len(all_of(1)) == 12
    assert len(all_of(1, most=1)) == 1
    everything = [str(found) for _, found in all_of(1, most=10_000)]
    assert len(everything) > 12


def rows_of(folder):
    """Return the rows of a database after its own recovery; None when it is corrupt."""
    try:
        with closing(sqlite3.connect(folder / "base.sqlite")) as base:
            rows = {str(x).startswith("new") for (x,) in base.execute("select x from t")}
            sound = base.execute("pragma integrity_check").fetchall() == [("ok",)]
    except sqlite3.DatabaseError:
        return None
    return rows if sound else None


def filled(folder):
    with closing(sqlite3.connect(folder / "base.sqlite")) as base, base:
        base.execute("create table t (x)")
        base.executemany("insert into t values (?)", [(f"{x:0500}",) for x in range(60)])


def test_a_transaction_of_sqlite_is_there_or_not(harness, folder):
    filled(folder)
    found = [rows_of(state.folder) for state, _ in states(harness, "update", folder, most=120)]
    assert {frozenset(rows or {"corrupt"}) for rows in found} == {frozenset({False}), frozenset({True})}


def test_a_transaction_of_sqlite_that_does_not_sync_may_be_there_in_part(harness, folder):
    filled(folder)
    found = [
        rows_of(state.folder) for state, _ in states(harness, "update", folder, most=120, args={"synchronous": "off"})
    ]
    assert any(rows not in ({False}, {True}) for rows in found)


def test_a_commit_of_icechunk_alone_may_leave_an_empty_ref(tmp_path):
    """It does not sync, so a store that is to survive a power cut must."""
    pytest.importorskip("icechunk")
    folder = tmp_path / "folder"
    folder.mkdir()
    with Harness(["icechunk", "zarr", "syscall_payloads"]) as made:
        made.run("syscall_payloads:icechunk_commit", {"folder": str(folder), "value": 1}, folder=folder)
        refs = [
            (state.folder / "repo/refs/branch.main/ref.json").read_bytes()
            for state, _ in states(made, "icechunk_commit", folder, most=100, args={"value": 2})
        ]
    assert b"" in refs
    assert any(json.loads(ref)["snapshot"] for ref in refs if ref.endswith(b"}"))
