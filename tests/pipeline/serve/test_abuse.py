"""Fault table, rows 59-61 and 64: what is asked too much, malformed, or not allowed never reaches the store."""

import json
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import query_stores
import served_stores
from command_line import command

from pipeline.answers import open_source
from pipeline.answers.areas import RegionTable, area_of
from pipeline.answers.shares import fractions_of
from pipeline.answers.source import Version
from pipeline.grid import HourReader, lambert_grid
from pipeline.serve.price import MOST_READ, BusyError, Gate, of_outline, of_totals
from pipeline.serve.shelf import Told


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("abused")
    query_stores.hours_of(query_stores.run(folder), folder)
    return folder / "store"


@pytest.fixture(scope="module")
def client(store):
    with served_stores.client_of(store) as found:
        yield found


def refused(reply, *statuses):
    """A refusal as every one is: JSON of status, rule and remedy, no traceback, no path of ours."""
    assert reply.status_code in statuses, (reply.status_code, reply.text[:300])
    told = reply.json()
    assert told["status"] == reply.status_code
    assert told["error"]["rule"]
    assert told["error"]["remedy"]
    assert "Traceback" not in reply.text
    assert str(Path.home()) not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"
    return told["error"]


class TenYears:
    """A province over ten years: sizes and names, and nothing that can be read."""

    grid = lambert_grid(west=118.0, east=123.0, south=27.0, north=31.5, spacing=3000.0)
    species, sectors = "co2", ("anthropogenic", "biosphere")
    regions = RegionTable(("330000",), ("浙江省",), ("Zhejiang",), ("province",), np.array([1e11]))
    version = Version(Path("nowhere"), "TENYEARS", "hours")
    hours = np.arange(np.datetime64("2014-01-01T00"), np.datetime64("2024-01-01T00"))

    def __getattr__(self, name):
        raise AssertionError(f"{name} was read before the question was priced")


class Shelf:
    """Lends it."""

    def answer(self, version, as_of, work, *, live=True):
        class Edition:
            source = TenYears()

        return work(Edition(), Told("TENYEARS"))

    def close(self):
        pass


@pytest.mark.parametrize(
    "question",
    [
        "/api/maps?freq=hour",
        "/api/maps?freq=month&format=csv",
        "/api/series?freq=hour",
        "/api/series?box=118.5,122.5,27.5,31&freq=month",
        "/api/ledger?level=all",
        "/api/hours",
        "/api/stations/ZJ_P01?period=2014/2023",
    ],
)
def test_row_59_a_province_over_ten_years_is_refused_before_anything_is_read(question):
    with served_stores.client_of(None, shelf=Shelf()) as big:
        big.get("/api/maps?freq=hour")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error = refused(big.get(question), 413)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert "period" in error["remedy"]
    assert grown < 50_000, f"{grown} kB"


def test_row_59_a_question_of_a_real_store_is_priced_first(store, monkeypatch):
    monkeypatch.setattr("pipeline.serve.price.MOST_READ", 100)
    with served_stores.client_of(store) as small:

        def read(*_):
            raise AssertionError("it was read")

        monkeypatch.setattr(HourReader, "read", read)
        refused(small.get("/api/maps"), 413)
        refused(small.get("/api/series?box=118.7,119.3,28,29"), 413)
        refused(small.get("/api/ledger?level=box"), 413)


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ("/api/series?box=nan,120,28,30", 400, "box"),
        ("/api/series?box=120,118,28,30", 400, "west before east"),
        ("/api/series?box=118,120,30,28", 400, "south before north"),
        ("/api/series?point=1e308,1e308", 400, "degrees"),
        ("/api/series?point=inf,30", 400, "degrees"),
        ("/api/series?point=1e999999999999,30", 400, "degrees"),
        ("/api/series?point=120", 400, "longitude and latitude"),
        ("/api/series?point=0,0", 400, "in the grid"),
        ("/api/series?period=99999", 400, "whole hours"),
        ("/api/series?period=9999", 400, "years"),
        ("/api/series?period=2024-07-15T06", 400, "UTC"),
        ("/api/series?period=2024-07-16/2024-07-15", 400, "end after its start"),
        ("/api/series?period=2031", 400, "hour with numbers"),
        ("/api/series?period=", 400, "whole hours"),
        ("/api/series?freq=week", 400, "'hour'"),
        ("/api/series?region=Hangzhouu", 404, "one of the store's"),
        ("/api/series?sector=traffic", 404, "one of the store's"),
        ("/api/series?region=ALL&box=118,120,28,30", 400, "named once"),
        ("/api/series?periode=2024", 400, "Extra"),
        ("/api/series?polygon={}", 400, "GeoJSON"),
        ("/api/series?polygon=[1,2]", 400, "GeoJSON"),
        ("/api/series?polygon=" + "[" * 2000, 400, "GeoJSON"),
        ('/api/series?polygon={"type":"Polygon","coordinates":[[[1e400,30],[121,30],[121,31],[120,30]]]}', 400, ""),
        (
            '/api/series?polygon={"type":"Polygon","coordinates":[[[NaN,30],[121,30],[121,31],[120,30]]]}',
            400,
            "GeoJSON",
        ),
        ("/api/stations?hour=2024-07-15", 400, "one hour"),
        ("/api/stations?hour=2024-07-15T06", 400, "UTC"),
        ("/api/metadata?version=" + "A" * 65, 400, "match"),
        ("/api/metadata?version=NOSUCHVERSION", 404, "version"),
        ("/api/metadata?as_of=2024-08-01T00:00", 400, "zone"),
        ("/api/metadata?as_of=yesterday", 400, "ISO"),
        ("/api/metadata?as_of=1969-01-01T00:00Z", 404, "commit"),
        ("/api/metadata?as_of=99999-01-01T00:00Z", 400, "ISO"),
        ("/api/metadata?as_of=0001-01-01T00:00%2B23:59", 400, "1 to 9999"),
        ("/api/metadata?as_of=9999-12-31T23:59-23:59", 400, "1 to 9999"),
        ("/api/map.png?layer=__class__", 400, "flux_prior"),
        ("/api/map.png?sector=__class__", 404, "one of the store's"),
        ("/api/maps?format=tif&freq=day", 400, "GeoTIFF"),
        ("/api/maps?format=exe", 400, "'nc'"),
        ("/api/ledger?level=galaxy", 404, "level"),
        ("/api/borders?level=galaxy", 404, "level"),
    ],
)
def test_row_60_what_cannot_be_asked_is_refused_with_its_rule(client, question, status, words):
    error = refused(client.get(question), status)
    assert words in error["rule"]


def test_row_60_a_polygon_outside_or_crossing_itself_is_refused(client):
    outside = json.dumps(query_stores.square(10, 11, 50, 51))
    crossing = json.dumps(
        {"type": "Polygon", "coordinates": [[[118.5, 28], [119, 29], [119, 28], [118.5, 29], [118.5, 28]]]}
    )
    wrong_crs = json.dumps({**query_stores.square(118.5, 119, 28, 29), "crs": {"properties": {"name": "EPSG:3857"}}})
    metres = json.dumps(query_stores.square(500_000, 510_000, 3_300_000, 3_310_000))
    for polygon, words in ((outside, "grid"), (crossing, "cross itself"), (wrong_crs, "WGS84"), (metres, "degrees")):
        assert words in refused(client.get("/api/series", params={"polygon": polygon}), 400)["rule"]


def test_row_59_a_polygon_that_runs_round_the_globe_many_times_is_refused_before_it_is_laid_over_the_grid(
    client, monkeypatch
):
    # 2 kB, and half a million corners once its edges are bent
    teeth = [[[360, y], [360, y + 1], [-9, y + 1], [-9, y + 2]] for y in range(-60, 0, 2)]
    ring = [[-360, -60], *(corner for tooth in teeth for corner in tooth), [-360, 0], [-360, -60]]

    def laid(*_):
        raise AssertionError("it was laid over the grid")

    monkeypatch.setattr("pipeline.answers.hours_source.fractions_of", laid)
    found = refused(
        client.get("/api/series", params={"polygon": json.dumps({"type": "Polygon", "coordinates": [ring]})}), 413
    )
    assert "outline" in found["rule"]


@pytest.mark.parametrize("turn", [-360, 0])
def test_an_area_is_priced_by_the_cells_round_it_wherever_it_lies(turn):
    grid = TenYears.grid
    one = area_of((120.0 + turn, 120.5 + turn, 29.0, 29.4), TenYears.regions)
    cells = np.flatnonzero(fractions_of(one, grid).fractions.toarray())
    rows, columns = np.divmod(cells, grid.nx)
    box = int(np.ptp(rows) + 1) * int(np.ptp(columns) + 1)
    read, _ = of_totals(TenYears(), [one], 24, 1, 3)
    fields = (read - of_outline(one)) / (4 * 24 * 2)
    assert box <= fields <= 1.6 * box


def test_row_60_long_urls_and_many_parameters_are_refused(client):
    refused(client.get("/api/series?polygon=" + "1" * 8000), 414)
    refused(client.get("/api/series?" + "&".join(["a=1"] * 50)), 400)
    refused(client.get("/api/series?" + "&".join(["a=1"] * 2000)), 414)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_allowed(client, method):
    reply = client.request(method, "/api/metadata")
    refused(reply, 405)
    assert reply.headers["allow"] == "GET, HEAD"


def test_a_request_with_a_body_is_refused(client):
    refused(client.request("GET", "/api/metadata", content=b"x" * 10), 413)


PATHS = [
    "/api/zarr/{id}/%2e%2e%2f%2e%2e%2fetc/passwd",
    "/api/zarr/{id}/../../../../etc/passwd",
    "/api/zarr/{id}//etc/passwd",
    "/api/zarr/{id}/flux_prior/c/0/0/0/0%00",
    "/api/zarr/{id}/\\\\server\\share",
    "/api/zarr/..%2f..%2fetc/passwd",
    "/api/zarr/NOSUCH/zarr.json",
    "/web/..%2f..%2fpyproject.toml",
    "/web/%2e%2e/serve/app.py",
    "/web//etc/passwd",
    "/web/C:%5cwindows%5cwin.ini",
    "/api/series?region=..%2f..%2fetc%2fpasswd",
    "/api/series?region=%2fetc%2fpasswd",
    "/api/series?region=%00",
    "/api/series?region=' OR 1=1; --",
    "/api/series?polygon=%2fetc%2fpasswd",
    "/api/series?sector=__class__",
    "/api/metadata?version=..%2f..%2frepo",
    "/api/metadata?version=refs",
    "/api/stations/..%2f..%2fetc%2fpasswd",
    "/api/stations/'; DROP TABLE stations; --",
]


def test_row_61_no_text_of_a_client_ever_becomes_a_path(client, store):
    version = client.get("/api/versions").json()["newest"]
    opened, watching = [], [True]

    def hook(event, arguments):
        if watching[0] and event in ("open", "os.listdir", "os.scandir", "os.stat", "glob.glob", "sqlite3.connect"):
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    try:
        for path in PATHS:
            refused(client.get(path.format(id=version)), 400, 404, 410)
    finally:
        watching[0] = False
    words = ("passwd", "pyproject", "win.ini", "share", "app.py", "DROP", "OR 1=1", "__class__", "NOSUCH")
    assert [one for one in opened if any(word in one for word in words)] == []
    inside = [
        one for one in opened if "/" in one and not one.startswith((str(store), sys.prefix, sys.base_prefix, "/proc"))
    ]
    assert [one for one in inside if ".." in one] == []


def test_row_64_another_host_is_refused(client):
    for host in ("evil.example", "evil.example:8765", "169.254.169.254", ""):
        assert "host" in refused(client.get("/api/metadata", headers={"host": host}), 400)["rule"]
    assert client.get("/api/metadata", headers={"host": "testserver:8765"}).status_code == 200


def test_row_64_who_listens_beyond_this_machine_without_a_token_does_not_start(store, tmp_path, capsys, monkeypatch):
    short = tmp_path / "token"
    short.write_text("short")
    for arguments, words in (
        (["--host", "0.0.0.0"], "must ask for a token"),
        (["--host", "192.0.2.1"], "must ask for a token"),
        (["--token-file", str(short)], "16 printable letters"),
        (["--token-file", str(tmp_path / "none")], "must be readable"),
        (["--port", "99999"], "from 0 to 65535"),
    ):
        assert command(monkeypatch, "serve", store, *arguments) == 2
        assert words in capsys.readouterr().err


def test_a_token_is_asked_for_and_both_ways_of_bringing_it_work(store):
    token = "a-token-of-24-letters-ok"
    with served_stores.client_of(store, token=token) as guarded:
        reply = guarded.get("/")
        refused(reply, 401)
        assert reply.headers["www-authenticate"].startswith("Basic ")
        for wrong in (f"Bearer {token}x", "Bearer ", "Basic !!!", "Digest a", token):
            refused(guarded.get("/api/metadata", headers={"authorization": wrong}), 401)
        refused(guarded.get("/api/metadata", auth=("anyone", "wrong")), 401)
        assert guarded.get("/api/metadata", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert guarded.get("/api/metadata", auth=("anyone", token)).status_code == 200


def test_a_client_that_floods_is_told_to_wait(store, monkeypatch):
    monkeypatch.setattr("pipeline.serve.price._BURST", 20.0)
    # a busy machine sends too few a second to be told
    monkeypatch.setattr("pipeline.serve.price._RATE", 1.0)
    with served_stores.client_of(store) as flooding:
        statuses = [flooding.head("/api/versions").status_code for _ in range(60)]
        last = flooding.get("/api/versions")
    assert 200 in statuses
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) >= 1
    refused(last, 429)


def test_one_client_has_one_large_question_at_a_time_and_all_have_two():
    gate = Gate()
    first, second = gate.heavy("a", MOST_READ, 0), gate.heavy("b", MOST_READ, 0)
    with first:
        with pytest.raises(BusyError), gate.heavy("a", MOST_READ, 0):
            pass
        with gate.heavy("a", 10, 10), second:
            third = gate.heavy("c", MOST_READ, 0)
            with pytest.raises(BusyError):
                third.__enter__()
    with gate.heavy("a", MOST_READ, 0):
        pass


def test_text_that_a_spreadsheet_would_run_is_quoted(store, monkeypatch):
    source = open_source(store)
    names = tuple(f"=cmd|{name}" for name in source.regions.names)
    monkeypatch.setattr(
        "pipeline.answers.hours_source.region_table",
        lambda _: RegionTable(source.regions.ids, names, names, source.regions.levels, source.regions.areas),
    )
    with served_stores.client_of(store) as named:
        told = named.get("/api/series", params={"region": source.regions.ids[0], "format": "csv", "freq": "all"}).text
    source.close()
    assert "'=cmd|" in told
    assert ",=cmd" not in told


def test_an_error_of_ours_is_a_500_without_a_trace(store, monkeypatch, caplog):
    def wrong(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("pipeline.serve.tell.regions", wrong)
    with served_stores.client_of(store) as broken:
        reply = broken.get("/api/regions")
    refused(reply, 500)
    assert "secret" not in reply.text
    assert "secret" in caplog.text
