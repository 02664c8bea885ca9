"""What of the deliveries counts: real files in a real inbox, taken, replaced, damaged, withdrawn and lost."""

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta

import pytest
import service_stub as stub

from pipeline.ingest import Contents, sources_of
from pipeline.service.database import open_database
from pipeline.service.inputs import Inputs
from pipeline.service.place import read_place
from pipeline.service.spool import Spool
from pipeline.service.window import hour_number

NOON = datetime(2024, 8, 1, 12, tzinfo=UTC)
ZERO = hour_number(stub.FIRST)


@pytest.fixture(autouse=True)
def _stub():
    with stub.stubbed():
        yield


class Registry:
    """Inputs of the three stations, and a clock."""

    def __init__(self, folder):
        self.case = stub.make_place(folder)
        self.now, self.quiet = NOON, 0.0
        self.open()

    def open(self):
        self.place = read_place(self.case)
        self.spool = Spool(self.place.spool)
        self.database = open_database(self.place.database)
        self.inputs = Inputs(
            self.database, self.spool, self.place.root, sources_of(self.place.settings), self.place.config,
            self.place.folder / "recalled.txt",
        )  # fmt: skip

    def lose_database(self):
        self.database.close()
        for path in self.place.folder.glob("service.db*"):
            path.unlink()
        self.open()

    def put(self, path, *hours, text=None, age=0.0):
        """Deliver a file of hours (number, variant); `age` is how many seconds ago it last changed."""
        text = stub.text_of(path[:3].upper(), *hours) if text is None else text
        found = stub.deliver(self.case, path, text)
        stamp = (self.now - timedelta(seconds=age)).timestamp()
        os.utime(found, (stamp, stamp))
        return found

    def look(self):
        return self.inputs.look(lambda: Contents(self.place.settings, self.place.root), self.now, self.quiet)

    def hours(self):
        return {hour - ZERO: digest for hour, digest in self.inputs.hours(ZERO - 99, ZERO + 99).items()}

    def current(self):
        return {path for _, path, _ in self.inputs.files(ZERO - 99, ZERO + 99)}

    def states(self):
        return {path: state for _, path, state, _ in self.inputs.states()}

    def kept(self):
        return [(path, number) for path, number, _ in self.spool.versions()]

    def all_there(self):
        """Whatever counts can be read."""
        for _, _, kept in self.inputs.files(ZERO - 99, ZERO + 99):
            assert hashlib.sha256(kept.read_bytes()).hexdigest() == kept.name.partition("-")[2]
        return True


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "place")


def test_a_file_that_is_appended_to_is_kept_once_and_marks_only_its_new_hours(registry):
    registry.put("aaa/day.csv", (0, 0))
    registry.look()
    before = registry.hours()
    registry.put("aaa/day.csv", (0, 0), (1, 0))
    assert registry.look().taken == 1
    after = registry.hours()
    assert set(before) == {0}
    assert {hour for hour in after if after[hour] != before.get(hour)} == {1}
    assert registry.kept() == [("aaa/day.csv", 2)]
    assert registry.inputs.counts() == {"current": 1, "superseded": 1}


def test_a_file_that_is_replaced_keeps_both_versions_and_marks_the_hours_that_differ(registry):
    registry.put("aaa/day.csv", (0, 0), (1, 0), (2, 0))
    registry.look()
    before = registry.hours()
    registry.put("aaa/day.csv", (0, 0), (1, 2), (2, 0), (3, 0))
    registry.look()
    after = registry.hours()
    assert {hour for hour in after if after[hour] != before.get(hour)} == {1, 3}
    assert registry.kept() == [("aaa/day.csv", 1), ("aaa/day.csv", 2)]


def test_an_hour_that_a_new_version_no_longer_has_is_marked(registry):
    registry.put("aaa/day.csv", (0, 0), (1, 0))
    registry.look()
    registry.put("aaa/day.csv", (0, 0))
    registry.look()
    assert set(registry.hours()) == {0}


def test_late_data_marks_exactly_the_hours_it_touches(registry):
    for hour in range(6):
        registry.put(f"aaa/{hour}.csv", (hour, 0))
    registry.look()
    before = registry.hours()
    registry.put("bbb/late.csv", (2, 0), (4, 0))
    registry.look()
    after = registry.hours()
    assert {hour for hour in after if after[hour] != before.get(hour)} == {2, 4}


def test_a_file_that_has_just_changed_waits_until_it_is_quiet(registry):
    registry.quiet = 60.0
    registry.put("aaa/day.csv", (0, 0), age=30)
    assert registry.look().waiting == ["aaa/day.csv"]
    assert registry.kept() == []
    # it grew meanwhile: it is another file, and waits again
    registry.now += timedelta(seconds=50)
    registry.put("aaa/day.csv", (0, 0), (1, 0), age=5)
    assert registry.look().waiting == ["aaa/day.csv"]
    assert registry.kept() == []
    registry.now += timedelta(seconds=61)
    assert registry.look().waiting == []
    assert registry.current() == {"aaa/day.csv"}
    assert set(registry.hours()) == {0, 1}


def test_a_file_whose_clock_is_ahead_is_taken_at_the_second_look(registry):
    registry.quiet = 60.0
    registry.put("aaa/day.csv", (0, 0), age=-9e6)
    assert registry.look().waiting == ["aaa/day.csv"]
    registry.now += timedelta(seconds=61)
    assert registry.look().waiting == []
    assert registry.current() == {"aaa/day.csv"}


def test_a_file_that_waits_is_taken_though_our_clock_was_set_back(registry):
    registry.quiet = 60.0
    registry.put("aaa/day.csv", (0, 0), age=5)
    assert registry.look().waiting == ["aaa/day.csv"]
    registry.now -= timedelta(days=400)
    registry.look()
    registry.now += timedelta(seconds=61)
    assert registry.look().waiting == []
    assert registry.current() == {"aaa/day.csv"}


def test_a_file_renamed_into_place_is_taken_at_once_and_one_under_its_senders_name_never(registry):
    registry.quiet = 60.0
    found = registry.put("aaa/day.csv.part", (0, 0), age=3600)
    odd = registry.put("aaa/odd.tmp.csv", (1, 0), age=3600)
    looked = registry.look()
    assert looked.taken == 1
    assert registry.current() == {"aaa/odd.tmp.csv"}
    found.rename(found.with_suffix(""))
    odd.rename(odd.with_name(".hidden.csv"))
    looked = registry.look()
    assert looked.taken == 1
    assert looked.waiting == [".hidden.csv"]


def test_a_file_that_changes_under_our_hands_waits(registry, monkeypatch):
    path = registry.put("aaa/day.csv", (0, 0))
    real = Spool.take

    def take(self, source, *rest):
        with source.open("a", encoding="utf-8") as stream:
            stream.write(stub.lines_of("AAA", 1))
        return real(self, source, *rest)

    monkeypatch.setattr(Spool, "take", take)
    assert registry.look().waiting == ["aaa/day.csv"]
    assert registry.kept() == []
    monkeypatch.undo()
    with stub.stubbed():
        registry.look()
    assert set(registry.hours()) == {0, 1}
    assert path.exists()


def test_versions_follow_each_other_whatever_the_clock_says(registry):
    for variant, days in enumerate((0, -300, 5, -2, -9000)):
        registry.now = NOON + timedelta(days=days)
        registry.put("aaa/0.csv", (0, variant))
        registry.look()
        ((_, _, kept),) = registry.inputs.files(ZERO, ZERO + 1)
        assert kept.read_text(encoding="utf-8") == stub.text_of("AAA", (0, variant))
    assert registry.kept() == [("aaa/0.csv", number) for number in range(1, 6)]


def test_the_same_content_counts_once_under_whatever_names_and_how_often_it_comes(registry):
    registry.put("aaa/0.csv", (0, 0))
    registry.look()
    before = registry.hours()
    for name in ("aaa/0 (1).csv", "aaa/copies/0.csv"):
        registry.put(name, (0, 0))
    registry.put("aaa/0.csv", (0, 0), age=-5)
    registry.look()
    assert registry.hours() == before
    assert registry.current() == {"aaa/0 (1).csv"}
    assert registry.states() == {"aaa/0.csv": "duplicate", "aaa/copies/0.csv": "duplicate"}
    assert registry.kept() == [("aaa/0 (1).csv", 1), ("aaa/0.csv", 1), ("aaa/copies/0.csv", 1)]


def test_a_higher_revision_counts_and_a_lower_that_comes_later_does_not(registry):
    registry.put("aaa/0.r2.csv", (0, 2))
    registry.look()
    before = registry.hours()
    registry.put("aaa/0.csv", (0, 0))
    registry.put("aaa/0.r1.csv", (0, 1))
    registry.look()
    assert registry.hours() == before
    assert registry.current() == {"aaa/0.r2.csv"}


def test_a_revision_with_two_contents_counts_neither_and_says_so(registry):
    registry.put("aaa/0.r1.csv", (0, 1))
    registry.put("aaa/1.csv", (1, 0))
    registry.look()
    registry.put("aaa/0.r1.csv", (0, 2))
    registry.look()
    assert registry.states() == {"aaa/0.r1.csv": "conflict"}
    assert set(registry.hours()) == {1}
    # settled by the next
    registry.put("aaa/0.r2.csv", (0, 2))
    registry.look()
    assert registry.current() == {"aaa/0.r2.csv", "aaa/1.csv"}


@pytest.mark.parametrize("text", ["<html>502</html>", "", "time,c", "\x00" * 99])
def test_a_damaged_file_is_set_aside_with_the_reason_and_the_version_before_it_stays(registry, text):
    registry.put("aaa/0.csv", (0, 0))
    registry.put("aaa/1.csv", text=text)
    assert [path for path, _ in registry.look().refused] == ["aaa/1.csv"]
    before = registry.hours()
    registry.put("aaa/0.csv", text=text + "\n")
    looked = registry.look()
    assert [path for path, _ in looked.refused] == ["aaa/0.csv"]
    assert registry.states() == {"aaa/0.csv": "refused", "aaa/1.csv": "refused"}
    assert all(reason for *_, reason in registry.inputs.states())
    assert registry.hours() == before
    assert registry.all_there()
    # told once
    assert registry.look().refused == []


def test_a_file_that_grew_by_something_damaged_leaves_the_version_before_it(registry):
    registry.put("aaa/day.csv", (0, 0))
    registry.look()
    before = registry.hours()
    registry.put("aaa/day.csv", text=stub.text_of("AAA", (0, 0)) + "\x00" * 64)
    assert [path for path, _ in registry.look().refused] == ["aaa/day.csv"]
    assert registry.hours() == before
    assert registry.all_there()
    registry.put("aaa/day.csv", (0, 0), (1, 0))
    registry.look()
    assert set(registry.hours()) == {0, 1}
    assert registry.all_there()


def test_withdrawn_content_never_counts_and_comes_back_when_it_is_no_longer_withdrawn(registry):
    registry.put("aaa/0.csv", (0, 0))
    registry.look()
    old = registry.hours()
    new = registry.put("aaa/0.csv", (0, 1))
    registry.look()
    newer = registry.hours()
    recalled = registry.place.folder / "recalled.txt"
    recalled.write_text(f"# why\n{hashlib.sha256(new.read_bytes()).hexdigest().upper()} a fault\n", encoding="utf-8")
    registry.look()
    assert registry.hours() == old
    assert registry.states() == {"aaa/0.csv": "recalled"}
    recalled.unlink()
    registry.look()
    assert registry.hours() == newer


def test_what_a_withdrawn_file_grew_from_does_not_count_either(registry):
    registry.put("aaa/day.csv", (0, 0))
    registry.look()
    grown = registry.put("aaa/day.csv", (0, 0), (1, 0))
    registry.look()
    (registry.place.folder / "recalled.txt").write_text(hashlib.sha256(grown.read_bytes()).hexdigest(), "utf-8")
    registry.look()
    assert registry.hours() == {}
    assert registry.all_there()
    registry.lose_database()
    registry.look()
    assert registry.hours() == {}


def test_another_case_file_reads_everything_again(registry):
    registry.put("aaa/0.csv", (0, 0))
    registry.put("bbb/0.csv", (0, 0))
    registry.look()
    calls = []

    def count(self, path, name, source):
        calls.append(name)
        return real(self, path, name, source)

    real = Contents.hours
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Contents, "hours", count)
        registry.look()
        assert calls == []
        text = registry.case.read_text(encoding="utf-8")
        registry.case.write_text(text.replace("sigma_fraction = 0.5", "sigma_fraction = 0.6"), encoding="utf-8")
        registry.open()
        registry.look()
    assert sorted(calls) == ["aaa/0.csv", "bbb/0.csv"]


def test_a_lost_database_is_made_again_from_the_spool_though_the_inbox_is_empty(registry):
    paths = [
        registry.put("aaa/day.csv", (0, 0)), registry.put("bbb/0.csv", (0, 0)), registry.put("bbb/0 copy.csv", (0, 0)),
        registry.put("bbb/1.r1.csv", (1, 1)), registry.put("ccc/bad.csv", text="<html>"),
    ]  # fmt: skip
    registry.look()
    registry.put("aaa/day.csv", (0, 0), (1, 0))
    registry.put("bbb/0.csv", (0, 1))
    registry.put("bbb/1.r1.csv", (1, 2))
    registry.look()
    before = registry.hours(), registry.current(), registry.inputs.states()
    for path in paths:
        path.unlink()
    registry.lose_database()
    registry.look()
    assert (registry.hours(), registry.current(), registry.inputs.states()) == before
    # what comes next follows on
    registry.put("aaa/day.csv", (0, 0), (1, 0), (2, 0))
    registry.look()
    assert set(registry.hours()) == {0, 1, 2}
    assert registry.all_there()


def test_what_was_taken_and_never_written_down_does_not_count_after_the_next_of_its_name(registry, monkeypatch):
    """A run is killed between the spool and the database, then the file comes anew; later the database is lost."""
    for variant in range(4):
        registry.put("aaa/0.csv", (0, variant))
        with monkeypatch.context() as patch:
            patch.setattr(Inputs, "_looked", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                registry.look()
        registry.database.execute("ROLLBACK")
    registry.put("aaa/0.csv", (0, 5)).unlink()
    last = registry.put("aaa/0.csv", (0, 6))
    registry.look()
    before = registry.hours()
    last.unlink()
    registry.lose_database()
    registry.look()
    assert registry.hours() == before


@pytest.mark.parametrize(
    "name",
    ["with space.csv", "杭州_国控.csv", "a*b.csv", "what?.csv", "set [1-3].csv", "[.csv", "ö'\"&;$(x).csv", "-r.csv"],
)
def test_names_of_any_kind(registry, name):
    registry.put(f"aaa/{name}", (0, 0))
    registry.put("aaa/a.csv", (1, 0))
    registry.look()
    registry.put(f"aaa/{name}", (0, 0), (2, 0))
    registry.look()
    assert registry.current() == {f"aaa/{name}", "aaa/a.csv"}
    assert set(registry.hours()) == {0, 1, 2}
    before = registry.hours()
    registry.lose_database()
    registry.look()
    assert registry.hours() == before


def test_links_fifos_and_folders_are_no_deliveries(registry, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text(stub.text_of("AAA", (0, 0)), encoding="utf-8")
    inbox = registry.place.root / "aaa"
    inbox.mkdir()
    (inbox / "link.csv").symlink_to(secret)
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "folder.csv").mkdir()
    (inbox / "dangling.csv").symlink_to(tmp_path / "nothing")
    assert registry.look().taken == 0
    assert registry.kept() == []


def test_what_is_known_of_a_file_does_not_grow_with_every_look_at_it(registry):
    registry.put("aaa/copy.csv", (0, 0))
    for hours in range(1, 13):
        registry.put("aaa/day.csv", *[(hour, 0) for hour in range(hours)])
        registry.look()
    assert registry.kept() == [("aaa/copy.csv", 1), ("aaa/day.csv", 12)]
    assert registry.database.execute("SELECT count(*) FROM content").fetchone() == (13,)
    # the first hour alone stands under another name still, and may come under a third
    registry.put("aaa/day.csv", (20, 0))
    registry.put("aaa/third.csv", *[(hour, 0) for hour in range(5)])
    registry.look()
    assert set(registry.hours()) == {0, 1, 2, 3, 4, 20}


def test_a_look_at_thousands_of_files_reads_none_twice(registry, capsys):
    count = 5000
    (registry.place.root / "aaa").mkdir()
    for number in range(count):
        path = registry.place.root / "aaa" / f"{number:05d}.csv"
        path.write_text(stub.text_of("AAA", (number % 50, number // 50)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        # what they say is not the point
        patch.setattr(Contents, "hours", lambda self, path, name, source: {ZERO + int(name[4:9]) % 50: name})
        patch.setattr(os, "fsync", lambda _: None)
        began = time.perf_counter()
        assert registry.look().taken == count
        first = time.perf_counter() - began
        patch.setattr(Contents, "hours", None)
        began = time.perf_counter()
        assert registry.look().taken == 0
        again = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n{count} files: taken in {first:.1f} s, looked at again in {again:.2f} s")
