"""What the store does with its past: tiers, branches, retention."""

import hour_cases as cases
import numpy as np
import pytest
import xarray as xr

from pipeline.errors import StoreError
from pipeline.grid import HourStore


def full(store, branch="main"):
    with store.at(branch=branch) as reader:
        return reader.dataset(reader.layout.hour(0), reader.layout.hour(reader.layout.hours)).load()


def size(path):
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def same(one, other, *but):
    xr.testing.assert_identical(one.drop_vars(but), other.drop_vars(but))


def test_sealed_hours_are_the_same_to_the_bit_and_later_versions_count(tmp_path):
    store = cases.make(tmp_path / "s")
    store.commit([cases.noisy(n, 1) for n in (*range(100), 170, 400)], at=cases.at(0))
    before = full(store)
    sealed = store.seal(cases.hour(10), cases.hour(180), at=cases.at(1))
    assert len(sealed.hours) == 91
    same(full(store), before, "tier")
    with store.at() as reader:
        assert reader.vectors["tier"].sum() == 91
        archive = xr.open_zarr(reader.store, group="archive", consolidated=False, chunks=None)
        assert np.isnan(archive["flux_prior"][:, [9, 99 + 1, 400]]).all()
        for number in (0, 10, 99, 170, 400):
            reader.verify(cases.hour(number))
    assert not store.check()
    assert not store.seal(cases.hour(10), cases.hour(180), at=cases.at(2)).written
    # late data: the hot tier counts, until it is sealed again
    store.commit([cases.noisy(50, 2), cases.noisy(120, 2)], at=cases.at(3))
    late = full(store)
    assert not np.array_equal(late["flux_prior"][:, 50], before["flux_prior"][:, 50])
    same(late.drop_isel(time=[50, 120]), before.drop_isel(time=[50, 120]), "tier")
    store.seal(cases.hour(0), cases.hour(24 * 60), at=cases.at(4))
    same(full(store), late, "tier")
    assert not store.check()
    assert (store.read_revision(cases.hour(50), 1)["flux_prior"] == before["flux_prior"][:, 50].values)[:, 1:].all()


def test_indexing_across_the_tiers_is_numpys(tmp_path):
    store = cases.make(tmp_path / "s", hours=400)
    store.commit([cases.noisy(n, 1) for n in range(0, 390, 2)], at=cases.at(0))
    store.seal(cases.hour(20), cases.hour(200), at=cases.at(1))
    store.commit([cases.noisy(n, 3) for n in (30, 44)], at=cases.at(2))
    with store.at() as reader:
        lazy = reader.dataset(cases.hour(3), cases.hour(399))["flux_prior"]
        whole = lazy.load()
        keys = [
            {"time": 7},
            {"sector": 1, "y": 2, "x": 3},
            {"time": [300, 5, 27, 41], "y": slice(1, 4)},
            {"time": slice(300, 10, -7), "x": [5, 1]},
            {"time": slice(0, 0)},
        ]
        for key in keys:
            lazy = reader.dataset(cases.hour(3), cases.hour(399))["flux_prior"].isel(key)
            np.testing.assert_array_equal(lazy.values, whole.isel(key).values)


def test_an_axis_grows_and_keeps_what_it_holds(tmp_path):
    store = cases.make(tmp_path / "s", hours=48)
    store.commit([cases.noisy(40, 1)], at=cases.at(0))
    before = full(store)
    store.extend(100, at=cases.at(1))
    store.commit([cases.noisy(90, 1)], at=cases.at(2))
    after = full(HourStore.open(tmp_path / "s"))
    assert after.sizes["time"] == 100
    same(after.isel(time=slice(48)), before)
    np.testing.assert_array_equal(after["time"].values, cases.START + np.arange(100).astype("timedelta64[h]"))
    assert not store.check()
    with pytest.raises(StoreError, match="an axis only grows"):
        store.extend(48, at=cases.at(3))


def test_a_branch_becomes_main_with_what_main_wrote_meanwhile(tmp_path):
    store = cases.make(tmp_path / "s")
    store.commit([cases.version(n, 1.0) for n in range(6)], at=cases.at(0))
    store.seal(cases.hour(0), cases.hour(3), at=cases.at(1))
    store.branch("again", at=cases.at(2))
    store.commit([cases.version(1, 10.0, "R1"), cases.version(2, 10.0, "R1")], at=cases.at(3), branch="again")
    store.commit([cases.version(2, 2.0, "P2"), cases.version(4, 2.0, "P2"), cases.version(7, 2.0)], at=cases.at(4))
    old = store.at()
    assert full(store)["station_value"][:8, 0].fillna(0).values.tolist() == [1, 1, 2, 1, 2, 1, 0, 2]
    done = store.adopt("again", at=cases.at(5))
    assert done.hours == (cases.hour(1), cases.hour(2))
    assert full(store)["station_value"][:8, 0].fillna(0).values.tolist() == [1, 10, 10, 1, 2, 1, 0, 2]
    assert not store.check()
    with store.at() as reader:
        assert reader.seq == done.seq
        assert [line["status"] for line in reader.revisions(cases.hour(2))] == ["P1", "P2", "R1"]
        assert [line["status"] for line in reader.revisions(cases.hour(4))] == ["P1", "P2"]
    assert [store.read_revision(cases.hour(2), n)["station_value"][0] for n in (1, 2, 3)] == [1, 2, 10]
    assert store.at(tag=f"main-{old.seq}").snapshot == old.snapshot == store.at(cases.at(4)).snapshot
    with pytest.raises(StoreError, match="the branch must exist"):
        store.adopt("again", at=cases.at(6))
    assert store.commit([cases.version(9, 3.0)], at=cases.at(7)).seq == done.seq + 1
    # the journal is an index
    (tmp_path / "s" / "journal.jsonl").unlink()
    assert store.at(cases.at(4)).snapshot == old.snapshot


def test_hours_may_be_in_both_tiers_and_are_read_from_the_cheaper(tmp_path, monkeypatch):
    store = cases.make(tmp_path / "s", hours=400)
    store.commit([cases.noisy(n, 1) for n in range(380)], at=cases.at(0))
    before = full(store)
    assert len(store.seal(cases.hour(0), cases.hour(360), at=cases.at(1), keep=True).hours) == 360
    assert not store.seal(cases.hour(0), cases.hour(360), at=cases.at(1), keep=True).written
    same(full(store), before, "tier")
    with store.at() as reader:
        groups = []
        taken = reader._chunks
        monkeypatch.setattr(reader, "_chunks", lambda group, name: groups.append(group) or taken(group, name))
        reader.map(cases.hour(5), ["flux_prior"])
        assert groups.pop() == "hours"
        cell = reader.dataset(cases.hour(0), cases.hour(360))["flux_prior"].isel(sector=0, y=1, x=2)
        np.testing.assert_array_equal(cell, before["flux_prior"][0, :360, 1, 2])
        assert groups == ["archive"]
    store.commit([cases.noisy(7, 2)], at=cases.at(2))
    late = full(store)
    assert not np.array_equal(late["flux_prior"][:, 7], before["flux_prior"][:, 7])
    store.seal(cases.hour(0), cases.hour(370), at=cases.at(3), keep=True)
    same(full(store), late, "tier")
    assert len(store.seal(cases.hour(0), cases.hour(168), at=cases.at(4)).hours) == 168
    same(full(store), late, "tier")
    with store.at() as reader:
        assert np.bincount(reader.vectors["tier"][:380]).tolist() == [10, 168, 202]
        plain = xr.open_zarr(reader.store, group="hours", consolidated=False, chunks=None)
        assert np.isnan(plain["flux_prior"][:, 5]).all()
    assert not store.check()


@pytest.mark.parametrize("place", ["tag", "publish", "point", "append", "drop"])
def test_adopting_that_was_cut_off_is_done_or_not_and_can_be_done_again(tmp_path, place, monkeypatch):
    store = cases.make(tmp_path / "s")
    store.commit([cases.version(1, 1.0)], at=cases.at(0))
    store.branch("again", at=cases.at(1))
    store.commit([cases.version(1, 5.0)], at=cases.at(2), branch="again")
    store.commit([cases.version(2, 2.0)], at=cases.at(3))
    owner = store._repo.journal if place == "append" else store._repo

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, cut)
        with pytest.raises(KeyboardInterrupt):
            store.adopt("again", at=cases.at(4))
    again = HourStore.open(tmp_path / "s")
    assert full(again)["station_value"][1:3, 0].values.tolist() in ([1, 2], [5, 2])
    again.adopt("again", at=cases.at(5))
    assert full(again)["station_value"][1:3, 0].values.tolist() == [5, 2]
    assert again._repo.branches() == ["main"]


def test_retention_bounds_the_disk_and_takes_nothing_that_is_needed(tmp_path):
    store = cases.make(tmp_path / "s", ny=24, nx=24)
    one = cases.make(tmp_path / "few", ny=24, nx=24)
    for n in range(3):
        one.commit([cases.noisy(1, n, 24, 24)], at=cases.at(n))
    store.commit([cases.noisy(1, 0, 24, 24)], at=cases.at(0))
    store.tag("first")
    store.branch("aside", at=cases.at(0))
    held = None
    for n in range(1, 60):
        store.commit([cases.noisy(1, n, 24, 24)], at=cases.at(n))
        if n == 20:
            held = store.at()
    before = size(tmp_path / "s")
    lazy = held.dataset(cases.hour(0), cases.hour(24))
    (tmp_path / "s" / "repo" / "chunks" / "AAAA#1").write_bytes(b"torn")
    removed = store.collect(cases.at(50))
    assert removed.snapshots == 48
    assert removed.orphans == 1
    assert (removed.chunks > 47, removed.bytes > before / 2) == (True, True)
    # the reader and the tag read on; as of the limit it can be read
    np.testing.assert_array_equal(lazy["region_total"][1].values, cases.noisy(1, 20, 24, 24).data["region_total"])
    assert store.at(tag="first").seq == 1
    assert store.at(branch="aside").hours().size == 1
    assert store.at(cases.at(50)).manifest(cases.hour(1))["key"] == "50"
    assert store.at(cases.at(49)).manifest(cases.hour(1))["key"] == "49"
    with pytest.raises(StoreError, match="at or before that time must be kept"):
        HourStore.open(tmp_path / "s").at(cases.at(30))
    with pytest.raises(StoreError, match="must be kept"):
        store.read_revision(cases.hour(1), 31)
    assert store.read_revision(cases.hour(1), 55)["region_total"].shape == (2, 3)
    assert not store.check()
    held.close()
    store.collect(cases.at(1000))
    assert size(tmp_path / "s") < 2.5 * size(tmp_path / "few")
    assert store.commit([cases.noisy(1, 99, 24, 24)], at=cases.at(1001)).seq == 62
    assert not HourStore.open(tmp_path / "s").check()


def test_leases_of_readers_that_are_gone_are_removed(tmp_path):
    store = cases.make(tmp_path / "s")
    readers = [store.at() for _ in range(3)]
    folder = tmp_path / "s" / "leases"
    assert len(list(folder.glob("*.lease"))) == 3
    readers[0].close()
    del readers[1]
    assert len(list(folder.glob("*.lease"))) == 1
    (folder / "1-dead.lease").write_text("x")  # nobody holds its lock
    store.collect(cases.at(0))
    assert len(list(folder.glob("*.lease"))) == 1
