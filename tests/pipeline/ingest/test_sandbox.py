"""Whatever a reader does in its process, the caller gets the reader's value or an error, and reads the next file."""

import json
import os
import pickle
import re
import socket
import time

import numpy as np
import pytest
from sandbox_faults import Found

from pipeline.errors import ConfigError, FormatError, TimeError
from pipeline.ingest.sandbox import Limits, Sandbox

QUICK = Limits(seconds=1.0, memory=1 << 30, answer=1 << 20)


@pytest.fixture(scope="module")
def sandbox():
    made = Sandbox("sandbox_faults")
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "file.nc"
    made.write_text("text")
    return made


def assert_alive(sandbox, path):
    found = sandbox.read("good", path, Found, a="b")
    assert found.text.endswith("{'a': 'b'}")
    np.testing.assert_array_equal(found.value, [0.0, 1.0, 2.0])


def test_a_reader_is_told_its_path_and_its_words(sandbox, path):
    assert sandbox.read("good", path, Found, a="b").text == "text{'a': 'b'}"


@pytest.mark.parametrize(
    ("reader", "rule"),
    [
        ("crash", "reading the file must not break its reader; got 'it ended with signal 11'"),
        ("abort", "reading the file must not break its reader; got 'it ended with signal 6'"),
        ("hang", "the file must be readable within 1 s; got 'not yet'"),
        ("spin", "within 1 s; got 'not yet'|must not break its reader; got 'it "),
        ("eat", "within the memory a file may take; got 'more was asked for'"),
        ("flood", "the arrays must not be larger than agreed"),
        (
            "stumble",
            r"the reader must be able to read the file; got \"KeyError: 'missing', at sandbox_faults.py line \d+",
        ),
        ("open_many", 'must be able to read the file; got "OSError: .*Too many open files'),
        ("other", "Found.text must be <class 'str'>; got 'int'"),
        ("unheard_of", "must be able to read the file; got \"KeyError: 'unheard_of'"),
    ],
)
def test_a_reader_that_fails_is_an_error_and_the_next_file_is_read(sandbox, path, reader, rule):
    began = time.monotonic()
    with pytest.raises(FormatError, match=rule):
        sandbox.read(reader, path, Found, limits=QUICK)
    assert time.monotonic() - began < 10
    assert_alive(sandbox, path)


def test_an_error_of_the_reader_is_the_same_error_here(sandbox, path):
    with pytest.raises(TimeError) as caught:
        sandbox.read("refuse", path, Found)
    expected = TimeError("a rule", got=np.timedelta64(3, "h"), remedy="a remedy", where="file.nc")
    assert str(caught.value) == str(expected)
    with pytest.raises(ConfigError, match=re.escape("a setting must be; got ('a', 1). Remedy: set it.")):
        sandbox.read("misconfigured", path, Found)


def test_no_byte_is_written_into_a_file(sandbox, path):
    assert sandbox.read("write", path, Found).text == "refused: File too large"
    assert not path.with_suffix(".written").exists() or path.with_suffix(".written").stat().st_size == 0


def test_there_is_no_network_where_the_system_lets_it_be_cut_off(sandbox, path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        path.write_text(str(server.getsockname()[1]))
        if not sandbox.network_cut:
            assert sandbox.network_cut is False
            pytest.skip("the system does not permit to cut off the network")
        with pytest.raises(FormatError, match=r"got 'OSError: .*Network is unreachable"):
            sandbox.read("call", path, Found)


def test_nothing_of_our_environment_but_paths_and_language_is_handed_over(path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "kept")
    fresh = Sandbox("sandbox_faults")
    try:
        found = fresh.read("look_round", path, Found)
    finally:
        fresh.close()
    assert "PYTHONPATH=" in found.text
    assert "A_SECRET" not in found.text
    # a process with more threads than one must not fork
    assert found.value.tolist() == [1.0]


def told(**header):
    return json.dumps(header).encode()


ARRAY = {"dtype": "<f8", "shape": [3]}


@pytest.mark.parametrize(
    "answer",
    [
        pickle.dumps(np.arange(3)),
        b"",
        b"[]",
        b"not json",
        b"\xff" * 100,
        told(),
        told(value=None),
        told(value={"fields": {"text": "a"}}),
        told(value={"fields": {"text": "a", "value": {"array": 0}}}),
        told(value={"fields": {"text": "a", "value": {"array": 0}}}, arrays=[ARRAY]),
        told(arrays=[{"dtype": "O", "shape": [3]}], value=1),
        told(arrays=[{"dtype": "<f8", "shape": [1 << 60]}], value=1),
        told(arrays=[{"dtype": "<f8", "shape": [-1]}], value=1),
        told(arrays={"dtype": "<f8"}, value=1),
        told(arrays=7, value=1),
        told(error="SystemExit", rule="a", remedy="b", where="c"),
        told(error="TimeError", rule=1, remedy="b", where="c"),
        told(error=["TimeError"], rule="a", remedy="b", where="c"),
    ],
)
def test_an_answer_no_honest_child_gives_is_refused(sandbox, path, answer):
    path.write_bytes(answer)
    with pytest.raises(FormatError):
        sandbox.read("garbage", path, Found, limits=QUICK)
    path.write_text("text")
    assert_alive(sandbox, path)


def test_a_process_that_is_gone_is_started_again(path):
    made = Sandbox("sandbox_faults")
    try:
        assert_alive(made, path)
        os.kill(made._process.pid, 9)
        made._process.wait()
        assert_alive(made, path)
    finally:
        made.close()


def test_no_handle_is_left_open(sandbox, path):
    assert_alive(sandbox, path)
    before = len(os.listdir("/proc/self/fd"))
    for reader in ("good", "crash", "other", "stumble"):
        try:
            sandbox.read(reader, path, Found, limits=QUICK)
        except FormatError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before
