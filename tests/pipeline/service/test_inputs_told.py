"""One file that cannot be used stops no other, is told of, and is tried again when it may be the system's fault."""

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from service_stub import FIRST, HOUR, Clocks, deliver, due, make_place, run, stubbed, text_of

from pipeline.errors import FormatError
from pipeline.grid import HourStore
from pipeline.ingest import contents
from pipeline.service import elsewhere
from pipeline.service.database import open_database


@pytest.fixture(autouse=True)
def _stub():
    with stubbed():
        yield


def rows(case, hour=0):
    """How many rows an hour was made from."""
    with HourStore.open(case.parent / "service/store").at() as reader:
        return len(reader.manifest(FIRST + hour * HOUR)["rows"])


def counts(case, clocks):
    with run(case, clocks) as (service, _):
        return service.inputs.counts()


def test_a_name_that_is_not_utf_8_is_set_aside(tmp_path):
    case, clocks = make_place(tmp_path), Clocks()
    deliver(case, "bbb/good.csv", text_of("BBB", (0, 0)))
    (tmp_path / "inbox/aaa").mkdir()
    name = os.fsencode(tmp_path / "inbox/aaa") + "/杭州.csv".encode("gbk")
    Path(os.fsdecode(name)).write_text(text_of("AAA", (0, 0)))
    outcome = due(case, clocks)
    ((path, reason),) = outcome.looked.refused
    assert path.isprintable()
    assert "must be UTF-8" in reason
    assert rows(case) == 4


@pytest.mark.parametrize("names", [("aaa/x.csv", "aaa/x.csv/y.csv"), ("aaa/x.csv/y.csv", "aaa/x.csv")])
def test_a_file_and_a_folder_of_one_name_stop_no_hour(tmp_path, names):
    case, clocks = make_place(tmp_path), Clocks(1)
    first = deliver(case, names[0], text_of("AAA", (0, 0)))
    due(case, clocks)
    first.rename(tmp_path / "away")
    if first.parent.name == "x.csv":
        first.parent.rmdir()
    deliver(case, names[1], text_of("AAA", (1, 0)))
    clocks.pass_by(hours=1)
    outcome = due(case, clocks)
    assert [path for path, _ in outcome.looked.refused] == [names[1]]
    assert outcome.made == [FIRST + 2 * HOUR]
    assert not outcome.failed


def test_a_pattern_means_the_same_however_it_is_written(tmp_path):
    case = make_place(tmp_path, patterns={"AAA": "./aaa//*.csv", "BBB": "bbb/./*.csv"})
    deliver(case, "aaa/a.csv", text_of("AAA", (0, 0)))
    deliver(case, "bbb/b.csv", text_of("BBB", (0, 0)))
    due(case, Clocks())
    assert rows(case) == 8


@pytest.mark.parametrize("fault", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
@pytest.mark.parametrize("where", ["open", "read"])
def test_a_delivery_that_cannot_be_read_is_told_and_taken_once_it_can_be(tmp_path, monkeypatch, fault, where):
    case, clocks = make_place(tmp_path), Clocks()
    bad = deliver(case, "aaa/a.csv", text_of("AAA", (0, 0)))
    deliver(case, "bbb/b.csv", text_of("BBB", (0, 0)))
    real_open, real_fdopen = os.open, os.fdopen
    held = set()

    def opened(path, *rest, **more):
        if path == bad and where == "open":
            raise fault
        found = real_open(path, *rest, **more)
        (held.add if path == bad else held.discard)(found)
        return found

    class Broken:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def read(self, size):
            raise fault

    def fdopen(number, *rest, **more):
        file = real_fdopen(number, *rest, **more)
        return Broken(file) if number in held else file

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opened)
        patched.setattr(os, "fdopen", fdopen)
        for _ in range(2):
            outcome = due(case, clocks)
            assert [path for path, _ in outcome.looked.refused] == ["aaa/a.csv"]
            assert fault.strerror in outcome.looked.refused[0][1]
            assert outcome.looked.waiting == ["aaa/a.csv"]
    assert rows(case) == 4
    assert due(case, clocks).made == [FIRST]
    assert rows(case) == 8


def test_what_the_system_refused_of_a_delivery_is_asked_again_and_what_is_wrong_with_it_is_not(tmp_path, monkeypatch):
    case, clocks = make_place(tmp_path), Clocks()
    deliver(case, "aaa/a.csv", text_of("AAA", (0, 0)))
    asked = []

    def refusing(cause):
        def read_rows(*rest, **more):
            asked.append(cause)
            raise FormatError("the file must be readable", got="no", remedy="fetch it again") from cause

        return read_rows

    with monkeypatch.context() as patched:
        patched.setattr(contents, "read_rows", refusing(OSError(24, "Too many open files")))
        due(case, clocks)
        assert counts(case, clocks) == {"refused": 1}
    due(case, clocks)
    assert counts(case, clocks) == {"current": 1}
    deliver(case, "aaa/b.csv", text_of("AAA", (0, 1)))
    asked.clear()
    with monkeypatch.context() as patched:
        patched.setattr(contents, "read_rows", refusing(OSError("file signature not found")))
        for _ in range(3):
            due(case, clocks)
    assert len(asked) == 1


def test_what_the_system_refused_of_the_weather_is_asked_again(tmp_path, monkeypatch):
    (tmp_path / "w.nc").write_bytes(b"not read")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xba\xbc.nc"))
    odd.write_bytes(b"not read")
    meteorology = SimpleNamespace(files=["*.nc"], forecast=None)
    background = SimpleNamespace(table=None)
    settings = SimpleNamespace(transport=SimpleNamespace(meteorology=meteorology), background=background)
    weather = elsewhere.Elsewhere(open_database(tmp_path / "service.db"), settings, tmp_path)

    def refused(settings, path):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(elsewhere, "file_times", refused)
    weather.look()
    assert weather.newest() is None
    monkeypatch.setattr(elsewhere, "file_times", lambda settings, path: ["2024-07-15T00"])
    weather.look()
    assert weather.newest() is not None
    # a name that cannot be written down is not used, and stops nothing
    assert ["must be UTF-8" in error for error in weather.unreadable()] == [True]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_list_of_what_is_withdrawn_is_read_however_it_is_encoded_and_what_is_no_digest_is_told(tmp_path, encoding):
    case, clocks = make_place(tmp_path), Clocks()
    text = text_of("AAA", (0, 0))
    deliver(case, "aaa/a.csv", text)
    (tmp_path / "service").mkdir()
    digest = hashlib.sha256(text.encode()).hexdigest()
    (tmp_path / "service/recalled.txt").write_text(f"{digest} 误报\n{digest[:-1]}\n", encoding=encoding)
    outcome = due(case, clocks)
    assert [path for path, _ in outcome.looked.refused] == ["recalled.txt"]
    assert counts(case, clocks) == {"recalled": 1}
