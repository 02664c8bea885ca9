"""The listener as a process: real sockets, real signals, files read by the reader the hourly run uses."""

import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from listener_process import PATTERN, Sender, listening, rejected, stop, stored, stored_qn, told
from micro_files import NAME, hour, packet
from station_files import feed

from pipeline.cli import main
from pipeline.ingest.files import expand
from pipeline.ingest.formats import hj212
from pipeline.units import species


def asking(number, **about):
    return packet(f"DataTime=20240701080000;a05001-Avg={number},a05001-Flag=N", flag=5, qn=f"{number:017d}", **about)


def names(*numbers):
    return [f"{number:017d}" for number in numbers]


def test_messages_come_through_to_the_reader_however_they_are_cut(tmp_path):
    with listening(tmp_path) as process:
        with Sender(process.port) as whole, Sender(process.port) as bytewise:
            whole.send(asking(1), hour(9, "432.25"), asking(2))
            assert whole.answers(2) == names(1, 2)
            for byte in b"noise" + asking(3) + b"##0114" + asking(4)[:50] + asking(5):
                bytewise.send(bytes([byte]))
            assert bytewise.answers(2) == names(3, 5)
            whole.send(packet("a" * 2000, flag=5), asking(6)[:-6] + b"0000", asking(7))
            assert whole.answers(1) == names(7)
        assert not list(tmp_path.glob(PATTERN))
        assert stop(process)[0] == 0
    assert sorted(stored_qn(tmp_path)) == sorted([*names(1, 2, 3, 5, 7), "20240701090105000"])
    (path,) = expand(tmp_path, PATTERN)
    read = hj212.read(path, feed("hj212", hj212={"mn": NAME, "factor": "a05001", "unit": "ppm"}), species("co2"))
    assert sorted(read.value) == [1, 2, 3, 5, 7, 432.25]
    assert read.notes == ()
    assert sorted(reason for reason, _ in rejected(tmp_path)) == [
        "checksum wrong", "cut short", "cut short", "no packet", "too long",
    ]  # fmt: skip
    assert ("checksum wrong", asking(6)[:-6] + b"0000") in rejected(tmp_path)
    counted = told(tmp_path, bool)
    assert (counted["messages"], counted["answered"], counted["files"]) == (6, 5, 1)
    assert counted["stations"][NAME]["messages"] == 6


class Station(threading.Thread):
    """Sends messages until told to stop, each again until it is answered, as the standard has it."""

    def __init__(self, number, port, done):
        super().__init__(daemon=True)
        self.first, self.port, self.done = number * 100_000, port, done
        self.answered, self.sent = set(), 0

    def run(self):
        while not self.done.is_set():
            try:
                with Sender(self.port, 0.3) as sender:
                    while not self.done.is_set():
                        lot = range(self.first + self.sent, self.first + self.sent + 5)
                        sender.send(*(asking(number, mn=f"M{self.first}") for number in lot))
                        got = sender.answers(5)
                        self.answered.update(got)
                        if got != names(*lot):
                            break
                        self.sent += 5
            except OSError:
                time.sleep(0.02)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as there:
        return there.getsockname()[1]


def test_every_message_answered_is_in_the_files_whenever_the_listener_is_killed(tmp_path):
    port, done, rng = free_port(), threading.Event(), random.Random(1)
    stations = [Station(number, port, done) for number in range(1, 6)]
    for station in stations:
        station.start()
    for _ in range(8):
        options = ("--rotate-seconds", "0.2", "--rate-kb", "10000", "--total-rate-kb", "10000")
        with listening(tmp_path, *options, port=port) as process:
            assert process.port == port
            time.sleep(rng.uniform(0.02, 0.5))
            process.kill()
        # what has a name is whole, at any moment
        assert all(not one.reason for one in stored(tmp_path))
    with listening(tmp_path, port=port) as process:
        time.sleep(0.3)
        assert stop(process)[0] == 0
    done.set()
    for station in stations:
        station.join()
    answered = set().union(*(station.answered for station in stations))
    assert len(answered) > 500
    assert answered <= set(stored_qn(tmp_path))
    assert not list(tmp_path.glob("*.part"))
    values = set()
    for path in expand(tmp_path, PATTERN):
        for station in stations:
            section = {"mn": f"M{station.first}", "factor": "a05001", "unit": "ppm"}
            read = hj212.read(path, feed("hj212", hj212=section), species("co2"))
            values |= set(read.value[read.reason == ""].astype(np.int64))
    assert {int(one) for one in answered} <= values


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_with_all_that_was_answered_in_whole_files(tmp_path, name):
    done = threading.Event()
    with listening(tmp_path) as process:
        stations = [Station(number, process.port, done) for number in (1, 2)]
        for station in stations:
            station.start()
        idle = Sender(process.port)
        time.sleep(0.3)
        code, seconds = stop(process, getattr(signal, name))
        done.set()
        assert (code, idle.ended(1)) == (0, True)
        assert seconds < 3
    for station in stations:
        station.join()
        assert station.answered
        assert station.answered <= set(stored_qn(tmp_path))
    idle.socket.close()
    assert not list(tmp_path.glob("*.part"))
    assert "0 not" in process.said[-1]


def test_what_a_station_calls_itself_reaches_no_path_and_no_line(tmp_path):
    folder = tmp_path / "in"
    with listening(folder) as process:
        with Sender(process.port) as sender:
            for number, name in enumerate(["../../etc", "/abs", "\x1b[2J\n\0", "x" * 700, ""]):
                sender.send(packet("x", mn=name, qn=f"{number:017d}"))
            sender.send(b"\x1b[31mred\n2024 forged: line", asking(9), b"\x9b\x1b")
            assert sender.answers(1) == names(9)
        assert stop(process)[0] == 0
    assert sorted(stored_qn(folder)) == names(0, 1, 2, 3, 4, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert {path.name.split("_")[0] for path in folder.iterdir()} == {
        "hj212", "listener.json", "rejected",
    }  # fmt: skip
    text = (folder / "listener.json").read_text()
    assert text.replace("\n", "").isprintable()
    assert all(len(name) < 60 for name in told(folder, bool)["stations"])
    assert "".join(process.said).replace("\n", "").isprintable()
    assert not [line for line in process.said if line.startswith("2024 forged")]


def test_slow_senders_are_closed_and_others_served_meanwhile(tmp_path):
    with listening(tmp_path, "--patience", "0.4", "--idle", "1.2") as process:
        with Sender(process.port) as slow, Sender(process.port) as silent, Sender(process.port) as good:
            slow.send(b"##01")
            start = time.monotonic()
            for number in range(12):
                good.send(asking(number))
                assert good.answers(1) == names(number)
                try:
                    slow.send(b"1")
                except OSError:
                    break
                time.sleep(0.06)
            assert slow.ended(1)
            assert time.monotonic() - start < 1.1
            assert silent.ended(2)
        stop(process)
    counted = told(tmp_path, bool)
    assert counted["connections"]["closed"]["slow"] == counted["connections"]["closed"]["idle"] == 1
    assert counted["rejected"]["cut short"] + counted["rejected"].get("no packet", 0) == 1


def test_connections_are_bounded_and_a_fast_one_is_slowed_not_cut(tmp_path):
    with listening(tmp_path, "--connections", "20", "--rate-kb", "1") as process:
        senders = [Sender(process.port) for _ in range(20)]
        for number, sender in enumerate(senders):
            sender.send(asking(number))
            assert sender.answers(1) == names(number)
        with Sender(process.port) as one_more:
            assert one_more.ended(1)
        senders[0].send(*(asking(100 + number) for number in range(72)))
        senders[1].send(asking(50))
        assert senders[1].answers(1) == names(50)
        assert senders[0].answers(72) == names(*range(100, 172))
        for sender in senders:
            sender.socket.close()
        with Sender(process.port) as one_more:
            one_more.send(asking(60))
            assert one_more.answers(1) == names(60)
        assert stop(process)[0] == 0
    counted = told(tmp_path, bool)
    assert counted["connections"]["refused"] == {"too many connections": 1}
    assert counted["connections"]["slowed"] > 0
    assert counted["messages"] == 94


def test_a_flood_of_garbage_costs_no_memory_and_little_disk(tmp_path):
    with listening(tmp_path, "--rate-kb", "100000", "--total-rate-kb", "100000") as process:
        with Sender(process.port) as sender:
            held = []
            for flood in range(6):
                for piece in (b"x" * 4096, b"##9999" * 700, b"\0##0003a" * 500):
                    sender.send(piece * 300)
                sender.send(b" ", asking(flood))
                assert sender.answers(1) == names(flood)
                held.append(memory(process.pid))
        # the first floods size the buffers; what follows, 11 MB, finds them large enough
        assert held[-1] - held[2] < 2 << 20, held
    assert sum(path.stat().st_size for path in (tmp_path / "rejected").iterdir()) < 20 << 20


def memory(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def test_a_folder_has_one_listener_and_the_second_says_so(tmp_path):
    with listening(tmp_path), listening(tmp_path) as second:
        assert second.wait(5) == 2
        assert "a folder must have one listener" in second.said[0]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--bind", "0.0.0.0"], "an address that other machines reach needs the networks"),
        (["--bind", "nowhere"], "in numbers"),
        (["--allow", "10.0.0.0/99"], "a network must be an address with a mask"),
        (["--connections", "9999999"], "file descriptor"),
        (["--longest", "10000"], "no length above 9999"),
        (["--idle", "nan"], "a limit must be above zero"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path, options, rule, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tianyan", "listen", str(tmp_path), *options])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert rule in capsys.readouterr().err


def test_a_sender_of_another_network_is_not_served(tmp_path):
    with listening(tmp_path, "--allow", "10.0.0.0/8") as process:
        with Sender(process.port) as sender:
            assert sender.ended(2)
        assert stop(process)[0] == 0
    assert told(tmp_path, bool)["connections"]["refused"] == {"not of an allowed network": 1}


def test_a_file_may_not_grow_and_the_next_one_is_begun(tmp_path):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    with listening(tmp_path, before=limit) as process:
        with Sender(process.port) as sender:
            for lot in range(10):
                sender.send(*(asking(10 * lot + number) for number in range(10)))
                assert sender.answers(10) == names(*range(10 * lot, 10 * lot + 10))
        assert stop(process)[0] == 0
    assert sorted(set(stored_qn(tmp_path))) == names(*range(100))
    assert told(tmp_path, bool)["failures"] > 0


def test_on_a_full_disk_nobody_is_answered_until_there_is_room(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    try:
        with listening(disk / "in") as process:
            with Sender(process.port, 1.0) as sender:
                sender.send(asking(1))
                assert sender.answers(1) == names(1)
                with pytest.raises(OSError, match="No space"):
                    fill(disk / "ballast")
                sender.send(*(asking(number) for number in range(2, 42)))
                answered = sender.answers(40)
                assert len(answered) < 40
                (disk / "ballast").unlink()
                answered += sender.answers(40 - len(answered)) + sender.answers(40 - len(answered))
                assert answered == names(*range(2, 42))
            assert stop(process)[0] == 0
        assert set(stored_qn(disk / "in")) == set(names(*range(1, 42)))
        assert told(disk / "in", bool)["failures"] > 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_what_the_disk_will_not_take_is_said_at_the_end(tmp_path):
    with listening(tmp_path, keep_free=1e9) as process:
        with Sender(process.port, 0.3) as sender:
            sender.send(asking(1), asking(2))
            assert sender.answers(1) == []
            code, seconds = stop(process)
        assert (code, process.said[-1].split("stopped: ")[1]) == (1, "0 messages stored, 2 not\n")
        assert seconds < 8
    assert stored(tmp_path) == []
