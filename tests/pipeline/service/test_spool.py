"""A delivery is taken whole or not at all, and stays what it was."""

import hashlib
import os

import pytest

from pipeline.errors import FormatError
from pipeline.service import spool as module
from pipeline.service.spool import Spool, Stamp, stamp_of


def deliver(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_what_is_taken_is_what_was_delivered(spool, tmp_path):
    source = deliver(tmp_path, "in/a.csv", b"one\ntwo\n")
    taken = spool.take(source, "hz/a.csv", stamp_of(source), 1, None)
    kept = spool.place("hz/a.csv", 1, taken.sha256)
    assert kept.read_bytes() == b"one\ntwo\n"
    assert taken.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert list(spool.versions()) == [("hz/a.csv", 1, taken.sha256)]


def test_a_file_that_changes_while_it_is_read_is_not_taken(spool, tmp_path):
    source = deliver(tmp_path, "in/a.csv", b"one\n")
    stamp = stamp_of(source)
    with source.open("ab") as more:
        more.write(b"two\n")
    assert spool.take(source, "a.csv", stamp, 1, None) is None
    assert list(spool.versions()) == []


def test_a_file_grows_only_when_it_begins_with_all_of_the_one_before(spool, tmp_path):
    def take(number, content, before):
        source = deliver(tmp_path, "in/a.csv", content)
        return spool.take(source, "a.csv", stamp_of(source), number, before)

    first = take(1, b"head\n1\n", None)
    assert not first.grown
    place = spool.place("a.csv", 1, first.sha256)
    assert take(2, b"head\n1\n2\n", place).grown
    assert not take(3, b"head\n9\n2\n", place).grown
    assert not take(4, b"head\n", place).grown


def test_growth_is_found_across_blocks(spool, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 3)
    source = deliver(tmp_path, "in/a", b"abcdefgh")
    first = spool.take(source, "a", stamp_of(source), 1, None)
    deliver(tmp_path, "in/a", b"abcdefghij")
    assert spool.take(source, "a", stamp_of(source), 2, spool.place("a", 1, first.sha256)).grown


def test_a_link_is_no_delivery(spool, tmp_path):
    secret = deliver(tmp_path, "secret", b"x")
    link = tmp_path / "in.csv"
    link.symlink_to(secret)
    assert stamp_of(link) is None
    # nor one that takes a file's place after it was looked at
    assert spool.take(link, "a.csv", stamp_of(secret), 1, None) is None
    assert list(spool.versions()) == []


def test_a_fifo_is_no_delivery(tmp_path):
    os.mkfifo(tmp_path / "in.csv")
    assert stamp_of(tmp_path / "in.csv") is None


def test_a_delivery_too_large_is_refused_before_it_is_copied(spool, tmp_path):
    source = deliver(tmp_path, "in/a", b"x")
    with pytest.raises(FormatError, match="a delivery may have 2 GiB"):
        spool.take(source, "a", Stamp(3 << 30, 0, 0), 1, None)
    assert list(spool.versions()) == []


def test_what_a_killed_taking_left_is_not_a_version_and_does_not_stop_the_next(spool, tmp_path):
    home = tmp_path / "spool" / "a.csv"
    home.mkdir(parents=True)
    (home / ".taking").write_bytes(b"half")
    source = deliver(tmp_path, "in/a.csv", b"whole\n")
    taken = spool.take(source, "a.csv", stamp_of(source), 1, None)
    assert [path.name for path in home.iterdir()] == [f"000001-{taken.sha256}"]
