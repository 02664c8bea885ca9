"""The server with a disk that waits or fails: answers come after the disk, memory does not grow meanwhile."""

import asyncio
import errno
import threading
import time

import pytest
from listener_process import Sender, stored_qn
from micro_files import packet

from pipeline.listener import Limits, Listener, Spool, server
from pipeline.listener.counters import MOST_STATIONS, Counters


class Disk(Spool):
    """A spool that waits for `ready`, and fails while `full`."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ready, self.full, self.most, self.calls = threading.Event(), False, 0, 0
        self.ready.set()

    def append(self, messages):
        self.calls += 1
        self.ready.wait(5)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.most = max(self.most, sum(map(len, messages)))
        super().append(messages)


def asking(number, size=1):
    return packet("a" * size, flag=5, qn=f"{number:017d}")


def names(*numbers):
    return [f"{number:017d}" for number in numbers]


def serve(listener, client):
    """Run a client against a listener in this process; return the messages left unstored."""

    async def both():
        at = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(listener.run("127.0.0.1", 0, at.set_result))
        try:
            await asyncio.to_thread(client, await at)
        finally:
            listener.stop()
        return await running

    return asyncio.run(both())


def test_an_answer_waits_for_the_disk(tmp_path):
    disk = Disk(tmp_path)

    def client(port):
        disk.ready.clear()
        with Sender(port, 0.4) as sender:
            sender.send(asking(1), asking(2))
            assert sender.answers(1) == []
            disk.ready.set()
            assert sender.answers(2) == names(1, 2)

    assert serve(Listener(disk, Limits(hold=0.01)), client) == 0
    assert stored_qn(tmp_path) == names(1, 2)


def test_a_sender_that_closed_its_side_still_gets_its_answers(tmp_path):
    def client(port):
        with Sender(port) as sender:
            sender.send(asking(1), asking(2))
            sender.socket.shutdown(1)
            assert sender.answers(3) == names(1, 2)

    assert serve(Listener(Spool(tmp_path), Limits(hold=0.2)), client) == 0


def test_while_the_disk_fails_nothing_is_read_beyond_a_bound_and_all_is_stored_after(tmp_path):
    disk = Disk(tmp_path)
    listener = Listener(disk, Limits(hold=0.01, waiting=50_000, rate=1e8, total_rate=1e8, idle=0.8))
    sent = 4000

    def flood(sender):
        sender.send(*(asking(number, 600) for number in range(sent)))

    def client(port):
        disk.full = True
        with Sender(port, 8.0) as sender:
            thread = threading.Thread(target=flood, args=(sender,))
            thread.start()
            time.sleep(1.0)
            assert listener._size < 60_000
            assert disk.calls < 40
            assert listener.counters.told()["failures"] == disk.calls
            disk.full = False
            assert sender.answers(sent) == names(*range(sent))
            thread.join()

    assert serve(listener, client) == 0
    assert sorted(stored_qn(tmp_path)) == names(*range(sent))
    assert disk.most < 60_000


def test_when_nothing_can_be_stored_any_more_it_ends_and_takes_nothing(tmp_path):
    class Broken(Disk):
        def append(self, messages):
            raise RuntimeError("can't start new thread")

    def client(port):
        with Sender(port) as sender:
            sender.send(asking(1))
            assert sender.answers(1) == []
        with pytest.raises(ConnectionError):
            Sender(port).send(asking(2))

    with pytest.raises(RuntimeError, match="new thread"):
        serve(Listener(Broken(tmp_path), Limits(hold=0.01)), client)


def test_a_connection_that_never_sent_a_message_gives_way_to_another(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "_FRESH", 0.2)
    listener = Listener(Spool(tmp_path), Limits(hold=0.01, connections=3))

    def client(port):
        with Sender(port) as good, Sender(port) as silent, Sender(port) as later:
            good.send(asking(1))
            assert good.answers(1) == names(1)
            time.sleep(0.3)
            with Sender(port) as one_more:
                one_more.send(asking(2))
                assert one_more.answers(1) == names(2)
                good.send(asking(3))
                assert good.answers(1) == names(3)
            assert silent.ended(1)
            assert not later.ended(0.1)

    assert serve(listener, client) == 0
    assert listener.counters.told()["connections"]["closed"]["room made for another"] == 1


def test_answers_nobody_reads_are_not_gathered_for_ever(tmp_path):
    listener = Listener(Spool(tmp_path), Limits(hold=0.01, rate=1e8, total_rate=1e8))

    def client(port):
        with Sender(port, 3.0) as sender:
            sender.socket.setsockopt(1, 8, 2048)  # SO_RCVBUF
            lot = b"".join(asking(number) for number in range(1000)) * 200
            with pytest.raises(ConnectionError):
                sender.send(lot)

    serve(listener, client)
    counted = listener.counters.told()
    assert counted["connections"]["refused"] == {"answers left unread": 1}
    assert counted["messages"] < 100_000


def test_stations_told_by_name_are_bounded_and_the_last_ones_stay():
    counters = Counters()
    for number in range(3 * MOST_STATIONS):
        counters.stored(b"A", 1, answered=False)
        counters.stored(b"M%d" % number, 1, answered=False)
    found = counters.told()["stations"]
    assert len(found) == MOST_STATIONS
    assert found["A"]["messages"] == 3 * MOST_STATIONS
