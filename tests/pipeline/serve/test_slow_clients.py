"""Fault table, row 62: real sockets that dribble, hang, flood and ask for ranges; the others are served as before."""

import contextlib
import http.client
import re
import socket
import threading
import time
import urllib.parse

import numpy as np
import pytest
import query_stores
import served_stores

SLOW = 500


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    query_stores.hours_of(query_stores.run(folder), folder)
    with served_stores.process_of(folder / "store") as (address, process):
        yield urllib.parse.urlsplit(address).netloc
        assert process.poll() is None


def connected(address):
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def asked(address, text, *, wait=30.0):
    """What comes back for bytes that are sent."""
    with connected(address) as one:
        one.settimeout(wait)
        one.sendall(text)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := one.recv(65536):
                found += piece
        return found


def latencies(address, count):
    """Seconds of each of some requests of one client, as they are answered."""
    found = []
    connection = http.client.HTTPConnection(address, timeout=30)
    for _ in range(count):
        began = time.perf_counter()
        connection.request("GET", "/api/series?region=ALL&freq=day")
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200
        found.append(time.perf_counter() - began)
    connection.close()
    return np.array(found)


def test_row_62_clients_that_dribble_do_not_slow_the_others_and_are_told_408(address):
    latencies(address, 20)
    quiet = np.quantile(latencies(address, 100), 0.5)
    slow = [connected(address) for _ in range(SLOW)]
    began = time.monotonic()
    for one in slow:
        one.sendall(b"GET /api/metadata HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
    busy = np.quantile(latencies(address, 100), 0.5)
    # the clocks of a test machine are rough: a server that waits for them would take seconds
    assert busy < 3 * quiet + 0.05
    told = []
    for one in slow:
        one.settimeout(30)
        told.append(one.recv(4096))
        one.close()
    assert 5 < time.monotonic() - began < 60
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in told)
    assert b'"remedy"' in told[0]


def test_row_62_a_connection_that_asks_nothing_is_closed(address):
    assert asked(address, b"").startswith(b"HTTP/1.1 408 ")


def test_row_62_a_thousand_ranges_are_one_whole_answer(address):
    ranges = b",".join(b"%d-%d" % (n, n + 1) for n in range(1000))
    head = b"GET /api/regions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nRange: bytes=" + ranges + b"\r\n\r\n"
    found = asked(address, head)
    assert found.startswith(b"HTTP/1.1 200 ")
    assert found.count(b'"330000"') + found.count(b'"regions"') == 1


def test_row_62_a_flood_of_head_is_told_429_and_the_server_goes_on(address):
    statuses = []

    def flood():
        connection = http.client.HTTPConnection(address, timeout=30)
        for _ in range(300):
            connection.request("HEAD", "/api/versions")
            reply = connection.getresponse()
            reply.read()
            statuses.append(reply.status)
        connection.close()

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(statuses) <= {200, 429}
    assert statuses.count(429) > 0
    time.sleep(2)
    assert (latencies(address, 3) < 5).all()


def test_row_60_urls_of_64_kb_headers_without_end_and_bytes_that_are_no_http_are_refused(address):
    url = b"GET /api/series?polygon=" + b"1" * 65536 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert re.match(rb"HTTP/1.1 4(00|14|31) ", asked(address, url))
    endless = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)) + b"\r\n"
    assert re.match(rb"HTTP/1.1 4(00|31) ", asked(address, endless))
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET /杭州 HTTP/1.1\r\n\r\n".encode()):
        found = asked(address, noise)
        assert found.startswith(b"HTTP/1.1 400 ")
        assert b'"rule"' in found


def test_a_client_that_takes_nothing_does_not_hold_the_others(address):
    with contextlib.ExitStack() as open_ones:
        for _ in range(40):
            one = open_ones.enter_context(connected(address))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(b"GET /web/vendor-maplibre.mjs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (latencies(address, 5) < 5).all()


def test_a_stop_ends_the_server_and_what_it_answers_is_finished(tmp_path):
    query_stores.hours_of(query_stores.run(tmp_path), tmp_path)
    with served_stores.process_of(tmp_path / "store") as (found, process):
        assert latencies(urllib.parse.urlsplit(found).netloc, 1).size == 1
        process.terminate()
        assert process.wait(30) in (0, -15)
        assert "Traceback" not in process.stderr.read()
    assert not list((tmp_path / "store" / "leases").glob("*.json"))
