"""The folder: durable before told, whole when named, put in order after a crash, one writer."""

import errno
import json
import os

import pytest
from listener_process import PATTERN, rejected, stored, stored_qn
from micro_files import packet

from pipeline.errors import ConfigError, InputError
from pipeline.ingest.files import expand, under_way
from pipeline.listener import Spool
from pipeline.listener.spool import record

START = 1_719_795_900.0  # 2024-07-01T01:05Z


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


def numbered(number):
    return packet(f"a05001-Rtd={number}", qn=f"{number:017d}").rstrip()


def qn(*numbers):
    return [f"{number:017d}" for number in numbers]


def crash(spool):
    """What the kernel does when a process dies."""
    for file in (spool._folder, spool._part):
        if file is not None:
            os.close(file)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "in", clock=Clock())


def test_a_file_is_found_only_once_it_is_whole(spool):
    spool.append([numbered(1)])
    with pytest.raises(InputError, match="1 there are still under way"):
        expand(spool.folder, "hj212_*")
    assert [path.name for path in under_way(spool.folder, ["*"])] == ["hj212_20240701T0105Z_0000.txt.part"]
    spool.finish()
    (path,) = expand(spool.folder, "hj212_*")
    assert path.name == "hj212_20240701T0105Z_0000.txt"
    spool.append([numbered(2)])
    assert path.read_bytes() == numbered(1) + b"\r\n"


def test_a_file_is_finished_by_age_and_by_size(tmp_path):
    clock = Clock()
    spool = Spool(tmp_path, size=300, clock=clock)
    assert not spool.due()
    spool.append([numbered(1)])
    clock.now += 299
    assert not spool.due()
    clock.now += 1
    assert spool.due()
    spool.finish()
    assert not spool.due()
    spool.append([numbered(2)])
    spool.append([numbered(3), numbered(4)])
    assert stored_qn(tmp_path) == qn(1, 2, 3, 4)
    spool.append([numbered(5)])
    clock.now -= 7200  # a clock set back does not keep a file open
    assert spool.due()


def test_names_never_meet_an_earlier_file(spool):
    for number in range(3):
        spool.append([numbered(number)])
        spool.finish()
    assert stored_qn(spool.folder) == qn(0, 1, 2)


def test_the_bytes_and_the_name_are_on_disk_before_append_returns(spool, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((file, os.fstat(file).st_size)))
    spool.append([numbered(1), numbered(2)])
    size = 2 * (len(numbered(1)) + 2)
    assert synced[0][0] == spool._folder
    assert synced[1:] == [(spool._part, size)]
    part = spool._part
    spool.append([numbered(3)])
    assert synced[2:] == [(part, size * 3 // 2)]
    spool.finish()
    assert synced[-1][0] == spool._folder


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "ftruncate"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_loses_nothing_durable_and_names_nothing_torn(tmp_path, monkeypatch, call, code):
    spool, real, done, durable = Spool(tmp_path, clock=Clock()), os.write, {"fails": False}, []

    def write(file, text):
        if not done["fails"] or call not in {"write", "ftruncate"}:
            return real(file, text)
        real(file, text[: len(text) // 2])
        raise OSError(code, os.strerror(code))

    def failing(name):
        there = getattr(os, name)

        def now(*given):
            if done["fails"] and call == name:
                raise OSError(code, os.strerror(code))
            return there(*given)

        monkeypatch.setattr(os, name, now)

    monkeypatch.setattr(os, "write", write)
    for name in ("fsync", "rename", "ftruncate"):
        failing(name)
    for number in range(12):
        done["fails"] = number % 3 == 1
        try:
            spool.append([numbered(number), numbered(100 + number)])
            if number % 2:
                spool.finish()
        except OSError:
            assert done["fails"]
        else:
            durable += qn(number, 100 + number)
        assert not [one for one in stored(tmp_path) if one.reason]
    done["fails"] = False
    crash(spool)
    again = Spool(tmp_path, clock=Clock())
    again.recover()
    assert len(durable) >= 16
    assert set(durable) <= set(stored_qn(tmp_path))
    assert not list(tmp_path.glob("*.part"))


def test_short_of_free_space_nothing_is_taken(tmp_path):
    spool = Spool(tmp_path, least_free=1 << 60)
    with pytest.raises(OSError, match="free"):
        spool.append([numbered(1)])
    assert not list(tmp_path.glob("hj212*"))


@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n", b"\r\n##01", numbered(9)[:-1], b"xy", b"\0" * 5000, b"\r\n#"])
def test_after_a_crash_a_torn_end_is_cut_off_and_kept_apart(tmp_path, end):
    spool = Spool(tmp_path, clock=Clock())
    spool.append([numbered(1), numbered(2)])
    part = tmp_path / "hj212_20240701T0105Z_0000.txt.part"
    crash(spool)
    part.write_bytes(part.read_bytes().rstrip() + end)
    again = Spool(tmp_path, clock=Clock())
    again.recover()
    assert not part.exists()
    assert part.with_suffix("").read_bytes() == numbered(1) + b"\r\n" + numbered(2) + b"\r\n"
    torn = end.strip(b"\r\n")
    assert rejected(tmp_path) == ([("torn", end)] if torn else [])
    assert again.recover() == []


def test_a_left_over_without_a_message_is_removed(tmp_path):
    names = [f"hj212_20240701T0105Z_{number:04d}.txt.part" for number in range(2)]
    (tmp_path / names[0]).write_bytes(b"")
    (tmp_path / names[1]).write_bytes(numbered(1)[:30])
    spool = Spool(tmp_path)
    assert spool.recover() == [f"{name}: no whole message, removed" for name in names]
    assert rejected(tmp_path) == [("torn", numbered(1)[:30])]


def test_a_left_over_that_is_no_file_of_ours_is_left(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "secret"
    outside.write_bytes(b"kept")
    folder.mkdir()
    (folder / "hj212_a.txt.part").symlink_to(outside)
    os.mkfifo(folder / "hj212_b.txt.part")
    (folder / "hj212_c.txt.part").mkdir()
    assert all("left as it is" in line for line in Spool(folder).recover())
    assert outside.read_bytes() == b"kept"


def test_a_left_over_is_not_renamed_over_a_file(tmp_path):
    path = tmp_path / "hj212_20240701T0105Z_0000.txt"
    path.write_bytes(numbered(1) + b"\r\n")
    path.with_suffix(".txt.part").write_bytes(numbered(2))
    Spool(tmp_path).recover()
    assert sorted(stored_qn(tmp_path)) == qn(1, 2)
    assert len(list(tmp_path.glob(PATTERN))) == 2


def test_a_folder_has_one_listener(tmp_path):
    spool = Spool(tmp_path)
    with pytest.raises(ConfigError, match="a folder must have one listener"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()
    with pytest.raises(InputError, match="its parent"):
        Spool(tmp_path / "a" / "b")
    for seconds, size in ((0, 1), (float("nan"), 1), (1, 0), (1, 1 << 30)):
        with pytest.raises(ConfigError, match="a file is finished after some seconds"):
            Spool(tmp_path, seconds=seconds, size=size)


def test_rejected_records_are_bounded_and_a_torn_one_spoils_no_other(tmp_path):
    spool = Spool(tmp_path, most_rejected=400, clock=Clock())
    line = record(START, "a:1", "no packet", b"##\x00\n\xff")
    spool.reject([line])
    (path,) = (tmp_path / "rejected").iterdir()
    path.write_bytes(path.read_bytes() + b'{"torn')
    assert spool.reject([line] * 10) > 5
    first, torn, *rest = path.read_text().splitlines()
    assert torn == '{"torn'
    assert [json.loads(one)["raw"] for one in [first, *rest]] == ["##\0\n\xff"] * (1 + len(rest))
    assert rest
    assert path.stat().st_size <= 401
