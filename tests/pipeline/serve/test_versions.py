"""Fault table, rows 63 and 65: one version in a reply whatever is committed meanwhile; a damaged one is never told."""

import threading
from datetime import UTC, datetime

import pytest
import query_stores
import served_stores

from pipeline.answers import RunSource
from pipeline.errors import CorruptError
from pipeline.grid import HourReader, HourStore, open_kept, write_store
from pipeline.serve.shelf import Shelf

LATER = datetime(2024, 7, 16, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return query_stores.run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def made(asked, tmp_path):
    return query_stores.hours_of(asked, tmp_path), tmp_path / "store"


def commit(store, asked, factor):
    return query_stores.commit_again(store, asked, factor, LATER)


def last_hour(asked):
    return f"{asked.result['time'].values[-1].astype('datetime64[h]')}Z"


def total(client, asked, **more):
    reply = client.get("/api/series", params={"region": "ALL", "period": last_hour(asked), "sector": "net", **more})
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["version"] == reply.headers["x-tianyan-version"]
    assert told["version"] in reply.headers["etag"]
    return told["version"], told["sectors"]["net"]["posterior"][0]


def test_the_newest_version_is_told_as_soon_as_it_is_committed(made, asked):
    store, folder = made
    with served_stores.client_of(folder) as client:
        first, before = total(client, asked)
        second = commit(store, asked, 2.0)
        assert total(client, asked) == (second, pytest.approx(2 * before))
        assert total(client, asked, version=first) == (first, pytest.approx(before))
        assert total(client, asked, as_of="2024-07-16T02:00Z") == (first, pytest.approx(before))
        assert total(client, asked, as_of="2024-07-16T06:00Z") == (second, pytest.approx(2 * before))


def test_a_release_is_a_version_by_name(made, asked):
    store, folder = made
    tagged = store.tag("R1")
    commit(store, asked, 3.0)
    with served_stores.client_of(folder) as client:
        assert total(client, asked, version="R1")[0] == tagged
        told = client.get("/api/versions").json()
    assert told["releases"] == [{"name": "R1", "id": tagged}]
    assert told["newest"] == told["versions"][0]["id"] != tagged


def test_row_63_a_reply_that_a_commit_interrupts_is_of_one_version(made, asked, monkeypatch):
    store, folder = made
    read, committed = HourReader.read, []

    def interrupted(reader, *arguments, **more):
        if not committed:
            committed.append("")
            committed[0] = commit(store, asked, 5.0)
        return read(reader, *arguments, **more)

    with served_stores.client_of(folder) as client:
        first, before = total(client, asked)
        monkeypatch.setattr(HourReader, "read", interrupted)
        assert total(client, asked) == (first, pytest.approx(before))
        assert committed[0] != first
        assert total(client, asked) == (committed[0], pytest.approx(5 * before))


def test_row_63_readers_beside_a_committer_never_see_a_mixture(made, asked):
    store, folder = made
    known = {}
    with served_stores.client_of(folder) as client:
        first, unit = total(client, asked)
        known[first] = 1.0
        seen, stop, faults = [], threading.Event(), []

        def look():
            try:
                while not stop.is_set():
                    seen.append(total(client, asked))
            except Exception as error:
                faults.append(error)

        readers = [threading.Thread(target=look) for _ in range(3)]
        for reader in readers:
            reader.start()
        for factor in range(2, 12):
            known[commit(store, asked, float(factor))] = float(factor)
        stop.set()
        for reader in readers:
            reader.join()
    assert not faults
    assert len({version for version, _ in seen}) > 1
    for version, told in seen:
        assert told == pytest.approx(known[version] * unit)


def files_of(folder, kind):
    return set((folder / "repo" / kind).iterdir())


def damage(paths):
    """Turn a bit in the middle of files."""
    assert paths
    for path in paths:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def test_row_65_a_damaged_chunk_is_a_503_and_the_newest_falls_back_and_says_so(made, asked):
    store, folder = made
    first, before = store.snapshot_of(), files_of(folder, "chunks")
    second = commit(store, asked, 2.0)
    damage(files_of(folder, "chunks") - before)
    question = {"region": "ALL", "period": last_hour(asked)}
    with served_stores.client_of(folder) as client:
        pinned = client.get("/api/series", params={**question, "version": second})
        assert pinned.status_code == 503
        assert pinned.json()["version"] == second
        assert int(pinned.headers["retry-after"]) > 0
        newest = client.get("/api/series", params=question)
        assert newest.status_code == 200
        assert newest.headers["x-tianyan-version"] == newest.json()["version"] == first
        assert second in newest.headers["x-tianyan-fallback"]


def test_row_65_a_damaged_snapshot_is_a_503_and_the_newest_falls_back_and_says_so(made, asked):
    store, folder = made
    first, before = store.snapshot_of(), files_of(folder, "snapshots")
    second = commit(store, asked, 2.0)
    damage(files_of(folder, "snapshots") - before)
    with served_stores.client_of(folder) as client:
        told = client.get("/api/metadata").json()
        assert (told["version"], told["fallback"]["newest"]) == (first, second)
        assert client.get(f"/api/zarr/{second}/zarr.json").status_code == 503
        assert client.get(f"/api/zarr/{first}/zarr.json").status_code == 200
        assert client.get("/api/health").json()["fallback"] == second


def test_row_65_who_has_the_answer_of_before_is_told_that_it_stands_in_for_another(made, asked):
    store, folder = made
    before = files_of(folder, "snapshots")
    with served_stores.client_of(folder) as client:
        first = client.get("/api/metadata")
        second = commit(store, asked, 2.0)
        damage(files_of(folder, "snapshots") - before)
        after = client.get("/api/metadata", headers={"If-None-Match": first.headers["etag"]})
        assert after.status_code == 200
        assert after.json()["fallback"]["newest"] == second
        again = client.get("/api/metadata", headers={"If-None-Match": after.headers["etag"]})
        assert again.status_code == 304


def test_row_65_versions_are_told_when_the_ref_is_damaged_and_no_folder_is(made, monkeypatch):
    store, folder = made
    with served_stores.client_of(folder) as client:
        (folder / "repo" / "refs" / "branch.main" / "ref.json").write_text("{")
        told = client.get("/api/versions")
        assert (told.status_code, told.json()["newest"]) == (200, store.records()[-1].snapshot)

        def broken(_):
            raise CorruptError("a journal must be whole", got=str(folder), remedy="run `repair`", where=str(folder))

        monkeypatch.setattr(HourStore, "records", broken)
        told = client.get("/api/versions")
        assert told.status_code == 503
        assert str(folder) not in told.text


def test_row_65_a_damaged_ref_falls_back_to_what_the_journal_says(made, asked):
    store, folder = made
    second = commit(store, asked, 2.0)
    with served_stores.client_of(folder) as client:
        (folder / "repo" / "refs" / "branch.main" / "ref.json").write_text("{")
        assert total(client, asked)[0] == second


def test_versions_that_nobody_reads_are_closed_and_those_that_are_read_stay(made, asked):
    store, folder = made
    shelf = Shelf(folder)
    ids = [store.snapshot_of()] + [commit(store, asked, float(factor)) for factor in range(2, 8)]
    closed = []

    def watch(edition):
        close = edition.close
        edition.close = lambda: (closed.append(edition.source.version.id), close())

    with shelf.lend(ids[0]) as first:
        watch(first)
        for one in ids[1:]:
            with shelf.lend(one) as edition:
                watch(edition)
        assert ids[0] not in closed
        assert ids[1] in closed
        assert first.source.field("flux_posterior", 0, first.source.hours[-1:]).shape[0] == 1
    shelf.close()
    assert set(closed) == set(ids)


def test_what_retention_removed_is_not_found(made, asked):
    store, folder = made
    first = store.snapshot_of()
    for factor in range(2, 4):
        commit(store, asked, float(factor))
    store.collect(datetime(2030, 1, 1, tzinfo=UTC))
    with served_stores.client_of(folder) as client:
        assert HourStore.open(folder).snapshot_of() == client.get("/api/versions").json()["newest"]
        assert client.get("/api/metadata", params={"version": first}).status_code == 404
        # a reader of Zarr makes NaN of a 404
        gone = client.get(f"/api/zarr/{first}/flux_prior/c/0/0/0/0")
        assert (gone.status_code, gone.json()["error"]["got"]) == (410, first)


def test_what_is_removed_before_it_is_opened_is_not_found_and_no_folder_is_told(made, asked, monkeypatch):
    store, folder = made
    first = store.snapshot_of()
    for factor in range(2, 4):
        commit(store, asked, float(factor))
    store.collect(datetime(2030, 1, 1, tzinfo=UTC))
    with served_stores.client_of(folder) as client:
        monkeypatch.setattr(Shelf, "_named", lambda _, __, version: version)
        gone = client.get("/api/metadata", params={"version": first})
        assert gone.status_code == 404
        assert str(folder) not in gone.text
        assert client.get(f"/api/zarr/{first}/flux_prior/c/0/0/0/0").status_code == 410


def another_run(asked, folder, factor):
    """A run like another, but for its posterior and its title."""
    changed = asked.result.assign(region_hourly_posterior=asked.result["region_hourly_posterior"] * factor)
    write_store(changed.assign_attrs(title=f"times {factor}"), folder, open_kept(asked.store))


def test_a_run_that_takes_the_place_of_another_is_told_under_its_own_id(asked, tmp_path):
    another_run(asked, tmp_path / "a.zarr", 1.0)
    with served_stores.client_of(tmp_path / "a.zarr") as client:
        first, before = total(client, asked)
        another_run(asked, tmp_path / "a.zarr", 2.0)
        second, after = total(client, asked)
        assert (second != first, after) == (True, pytest.approx(2 * before))
        assert client.get("/api/versions").json()["newest"] == second
        assert client.get("/api/metadata", params={"version": first}).status_code == 404
        assert client.get(f"/api/zarr/{first}/zarr.json").status_code == 410


def test_row_65_a_damaged_run_is_a_503_with_its_id(asked, tmp_path):
    another_run(asked, tmp_path / "a.zarr", 1.0)
    damage([path for path in (tmp_path / "a.zarr" / "flux_posterior" / "c").rglob("*") if path.is_file()])
    with served_stores.client_of(tmp_path / "a.zarr") as client:
        told = client.get("/api/map.png")
        assert (told.status_code, told.json()["version"]) == (503, client.get("/api/versions").json()["newest"])


def test_a_reply_during_which_a_run_takes_the_place_of_another_is_of_one(asked, tmp_path, monkeypatch):
    another_run(asked, tmp_path / "a.zarr", 1.0)
    totals, changed = RunSource.totals, []

    def interrupted(source, *arguments):
        if not changed:
            changed.append(True)
            another_run(asked, tmp_path / "a.zarr", 2.0)
        return totals(source, *arguments)

    with served_stores.client_of(tmp_path / "a.zarr") as client:
        first, before = total(client, asked)
        monkeypatch.setattr(RunSource, "totals", interrupted)
        second, after = total(client, asked)
        assert (second != first, after) == (True, pytest.approx(2 * before))
