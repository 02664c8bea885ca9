"""A backup is one state of the service, whole or not there; what is restored is what was backed up."""

import os
import random
import shutil
import time

import pytest
from backup_cases import commit, deliver, make_service, state
from served_case import served

from pipeline.errors import CorruptError, InputError, LockedError, StoreError
from pipeline.grid import HourStore
from pipeline.service.backup import back_up
from pipeline.service.backup_files import read_manifest
from pipeline.service.lock import locked
from pipeline.service.place import read_place
from pipeline.service.restore import check, restore


@pytest.fixture
def place(tmp_path):
    return make_service(tmp_path / "live")


def test_restored_into_an_empty_place_everything_is_as_it_was(place, tmp_path):
    done = back_up(place, tmp_path / "backup")
    assert done.copied == done.files
    found = restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    new = read_place(tmp_path / "new" / "case.toml")
    assert found.folder == new.folder == tmp_path / "new" / "service"
    assert state(new) == state(place)
    assert new.path.read_bytes() == place.path.read_bytes()
    assert (new.root / "tables" / "own.csv").read_text(encoding="utf-8") == "station\n"
    # the store goes on
    commit(new, 7)


def test_what_can_be_made_again_is_left_out(place, tmp_path):
    back_up(place, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    names = {path.name for path in (tmp_path / "new" / "service").iterdir()}
    assert names == {"store", "spool", "recalled.txt", "service.db"}


def test_only_what_is_new_is_copied_again(place, tmp_path):
    first = back_up(place, tmp_path / "backup")
    # what changed short before it was copied is not trusted by its time alone
    later = time.time() - 10
    for path in [p for top in (place.store, place.spool) for p in top.rglob("*") if p.is_file()]:
        os.utime(path, (later, later))
    back_up(place, tmp_path / "backup")
    before = read_manifest(tmp_path / "backup").files
    commit(place, 5)
    deliver(place, 5)
    done = back_up(place, tmp_path / "backup")
    files = read_manifest(tmp_path / "backup").files
    assert done.copied < first.copied
    assert done.copied_size < first.copied_size
    assert {p for p in before if "/chunks/" in p} == {p for p in before if files[p] == before[p] and "/chunks/" in p}
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    assert state(read_place(tmp_path / "new" / "case.toml")) == state(place)


def test_a_change_within_the_same_tick_of_the_clock_is_copied(place, tmp_path):
    recalled = place.folder / "recalled.txt"
    before = recalled.stat()
    back_up(place, tmp_path / "backup")
    recalled.write_text("1" * 64, encoding="utf-8")
    os.utime(recalled, ns=(before.st_atime_ns, before.st_mtime_ns))
    back_up(place, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    assert state(read_place(tmp_path / "new" / "case.toml")) == state(place)


def test_the_backup_of_a_restored_service_copies_no_delivery_again(place, tmp_path):
    back_up(place, tmp_path / "backup")
    time.sleep(2.1)
    back_up(place, tmp_path / "backup")
    before = read_manifest(tmp_path / "backup").files
    shutil.rmtree(place.folder)
    restore(tmp_path / "backup", place.path)
    back_up(place, tmp_path / "backup")
    files = read_manifest(tmp_path / "backup").files
    spool = [path for path in files if "/spool/" in path]
    assert spool
    assert all(files[path] == before[path] for path in spool)


def test_what_is_gone_from_the_service_is_gone_from_its_next_backup(place, tmp_path):
    back_up(place, tmp_path / "backup")
    shutil.rmtree(place.spool / "hz" / "1.csv")
    back_up(place, tmp_path / "backup")
    manifest = read_manifest(tmp_path / "backup")
    kept = {item.place(tmp_path / "backup", path) for path, item in manifest.files.items()}
    there = {p for p in (tmp_path / "backup").rglob("*") if p.is_file()}
    assert there - kept == {tmp_path / "backup" / "manifest.json", tmp_path / "backup" / "backup.lock"}
    assert not any("1.csv" in path for path in manifest.files)


@pytest.mark.parametrize(
    "kind", ["service/store", "service/spool", "service/service.db", "case/", "inputs/", "manifest"]
)
@pytest.mark.parametrize("damage", ["flip", "cut", "lose"])
def test_a_damaged_backup_is_found_before_anything_is_put_in_place(place, tmp_path, kind, damage):
    target = tmp_path / "backup"
    back_up(place, target)
    if kind == "manifest":
        victims = [target / "manifest.json"]
    else:
        files = read_manifest(target).files
        victims = [item.place(target, path) for path, item in files.items() if path.startswith(kind)]
    victim = random.Random(5).choice(sorted(victims))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 4
    victim.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    if damage == "lose":
        victim.unlink()
    before = sorted(tmp_path.rglob("*"))
    for act in (lambda: check(target), lambda: restore(target, tmp_path / "new" / "case.toml")):
        with pytest.raises((CorruptError, StoreError), match=r"as it was written|there must be a backup"):
            act()
    assert [p for p in sorted(tmp_path.rglob("*")) if p not in before and p != tmp_path / "new"] == []


def test_restoring_where_something_stands_is_refused_unless_it_may_be_moved_aside(place, tmp_path):
    back_up(place, tmp_path / "backup")
    before = state(place)
    commit(place, 9)
    changed = state(place)
    place.path.write_text(place.path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"nothing else may stand.*case.toml.*--replace"):
        restore(tmp_path / "backup", place.path)
    assert state(place) == changed
    done = restore(tmp_path / "backup", place.path, replace_old=True)
    assert state(place) == before
    folder, case = sorted(done.aside, key=lambda path: path.is_file())
    assert case.read_text(encoding="utf-8").endswith("# changed\n")
    with HourStore.open(folder / "store").at() as reader:
        assert {str(hour): reader.manifest(hour) for hour in reader.hours()} == changed[0]


def test_nothing_is_restored_under_a_run(place, tmp_path):
    back_up(place, tmp_path / "backup")
    with locked(place.lock) as ours:
        assert ours
        with pytest.raises(LockedError, match="no run may be under way"):
            restore(tmp_path / "backup", place.path, replace_old=True)
    assert not list(place.folder.parent.glob("*before*"))


def test_a_backup_waits_for_a_run_and_says_so_when_it_does_not_end(place, tmp_path):
    back_up(place, tmp_path / "backup")
    commit(place, 4)
    with locked(place.lock), pytest.raises(LockedError, match="no run may be under way"):
        back_up(place, tmp_path / "backup", patience=0.1)
    # the one before stands
    assert check(tmp_path / "backup").number == 1


def test_a_damaged_database_does_not_stop_the_backup(place, tmp_path):
    place.database.write_bytes(b"no database at all" * 1000)
    for name in ("service.db-wal", "service.db-shm"):
        (place.folder / name).unlink(missing_ok=True)
    back_up(place, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    assert not (tmp_path / "new" / "service" / "service.db").exists()


@pytest.mark.parametrize("where", ["live/service/backup", "live"])
def test_a_backup_and_its_service_lie_apart(place, tmp_path, where):
    with pytest.raises(StoreError, match="must lie apart"):
        back_up(place, tmp_path / where)


def test_a_backup_goes_into_a_folder_of_its_own(place, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(StoreError, match="a folder of its own"):
        back_up(place, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_folder_holds_the_backups_of_one_service(place, tmp_path):
    back_up(place, tmp_path / "backup")
    other = served(tmp_path / "other")
    text = other.path.read_text(encoding="utf-8").replace(
        "start = 2024-07-01T00:00:00Z", "start = 2025-01-01T00:00:00Z"
    )
    other.path.write_text(text, encoding="utf-8")
    other = read_place(other.path)
    other.folder.mkdir()
    with pytest.raises(StoreError, match="backups of one service"):
        back_up(other, tmp_path / "backup")


def test_a_link_in_the_folder_is_refused_but_store_and_spool_may_lie_elsewhere(place, tmp_path):
    (tmp_path / "disk").mkdir()
    place.spool.rename(tmp_path / "disk" / "spool")
    place.spool.symlink_to(tmp_path / "disk" / "spool")
    back_up(place, tmp_path / "backup")
    assert any("/spool/" in path for path in read_manifest(tmp_path / "backup").files)
    (place.spool / "hz" / "link").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="must hold files and folders"):
        back_up(place, tmp_path / "backup")


def test_a_manifest_that_leaves_its_folder_is_refused(place, tmp_path):
    from pipeline.service import backup_files

    back_up(place, tmp_path / "backup")
    manifest = read_manifest(tmp_path / "backup")
    manifest.files["service/../../evil"] = next(iter(manifest.files.values()))
    backup_files.write_manifest(tmp_path / "backup", manifest)
    with pytest.raises(CorruptError, match="stay inside"):
        check(tmp_path / "backup")
