"""Which of the deliveries count: copies, revisions, what is damaged, withdrawn, or known from the spool alone."""

import hashlib

import pytest
import service_stub as stub
from registry_cases import Registry

from pipeline.ingest import Contents
from pipeline.service.inputs import Inputs


@pytest.fixture
def registry(tmp_path):
    with stub.stubbed():
        yield Registry(tmp_path / "place")


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
