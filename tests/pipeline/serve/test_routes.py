"""Every route tells what the answers in Python tell, of one version."""

import io
import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import query_stores
import rasterio
import served_stores
import shapely.geometry
import xarray as xr
import zarr
from zarr.storage import MemoryStore

from pipeline.answers import GRID, LAYERS, mean_maps, open_source, query
from pipeline.answers.ledger import ledger, schema


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    asked = query_stores.run(folder)
    missing = str(asked.result["time"].values[3].astype("datetime64[h]"))
    query_stores.hours_of(asked, folder, leave_out=[missing])
    return {"run": asked.store, "hours": folder / "store", "missing": np.datetime64(missing, "h")}


@pytest.fixture(scope="module", params=["run", "hours"])
def served(stores, request):
    store = stores[request.param]
    with served_stores.client_of(store) as client:
        source = open_source(store)
        yield client, source
        source.close()


def test_metadata_tells_the_grid_the_hours_and_the_version(served):
    client, source = served
    told = client.get("/api/metadata").json()
    assert told["version"] == source.version.id
    assert told["grid"]["nx"] == source.grid.nx
    assert told["grid"]["bounds"][0] == source.grid.x_edges[0]
    lon, lat = source.grid.lonlat
    west, south, east, north = told["grid"]["lonlat_bounds"]
    assert west < lon.min() < lon.max() < east
    assert south < lat.min() < lat.max() < north
    assert [one["name"] for one in told["sectors"]] == [*source.sectors, "net"]
    assert [one["name"] for one in told["layers"]] == list(LAYERS)
    first = np.datetime64(told["hours"]["first"].removesuffix("Z"), "h")
    present = np.ones(told["hours"]["axis"], dtype=bool)
    for start, end in told["hours"]["missing"]:
        present[start:end] = False
    np.testing.assert_array_equal(first + np.flatnonzero(present), source.hours)


def test_the_hour_that_is_missing_is_told(stores):
    with served_stores.client_of(stores["hours"]) as client:
        told = client.get("/api/metadata").json()["hours"]
    first = np.datetime64(told["first"].removesuffix("Z"), "h")
    (run,) = told["missing"]
    assert first + run[0] == stores["missing"]
    assert run[1] - run[0] == 1


def test_colours_span_what_maps_hold(served):
    client, _ = served
    ranges = client.get("/api/metadata").json()["ranges"]
    for layer in LAYERS:
        low, high = ranges[layer]["net"]
        assert low == (0.0 if layer.endswith("_std") else -high)
        assert high > 0


def zarr_of(client, address):
    """The served group, read key by key as a browser does, as xarray sees it."""
    memory = {}

    def read(key):
        reply = client.get(f"{address}/{key}")
        if reply.status_code == 200:
            memory[key] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(reply.content)
        else:
            assert reply.status_code == 404

    read("zarr.json")
    group = json.loads(memory["zarr.json"].to_bytes())
    for name, one in group["consolidated_metadata"]["metadata"].items():
        read(f"{name}/zarr.json")
        shape = one["shape"]
        chunks = one["chunk_grid"]["configuration"]["chunk_shape"]
        grid = [range(-(-n // c)) for n, c in zip(shape, chunks, strict=True)]
        for place in np.ndindex(*(len(axis) for axis in grid)):
            read("/".join([name, "c", *map(str, place)]))
    with xr.open_zarr(MemoryStore(memory), consolidated=True) as found:
        return found.load()


def test_the_maps_as_zarr_are_those_of_the_answers(served):
    client, source = served
    address = client.get("/api/metadata").json()["zarr"]
    found = zarr_of(client, address)
    wanted = mean_maps(source, freq="hour")
    assert found["sector"].values.tolist() == wanted["sector"].values.tolist()
    for layer in LAYERS:
        mine = found[layer].sel(time=wanted["time"])
        np.testing.assert_array_equal(mine.values, wanted[layer].values)
    others = found.drop_sel(time=wanted["time"].values)
    assert all(np.isnan(others[layer].values).all() for layer in LAYERS)


@pytest.mark.parametrize("area", [{"region": "330100"}, {"point": "119,28.5"}, {"box": "118.7,119.3,28,29"}, {}])
def test_series_are_those_of_query(served, area):
    client, source = served
    if "region" in area:
        area = {"region": source.regions.ids[0]}
    reply = client.get("/api/series", params={**area, "freq": "day"})
    assert reply.status_code == 200
    told = reply.json()
    asked = area.get("region") or tuple(float(n) for n in next(iter(area.values()), "").split(",") if n)
    wanted = query(source, asked or GRID, freq="day").isel(region=0)
    assert told["version"] == source.version.id
    assert told["time"] == [f"{hour}:00Z" for hour in wanted["time"].values.astype("datetime64[h]")]
    for sector, totals in told["sectors"].items():
        for name, values in totals.items():
            np.testing.assert_allclose(values, wanted[name].sel(sector=sector), rtol=1e-6)
    assert told["exact"] == wanted["exact"].values.tolist()


def test_a_polygon_is_sent_as_geojson(served):
    client, source = served
    square = query_stores.square(118.7, 119.3, 28.0, 29.0)
    told = client.get("/api/series", params={"polygon": json.dumps(square), "freq": "all"}).json()
    wanted = query(source, shapely.geometry.shape(square))
    np.testing.assert_allclose(told["sectors"]["net"]["posterior"], wanted["posterior"].sel(sector="net")[0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["csv", "parquet", "nc"])
def test_a_series_is_a_file_too(served, kind):
    client, source = served
    reply = client.get("/api/series", params={"freq": "day", "format": kind})
    assert reply.headers["content-disposition"] == f'attachment; filename="series.{kind}"'
    total = query(source, [source.regions.ids[0]], freq="day")  # the grid is no region: only its shape is compared
    read = {
        "csv": lambda body: len(pd.read_csv(io.BytesIO(body))),
        "parquet": lambda body: len(pd.read_parquet(io.BytesIO(body))),
        "nc": lambda body: int(xr.load_dataset(io.BytesIO(body))["posterior"].size),
    }
    assert read[kind](reply.content) == total["posterior"].size


def test_maps_are_files_that_hold_the_answers(served):
    client, source = served
    wanted = mean_maps(source, sector="net")
    body = client.get("/api/maps", params={"format": "tif", "sector": "net"}).content
    with rasterio.MemoryFile(body) as memory, memory.open() as image:
        at = image.descriptions.index("flux_posterior net") + 1
        np.testing.assert_array_equal(image.read(at)[::-1], wanted["flux_posterior"].values[0, 0])
    found = xr.load_dataset(io.BytesIO(client.get("/api/maps", params={"sector": "net"}).content))
    np.testing.assert_array_equal(found["flux_change"].values, wanted["flux_change"].values)


def test_the_ledger_is_that_of_python_and_keeps_its_schema(served):
    client, source = served
    level = source.regions.levels[0]
    rows = client.get("/api/ledger", params={"level": level}).json()
    jsonschema.validate(rows, schema())
    wanted = ledger(source, level)
    np.testing.assert_allclose([row["net"] for row in rows], wanted["net"])
    assert client.get("/api/ledger/schema").json() == schema()


def test_hours_tell_how_they_were_made(served):
    client, source = served
    told = client.get("/api/hours").json()["hours"]
    assert [one["hour"] for one in told] == [f"{hour}Z" for hour in source.hours]
    assert {one["condition"] for one in told} == {"full"}


def test_borders_are_polygons_of_the_regions(served):
    client, source = served
    level = source.regions.levels[0]
    told = client.get("/api/borders", params={"level": level}).json()
    ids = [source.regions.ids[at] for at in source.regions.at_level(level)]
    assert [one["id"] for one in told["features"]] == ids
    shares = source.fractions()
    lon, lat = source.grid.lonlat
    for one, at in zip(told["features"], source.regions.at_level(level), strict=True):
        shape = shapely.geometry.shape(one["geometry"])
        inside = shapely.contains_xy(shape, lon.ravel(), lat.ravel())
        share = np.asarray(shares[[at]].todense()).ravel()
        assert inside[share > 0.99].all()
        assert not inside[share < 0.01].any()


def test_regions_lie_where_their_cells_do(served):
    client, source = served
    told = client.get("/api/regions").json()["regions"]
    assert [one["id"] for one in told] == list(source.regions.ids)
    assert all(one["bounds"][0] <= one["bounds"][2] for one in told)


def test_a_map_is_a_picture(served):
    client, _ = served
    found = [client.get("/api/map.png", params={"layer": layer}).content for layer in ("flux_posterior", "flux_prior")]
    assert all(picture.startswith(b"\x89PNG") for picture in found)
    assert found[0] != found[1]


def test_stations_of_a_run_tell_what_was_measured(stores):
    with served_stores.client_of(stores["run"]) as client:
        source = open_source(stores["run"])
        hours = source.posterior["obs_time"].values.astype("datetime64[h]")
        told = client.get("/api/stations", params={"hour": f"{hours[-1]}Z"}).json()["stations"]
        at = {one["id"]: one for one in told}
        row = int(np.flatnonzero(hours == hours[-1])[0])
        name = str(source.posterior["obs_station"].values[row])
        assert at[name]["value"] == pytest.approx(float(source.posterior["obs_value"].values[row]))
        assert at[name]["lon"] == pytest.approx(float(source.posterior["obs_lon"].values[row]))
        series = client.get(f"/api/stations/{name}").json()
        assert len(series["time"]) == np.unique(hours[source.posterior["obs_station"].values == name]).size
        assert client.get("/api/stations/nobody").status_code == 404
        source.close()


def test_in_an_hour_without_numbers_the_state_of_stations_is_unknown(stores):
    with served_stores.client_of(stores["hours"]) as client:
        told = client.get("/api/stations", params={"hour": f"{stores['missing']}Z"})
        assert told.status_code == 200
        assert {one["state"] for one in told.json()["stations"]} <= {"unknown"}
        assert client.get("/api/stations", params={"hour": "2031-01-01T00Z"}).status_code == 400


def test_health_tells_the_newest_hour_and_its_age(served):
    client, source = served
    told = client.get("/api/health").json()
    assert told["newest_hour"] == f"{source.hours[-1]}Z"
    age = (np.datetime64("now", "s") - source.hours[-1].astype("datetime64[s]")) / np.timedelta64(1, "h")
    assert told["age_hours"] == pytest.approx(age, abs=0.1)
    assert told["state"] == "unknown"


def test_every_reply_names_its_version_and_is_not_sent_twice(served):
    client, source = served
    for path in ("/api/metadata", "/api/regions", "/api/series?freq=day", "/api/map.png"):
        first = client.get(path)
        assert first.headers["x-tianyan-version"] == source.version.id
        assert source.version.id in first.headers["etag"]
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]


def test_a_pinned_version_is_kept_by_clients_and_the_newest_is_asked_for_again(served):
    client, source = served
    newest = client.get("/api/metadata").headers["cache-control"]
    pinned = client.get("/api/metadata", params={"version": source.version.id}).headers["cache-control"]
    assert newest == "no-cache"
    assert "immutable" in pinned


def test_head_is_get_without_its_body(served):
    client, _ = served
    whole, head = client.get("/api/regions"), client.head("/api/regions")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == whole.headers["etag"]
