"""What is left after damage and kills: no good hour is given up, no hole is made, no number is given twice."""

import errno
import os

import hour_cases as cases
import numpy as np
import pytest

from pipeline.errors import CorruptError, StoreError
from pipeline.grid import HourStore, hours_branch
from pipeline.grid.hours_writer import HourWriter


def chunks(path):
    return set((path / "repo" / "chunks").glob("*"))


def spoil(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def full(path, last):
    """Return a store with hours 0 to last, and the chunks that they take."""
    store = cases.make(path, hours=200, ny=24, nx=24)
    before = chunks(path)
    store.commit([cases.noisy(n, 1, 24, 24) for n in range(last)], at=cases.at(0))
    return store, chunks(path) - before


def maps(path, last):
    with HourStore.open(path).at() as reader:
        return [reader.map(cases.hour(n)) for n in range(last)]


@pytest.mark.parametrize(("spoiled", "hours"), [("hours", 1), ("archive", 40)])
def test_of_an_hour_in_both_groups_either_copy_is_checked_and_made_good_from_the_other(tmp_path, spoiled, hours):
    path = tmp_path / "s"
    store, hot = full(path, 40)
    store.seal(cases.hour(0), cases.hour(40), at=cases.at(1), keep=True)
    # the versions are in no other snapshot any more
    store.collect(cases.at(2))
    truth = maps(path, 40)
    of_group = sorted(
        (hot if spoiled == "hours" else chunks(path) - hot) & chunks(path), key=lambda p: p.stat().st_size
    )
    # most that are hot are maps; the largest of the archive is a block of them
    spoil(of_group[len(of_group) // 2 if spoiled == "hours" else -1])
    assert len(HourStore.open(path).check()) == hours
    done = HourStore.repair(path, at=cases.at(3))
    assert (len(done.restored), done.recompute) == (hours, ())
    store = HourStore.open(path)
    assert not store.check()
    for found, expected in zip(maps(path, 40), truth, strict=True):
        assert found.equals(expected)
    with store.at() as reader:
        series = reader.dataset(cases.hour(0), cases.hour(40))["flux_posterior"].values
    np.testing.assert_array_equal(series[:, 9], truth[9]["flux_posterior"])


def test_a_repair_of_some_hours_makes_no_hole_of_those_that_share_their_chunk(tmp_path):
    path = tmp_path / "s"
    store, hot = full(path, 60)
    truth = maps(path, 60)
    store.seal(cases.hour(0), cases.hour(50), at=cases.at(1))
    spoil(sorted(chunks(path) - hot, key=lambda p: p.stat().st_size)[-1])
    done = HourStore.repair(path, at=cases.at(2), start=cases.hour(40), end=cases.hour(45))
    assert (len(done.restored), done.recompute) == (50, ())
    with HourStore.open(path).at() as reader:
        for name in cases.FIELDS:
            series = reader.dataset(cases.hour(0), cases.hour(60))[name].values
            for n in range(60):
                np.testing.assert_array_equal(series[:, n], truth[n][name])


def test_a_version_after_a_repair_has_a_number_of_its_own(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, hours=48, ny=24, nx=24)
    store.commit([cases.noisy(1, 1, 24, 24)], at=cases.at(1))
    before = chunks(path)
    store.commit([cases.noisy(1, 2, 24, 24)], at=cases.at(2))
    spoil(max(chunks(path) - before, key=lambda p: p.stat().st_size))
    HourStore.repair(path, at=cases.at(3))
    store = HourStore.open(path)
    store.commit([cases.noisy(1, 5, 24, 24)], at=cases.at(4))
    with store.at() as reader:
        assert [line["revision"] for line in reader.revisions(cases.hour(1))] == [1, 3, 4]
        assert reader.vectors["revision"][1] == 4
    for number, seed in ((1, 1), (3, 1), (4, 5)):
        expected = cases.noisy(1, seed, 24, 24).data["region_total"].values
        np.testing.assert_array_equal(store.read_revision(cases.hour(1), number)["region_total"], expected)


def test_a_damaged_line_of_the_journal_takes_no_commit_back(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, hours=48)
    for n in range(3):
        store.commit([cases.version(n, 1.0)], at=cases.at(n))
    *lines, last = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (path / "journal.jsonl").write_bytes(b"".join(lines) + last.replace(b"commit", b"comnit"))
    done = HourStore.repair(path, at=cases.at(9))
    assert (done.moved, done.recompute) == (False, ())
    with HourStore.open(path).at() as reader:
        assert reader.hours().size == 3


def test_work_that_began_before_a_branch_was_adopted_is_refused_for_the_hours_it_wrote(tmp_path):
    store = cases.make(tmp_path / "s")
    store.commit([cases.version(n, 1.0) for n in (1, 8)], at=cases.at(0))
    store.branch("again", at=cases.at(1))
    store.commit([cases.version(1, 10.0, "R1")], at=cases.at(2), branch="again")
    store.commit([cases.version(5, 1.0)], at=cases.at(3))
    with store.at() as reader:
        began = reader.seq
    store.adopt("again", at=cases.at(4))
    with pytest.raises(StoreError, match="since the work on it began"):
        store.commit([cases.version(1, 2.0, "P2")], at=cases.at(5), expected_seq=began)
    assert store.commit([cases.version(8, 2.0, "P2")], at=cases.at(6), expected_seq=began).written
    with store.at() as reader:
        assert reader.manifest(cases.hour(1))["status"] == "R1"
        began = reader.seq
    assert store.commit([cases.version(1, 2.0, "P2")], at=cases.at(7), expected_seq=began).written


def test_what_main_wrote_meanwhile_is_carried_over_in_parts(tmp_path, monkeypatch):
    store = cases.make(tmp_path / "s")
    store.branch("again", at=cases.at(1))
    store.commit([cases.version(n, 1.0 + n) for n in range(60)], at=cases.at(2))
    sizes, write = [], HourWriter.write
    monkeypatch.setattr(HourWriter, "write", lambda self, rows: sizes.append(len(rows)) or write(self, rows))
    store.adopt("again", at=cases.at(3))
    assert (max(sizes), sum(sizes)) == (hours_branch._AT_ONCE, 60)
    with store.at() as reader:
        assert [reader.values(cases.hour(n))["station_value"][0] for n in range(60)] == [1.0 + n for n in range(60)]


def test_a_ref_that_a_kill_left_half_written_stops_neither_adopting_nor_retention(tmp_path):
    store = cases.make(tmp_path / "s")
    refs = tmp_path / "s" / "repo" / "refs"
    store.branch("again", at=cases.at(1))
    store.commit([cases.version(1, 10.0, "R1")], at=cases.at(2), branch="again")
    (refs / "branch.again" / "ref.json.0a.partial").write_bytes(b"{")
    assert store.adopt("again", at=cases.at(3)).written
    held = store.at()
    store.commit([cases.version(1, 11.0)], at=cases.at(4))
    store.commit([cases.version(1, 12.0)], at=cases.at(5))
    (refs / "branch.pinned-0").mkdir()
    (refs / "branch.pinned-0" / "ref.json.0a.partial").write_bytes(b"{")
    store.collect(cases.at(9))
    assert held.values(cases.hour(1))["station_value"][0] == 10.0
    assert not list(refs.glob("branch.pinned*"))


def test_a_reader_on_a_full_disk_holds_its_snapshot_and_lets_go_of_everything(tmp_path, monkeypatch):
    path = tmp_path / "s"
    store = cases.make(path)
    store.commit([cases.version(1, 1.0)], at=cases.at(0))

    def full_(*_):
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_)
        held = store.at()
    for value in (2.0, 3.0):
        store.commit([cases.version(1, value)], at=cases.at(int(value)))
    store.collect(cases.at(9))
    assert held.values(cases.hour(1))["station_value"][0] == 1.0
    held.close()
    assert not list((path / "leases").glob("*.lease"))
    store.collect(cases.at(10))
    with pytest.raises((CorruptError, StoreError)):
        store.at(snapshot=held.snapshot)


def test_what_retention_removed_is_no_longer_kept_and_not_corrupt_for_who_had_read_it(tmp_path):
    path = tmp_path / "s"
    writer = cases.make(path)
    writer.commit([cases.version(1, 1.0)], at=cases.at(0))
    store = HourStore.open(path)
    with store.at() as reader:
        old = reader.snapshot
    for value in (2.0, 3.0):
        writer.commit([cases.version(1, value)], at=cases.at(int(value)))
    writer.collect(cases.at(9))
    with pytest.raises(StoreError, match="the snapshot must be kept") as raised:
        store.read_revision(cases.hour(1), 1)
    assert not isinstance(raised.value, CorruptError)
    with pytest.raises(StoreError, match="the snapshot must be kept"):
        store.at(snapshot=old)


def test_the_snapshot_before_the_first_is_mended_too_and_retention_goes_on(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path)
    (first,) = (p for p in (path / "repo" / "snapshots").glob("*") if p.name != store.at().snapshot)
    content = first.read_bytes()
    store.commit([cases.version(1, 1.0)], at=cases.at(0))
    store.branch("aside", at=cases.at(1))
    store.commit([cases.version(1, 2.0)], at=cases.at(2))
    first.write_bytes(content[:40])
    HourStore.repair(path, at=cases.at(3))
    assert first.read_bytes() == content
    store = HourStore.open(path)
    assert store.collect(cases.at(4)).snapshots > 0
    assert not store.check()
    assert {p.stem for p in (path / "sums").glob("*")} == {p.name for p in (path / "repo" / "snapshots").glob("*")}
