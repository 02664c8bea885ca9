"""What is taken of the inbox, and which hours it marks: real files, appended to, replaced, late, under any name."""

import os
import time
from datetime import timedelta

import pytest
import service_stub as stub
from registry_cases import NOON, ZERO, Registry

from pipeline.ingest import Contents
from pipeline.service.spool import Spool


@pytest.fixture
def registry(tmp_path):
    with stub.stubbed():
        yield Registry(tmp_path / "place")


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


def test_a_look_at_many_files_reads_none_twice(registry, capsys):
    count = 1500
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
