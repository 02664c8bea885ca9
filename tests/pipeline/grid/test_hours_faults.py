"""Faults of disk and power: the store gives what was written, what was before it, or an error; never another number."""

import os
import shutil

import hour_cases as cases
import numpy as np
import pytest

from pipeline.errors import CorruptError, StoreError
from pipeline.grid import HourStore, hours_files


def files(path):
    return {
        p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file() and "leases" not in p.parts
    }


def lay(path, content):
    shutil.rmtree(path, ignore_errors=True)
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    for name in ("chunks", "manifests", "snapshots", "transactions", "refs"):
        (path / "repo" / name).mkdir(parents=True, exist_ok=True)


def said(reader, number):
    """Return the one number of an hour, or None when it is missing; raise when it holds two."""
    values = reader.values(cases.hour(number))
    found = np.unique(np.concatenate([v.ravel() for v in values.values()]))
    assert found.size == 1, found
    return None if np.isnan(found[0]) else float(found[0])


def opened(path):
    """Return a store, repaired when it has to be."""
    try:
        store = HourStore.open(path)
        if store.check():
            raise CorruptError("an hour is not whole", remedy="repair")
        return store
    except StoreError:
        HourStore.repair(path, at=cases.at(999))
        return HourStore.open(path)


def commit_(store):
    store.commit([cases.version(1, 2.0), cases.version(2, 2.0)], at=cases.at(2))


def seal_(store):
    store.seal(cases.hour(0), cases.hour(48), at=cases.at(2))


def adopt_(store):
    store.adopt("again", at=cases.at(2))


def collect_(store):
    store.commit([cases.version(1, 2.0), cases.version(2, 2.0)], at=cases.at(2))
    store.collect(cases.at(9))


@pytest.mark.parametrize("step", [commit_, seal_, adopt_, collect_], ids=["commit", "seal", "adopt", "collect"])
def test_after_a_power_cut_the_old_hours_or_the_new_ones_never_a_mix(tmp_path, step, monkeypatch):
    path = tmp_path / "s"
    store = cases.make(path, hours=48)
    store.commit([cases.version(n, 1.0) for n in (1, 2, 3)], at=cases.at(0))
    store.branch("again", at=cases.at(1))
    store.commit([cases.version(1, 2.0), cases.version(2, 2.0)], at=cases.at(1), branch="again")
    # what is on the disk for sure at each sync, and what was merely written by then
    states = [files(path)]

    def record(sync):
        def synced(*arguments):
            states.append(files(path))
            sync(*arguments)
            states.append(files(path))

        return synced

    with monkeypatch.context() as patch:
        patch.setattr(hours_files, "sync", record(hours_files.sync))
        patch.setattr(hours_files, "put", record(hours_files.put))
        step(store)
    states.append(files(path))
    durable, tried, outcomes = states[0], 0, set()
    random = np.random.default_rng(3)
    for state in states[1:]:
        fresh = [name for name in state if durable.get(name) != state[name]]
        chosen = random.permutation(len(fresh))[:6]
        for name in [fresh[i] for i in chosen]:
            for damage in ("missing", "empty", "short"):
                left = dict(state)
                if damage == "missing":
                    left.pop(name)
                    if name in durable:
                        left[name] = durable[name]
                else:
                    left[name] = b"" if damage == "empty" else state[name][: len(state[name]) // 2]
                lay(tmp_path / "cut", left)
                with opened(tmp_path / "cut").at() as reader:
                    found = tuple(said(reader, n) for n in range(5))
                outcomes.add(found)
                tried += 1
                assert found in {(None, 1, 1, 1, None), (None, 2, 2, 1, None)}, (name, damage)
        durable = state
    assert tried > 15
    assert len(outcomes) == (1 if step is seal_ else 2)


def test_a_full_disk_leaves_the_old_hours_and_the_next_commit_does_it(tmp_path, monkeypatch):
    store = cases.make(tmp_path / "s")
    store.commit([cases.version(1, 1.0)], at=cases.at(0))

    def full(*_):
        raise OSError(28, "No space left on device")

    for place in ("sync", "put"):
        with monkeypatch.context() as patch:
            patch.setattr(hours_files, place, full)
            with pytest.raises(OSError, match="No space"):
                store.commit([cases.version(1, 2.0)], at=cases.at(1))
        assert said(HourStore.open(tmp_path / "s").at(), 1) == 1.0
    assert store.commit([cases.version(1, 2.0)], at=cases.at(2)).seq == 2
    assert said(store.at(), 1) == 2.0


def test_a_flipped_bit_is_an_error_or_no_matter(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, hours=48)
    for value in (1.0, 2.0):
        store.commit([cases.version(n, value) for n in (1, 2)], at=cases.at(int(value)))
    store.commit([cases.version(n, 3.0) for n in (30, 31)], at=cases.at(5))
    store.seal(cases.hour(30), cases.hour(31), at=cases.at(6))
    store.at().close()
    content, random = files(path), np.random.default_rng(1)
    errors = tried = 0
    truth = {1: {2.0}, 2: {2.0}, 30: {3.0}, 31: {3.0}, 5: {None}}
    names = [name for name in content if "lock" not in name.name]
    for name in [names[i] for i in random.permutation(len(names))[:30]]:
        place, bit = int(random.integers(len(content[name]))), int(random.integers(8))
        spoiled = bytearray(content[name])
        spoiled[place] ^= 1 << bit
        lay(tmp_path / "bad", {**content, name: bytes(spoiled)})
        tried += 1
        try:
            with HourStore.open(tmp_path / "bad").at() as reader:
                for number, allowed in truth.items():
                    try:
                        assert said(reader, number) in allowed, name
                    except CorruptError:
                        errors += 1
                try:
                    reader.dataset(cases.hour(0), cases.hour(48)).load()
                except CorruptError:
                    errors += 1
        except StoreError:
            errors += 1
        store = opened(tmp_path / "bad")
        assert not store.check(), name
        with store.at() as reader:
            assert said(reader, 1) in (1.0, 2.0), name
            assert (said(reader, 30), said(reader, 5)) == (3.0, None), name
    assert errors > tried / 10


def chunk_files(path):
    return sorted((path / "repo" / "chunks").glob("*"))


def test_a_deleted_chunk_is_an_error_and_never_a_hole(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, hours=48, ny=24, nx=24)
    store.commit([cases.noisy(n, 1, 24, 24) for n in (1, 30)], at=cases.at(1))
    before = set(chunk_files(path))
    store.commit([cases.noisy(1, 2, 24, 24)], at=cases.at(2))
    new = set(chunk_files(path)) - before
    content = files(path)
    with store.at() as reader:
        truth = reader.values(cases.hour(1))
        first = store.read_revision(cases.hour(1), 1)
    for file in new:
        lay(tmp_path / "bad", {name: data for name, data in content.items() if path / name != file})
        damaged = HourStore.open(tmp_path / "bad")
        try:
            wrong = damaged.check()
        except CorruptError:
            wrong = None  # the vectors are gone: the whole snapshot is
        else:
            assert list(wrong) == [cases.hour(1)], wrong
            with damaged.at() as reader, pytest.raises(CorruptError):
                reader.verify(cases.hour(1))
        done = HourStore.repair(tmp_path / "bad", at=cases.at(9))
        store = HourStore.open(tmp_path / "bad")
        with store.at() as reader:
            for name, values in reader.values(cases.hour(1)).items():
                np.testing.assert_array_equal(values, first[name])
            reader.verify(cases.hour(30))
            if wrong is not None:
                assert done.recompute == (cases.hour(1),)
                assert reader.manifest(cases.hour(1))["restored"]["revision"] == 1
                assert reader.manifest(cases.hour(1))["revision"] == 3
        # and it is written again
        store.commit([cases.noisy(1, 2, 24, 24)], at=cases.at(10))
        with store.at() as reader:
            for name, values in reader.values(cases.hour(1)).items():
                np.testing.assert_array_equal(values, truth[name])


def test_a_broken_block_of_the_archive_is_read_from_before_it_was_sealed(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, hours=200, ny=24, nx=24)
    store.commit([cases.noisy(n, 1, 24, 24) for n in range(100)], at=cases.at(0))
    before = set(chunk_files(path))
    store.seal(cases.hour(0), cases.hour(90), at=cases.at(1))
    largest = max(set(chunk_files(path)) - before, key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    assert len(store.check()) == 90
    done = HourStore.repair(path, at=cases.at(2))
    assert (len(done.restored), done.recompute, done.lost) == (90, (), ())
    store = HourStore.open(path)
    assert not store.check()
    store.seal(cases.hour(0), cases.hour(90), at=cases.at(3))
    assert not store.check()
    assert (HourStore.repair(path, at=cases.at(4)).restored, store.at().seq) == ((), 4)


def test_a_change_that_builds_on_a_broken_chunk_is_refused_until_it_is_repaired(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, ny=24, nx=24)
    before = set(chunk_files(path))
    store.commit([cases.noisy(n, 1, 24, 24) for n in range(24)], at=cases.at(1))
    # the day's chunk of a table: the next hour of the day is written into it
    table = [p for p in set(chunk_files(path)) - before if 1000 < p.stat().st_size < 1250]
    assert table
    for file in table:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(CorruptError, match="repair"):
        store.commit([cases.noisy(3, 2, 24, 24)], at=cases.at(2))
    HourStore.repair(path, at=cases.at(3))
    assert HourStore.open(path).commit([cases.noisy(3, 2, 24, 24)], at=cases.at(4)).written


def test_an_hour_of_which_nothing_is_left_is_missing_and_listed(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path, ny=24, nx=24)
    before = set(chunk_files(path))
    store.commit([cases.noisy(1, 1, 24, 24)], at=cases.at(1))
    for file in set(chunk_files(path)) - before:
        if file.stat().st_size > 900:
            file.write_bytes(b"")
    done = HourStore.repair(path, at=cases.at(2))
    assert done.lost == done.recompute == (cases.hour(1),)
    with HourStore.open(path).at() as reader:
        assert reader.hours().size == 0
        assert np.isnan(reader.values(cases.hour(1))["flux_prior"]).all()


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"snapshot": "0000000000000000000G"}', b"[]"])
@pytest.mark.parametrize("journal", [True, False])
def test_a_damaged_ref_is_an_error_and_repaired_from_the_journal_or_without(tmp_path, content, journal):
    path = tmp_path / "s"
    store = cases.make(path)
    for value in (1.0, 2.0):
        store.commit([cases.version(1, value)], at=cases.at(int(value)))
    ref = path / "repo" / "refs" / "branch.main" / "ref.json"
    ref.unlink() if content is None else ref.write_bytes(content)
    if not journal:
        (path / "journal.jsonl").unlink()
    with pytest.raises(CorruptError, match="repair"):
        HourStore.open(path).at()
    HourStore.repair(path, at=cases.at(3))
    store = HourStore.open(path)
    assert said(store.at(), 1) == 2.0
    assert store.commit([cases.version(1, 3.0)], at=cases.at(4)).written
    assert said(HourStore.open(path).at(), 1) == 3.0


def test_a_torn_or_lost_journal_is_made_again_from_the_commits(tmp_path):
    path = tmp_path / "s"
    store = cases.make(path)
    for n in range(4):
        store.commit([cases.version(n, 1.0)], at=cases.at(n))
    journal = path / "journal.jsonl"
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    for content in (b"", whole[:-9], b"".join(lines[:3]), b"x" + whole[1:], whole + b"torn"):
        journal.write_bytes(content)
        assert [store.at(cases.at(n)).seq for n in range(4)] == [1, 2, 3, 4]
        assert not store.commit([cases.version(0, 1.0)], at=cases.at(9)).written
        assert [r.seq for r in store._repo.journal.read()[0]] == [0, 1, 2, 3, 4]
        assert store.at(cases.at(2)).seq == 3


def mounts(path, kind):
    """Return mounts as the kernel lists them, with the file system of a path of some kind."""
    device = path.stat().st_dev
    return (
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        f"40 27 {os.major(device)}:{os.minor(device)} / / rw,noatime shared:1 - {kind} server:/export rw\n"
    )


def test_a_file_system_that_other_machines_share_is_not_written_and_is_read(tmp_path, monkeypatch):
    store = cases.make(tmp_path / "store")
    store.commit([cases.version(1, 2.0)], at=cases.at(1))
    listed = tmp_path / "mountinfo"
    monkeypatch.setattr(hours_files, "MOUNTS", listed)
    listed.write_text(mounts(tmp_path, "nfs4"))
    with pytest.raises(StoreError, match=r"nfs4.*local disk"):
        store.commit([cases.version(1, 3.0)], at=cases.at(2))
    with pytest.raises(StoreError, match="nfs4"):
        cases.make(tmp_path / "another")
    with HourStore.open(store.path).at() as reader:
        assert said(reader, 1) == 2.0
    listed.write_text(mounts(tmp_path, "ext4"))
    store.commit([cases.version(1, 3.0)], at=cases.at(2))
    listed.unlink()
    store.commit([cases.version(1, 4.0)], at=cases.at(3))
    with store.at() as reader:
        assert said(reader, 1) == 4.0
