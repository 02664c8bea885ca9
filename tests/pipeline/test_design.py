"""A design of a small case with weather of its own: its numbers are those of the case with the candidate's data."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import weather_cases as cases
import xarray as xr
from command_line import command
from station_files import registry

from pipeline.case import run_case
from pipeline.design import design
from pipeline.design_case import place_of, require_design_memory
from pipeline.design_file import document, frame, write_design
from pipeline.design_plan import Planner
from pipeline.design_sites import Site, raster, read_sites
from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TianyanError
from pipeline.grid import open_store
from pipeline.settings import StationSettings

CASE = """
[case]
name = "small"
title = "A small case"
species = "co2"
flux_hours = { start = 2025-05-01T02:00:00Z, end = 2025-05-01T11:00:00Z }
observation_hours = { start = 2025-05-01T08:00:00Z, end = 2025-05-01T11:00:00Z }
[inputs]
root = "."
station_tables = ["table.csv"]
[grid]
crs = "EPSG:4326"
x = { first = 8.3, step = 0.1, count = 8 }
y = { first = 49.2, step = 0.1, count = 6 }
[regions]
boxes = [{ id = "WEST", name = "west", box = [8.25, 8.65, 49.15, 49.75] },
         { id = "EAST", name = "east", box = [8.65, 9.05, 49.15, 49.75] }]
STATIONS
[transport]
folder = "made"
hours = 6
particles = 200
top = 4000
[transport.meteorology]
format = "era5"
files = ["era5_*.nc"]
[[sectors]]
name = "all"
sigma_fraction = 0.5
sigma_floor = 1.0
length = 30
hours = 24
[[sectors.sources]]
file = "flux.nc"
format = "netcdf"
variable = "flux"
[background]
kind = "series"
file = "background.csv"
sigma = 0.5
hours = 6
table = { time = "time", value = "co2", unit = "ppm" }
[solver]
precision = "double"
threads = 1
gate = 0
[outputs]
store = "small.zarr"
ensemble = false
"""
FEED = """
[[stations]]
id = "%s"
format = "table"
files = ["%s.csv"]
height = %g
representation_error = 0.4
enhancement_error = 0.1
offset = { sigma = 0.3, hours = 12 }
air = "dry"
completeness = { expected = 1, minimum = 1 }
table = { time = "time", value = "co2", unit = "ppm" }
"""
SITES = (
    Site("east", 8.91, 49.43, 60.0, "precise"),
    Site("west", 8.42, 49.52, 60.0, "precise", "on the hill"),
    Site("低地", 8.62, 49.31, 10.0, "precise"),
)


def write_case(folder, stations):
    """Write a case of some stations: (id, height)."""
    path = folder / f"{'-'.join(name for name, _ in stations)}.toml"
    feeds = "".join(FEED % (name, name, height) for name, height in stations)
    path.write_text(CASE.replace("STATIONS", feeds), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weather, fluxes and station table; no observation at all."""
    root = tmp_path_factory.mktemp("design")
    cases.write_hours(root, range(12))
    x, y = np.meshgrid(cases.GRID.x, cases.GRID.y)
    flux = 5.0 + 4.0 * np.sin(9 * x) * np.cos(7 * y)
    coords = {"lat": ("lat", cases.GRID.y, {"units": "degrees_north"}), "lon": ("lon", cases.GRID.x)}
    xr.Dataset({"flux": (("lat", "lon"), flux, {"units": "umol m-2 s-1"})}, coords=coords).to_netcdf(root / "flux.nc")
    places = {"AAA": (8.55, 49.4), "BBB": (8.72, 49.56)} | {site.station: (site.lon, site.lat) for site in SITES}
    registry(root, rows=[{"id": n, "lon": str(p[0]), "lat": str(p[1]), "inlets": "10;60"} for n, p in places.items()])
    return root


@pytest.fixture(scope="module")
def case(folder):
    return write_case(folder, [("AAA", 10.0), ("BBB", 60.0)])


@pytest.fixture(scope="module")
def place(case):
    return place_of(case, level="box")


@pytest.fixture(scope="module")
def found(place):
    return design(place, SITES, choose=3)


def sigmas(folder, stations):
    """Run a case in which some stations report every hour; return sigma of the regions' totals over all hours."""
    hours = "".join(f"2025-05-01T{hour:02d}:00:00Z,%g\n" for hour in range(24))
    (folder / "background.csv").write_text("time,co2\n" + hours % ((420.0,) * 24), encoding="utf-8")
    for number, (name, _) in enumerate(stations):
        values = tuple(424.0 + number + np.sin(np.arange(24.0)))
        (folder / f"{name}.csv").write_text("time,co2\n" + hours % values, encoding="utf-8")
    path = write_case(folder, stations)
    store = open_store(run_case(path, store=folder / f"{path.stem}.zarr"))
    assert (store["obs_reason"].values == "").sum() == 3 * len(stations)
    return store["region_posterior_std"].isel(sector=0, period=0).values


def test_sigmas_are_those_of_the_case_with_the_candidates_observations(folder, found):
    network = [("AAA", 10.0), ("BBB", 60.0)]
    np.testing.assert_allclose(found.now, sigmas(folder, network), rtol=1e-9)
    for at, site in enumerate(found.sites):
        np.testing.assert_allclose(
            found.single[at], sigmas(folder, [*network, (site.station, site.height)]), rtol=1e-9, err_msg=site.id
        )
    every = [(site.station, site.height) for site in found.sites]
    np.testing.assert_allclose(found.sequence[-1], sigmas(folder, [*network, *every]), rtol=1e-9)


def test_no_candidate_adds_to_a_sigma_and_each_lowers_one(found):
    assert np.all(found.now < found.prior)
    assert np.all(found.single <= found.now)
    assert np.all(found.score(found.single) > 0)
    assert np.all(np.diff(found.score(found.sequence)) >= 0)


def test_the_first_is_the_best_alone_and_the_second_the_best_beside_it(place, found):
    assert found.chosen[0] == found.ranked[0]
    best = found.sites[found.chosen[0]]
    beside = [design(place, [best, other], choose=2) for other in found.sites if other is not best]
    assert found.score(found.sequence)[1] == pytest.approx(max(d.score(d.sequence)[1] for d in beside), rel=1e-9)
    assert set(found.chosen) == {0, 1, 2}


def test_the_order_of_candidates_changes_no_byte(place, found, tmp_path):
    other = design(place, SITES[::-1], choose=3)
    for name in ("a.json", "a.csv"):
        write_design(found, tmp_path / name)
        write_design(other, tmp_path / f"other-{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"other-{name}").read_bytes()


def test_a_second_call_traces_nothing(folder, place, found):
    before = cases.stamps(folder / "made" / "design" / "footprints")
    design(place, SITES, choose=1)
    assert cases.stamps(folder / "made" / "design" / "footprints") == before
    # weather is the case's own, decoded once
    assert (folder / "made" / "design" / "weather").resolve() == (folder / "made" / "weather").resolve()


def test_fewer_hours_and_no_network_leave_larger_sigmas(case, found):
    early = {"start": None, "end": pd.Timestamp("2025-05-01T10:00Z").to_pydatetime()}
    short = place_of(case, level="box", **early)
    assert short.settings.case.flux_hours.bounds[0] == np.datetime64("2025-05-01T02")
    less = design(short, SITES[:1])
    assert less.hours.tolist() == [2]
    assert np.all(less.prior < found.prior)
    empty = design(short, SITES[:1], empty=True)
    np.testing.assert_array_equal(empty.now, empty.prior)
    assert np.all(empty.single[0] > less.single[0])


def test_a_case_of_plans_needs_no_observation_file(found, folder):
    assert found.hours.tolist() == [3, 3, 3]
    assert any("2 station(s), 6 hours, each used hour taken to report" in note for note in found.notes)
    assert any(note.startswith("precise: as AAA (2 of 2 feeds") for note in found.notes)


def test_json_and_csv_hold_the_same_numbers(found):
    told, table = document(found), frame(found)
    assert [c["id"] for c in told["candidates"]] == [found.sites[at].id for at in found.ranked]
    single = table[table["kind"] == "single"]
    for candidate in told["candidates"]:
        mine = single[single["id"] == candidate["id"]]
        assert dict(zip(mine["region"], mine["sigma"], strict=True)) == candidate["sigma"]
        assert mine["score"].tolist() == [candidate["score"]] * 2
    now = sum(region["sigma_now"] for region in told["regions"])
    last = told["sequence"][-1]
    assert last["score"] == pytest.approx(1 - sum(last["sigma"].values()) / now)
    assert json.loads(json.dumps(told)) == told


def test_the_command_prints_tables_and_writes_file_and_picture(case, tmp_path, monkeypatch, capsys):
    listed = tmp_path / "sites.csv"
    rows = [f"{s.id},{s.lon},{s.lat},{s.height:g},{s.kind},{s.name}" for s in SITES]
    listed.write_text("\ufeffid,longitude,latitude,height_m,class,name\n" + "\n".join(rows) + "\n\n", encoding="utf-8")
    picture, output = tmp_path / "map.png", tmp_path / "design.json"
    words = ["design", case, "--candidates", listed, "--choose", "2", "--regions", "box", "--picture", picture]
    assert command(monkeypatch, *words, "--output", output) == 0
    out = capsys.readouterr().out
    for text in (
        "sigma of totals from 2025-05-01T08Z to 2025-05-01T11Z",
        "west on the hill",
        "it adds",
        "network of now",
    ):
        assert text in " ".join(out.split()), text
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert len(json.loads(output.read_text(encoding="utf-8"))["sequence"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "candidates are either listed or a raster; got 'neither'"),
        (("--spacing-km", "20", "--candidates", "a.csv"), "got 'both'"),
        (("--spacing-km", "20", "--choose", "0"), "one must be chosen at least; got 0"),
        (("--spacing-km", "20"), "regions of the level .* got 'city'.*--regions with one of box"),
        (("--spacing-km", "20", "--regions", "box", "--sector", "sea"), "got 'sea'. Remedy: use net, all"),
        (("--spacing-km", "20", "--regions", "box", "--class", "micro"), "a feed of the class micro"),
        (("--spacing-km", "20", "--regions", "box", "--height", "900"), "not above 500 m; got 900"),
        (("--spacing-km", "20", "--regions", "box", "--from", "2025-05-01T08"), "a time must have a zone"),
        (("--spacing-km", "20", "-o", "design.pdf"), "pdf"),
        (("--candidates", "absent.csv", "--regions", "box"), "the file of candidates must exist"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_remedy(case, monkeypatch, capsys, words, message):
    assert command(monkeypatch, "design", case, *words) == 2
    assert re.search(message, capsys.readouterr().err, re.DOTALL)


HEAD = "id,longitude,latitude,height_m,class"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("id,longitude,latitude,height_m\nA,8.5,49.5,50\n", FormatError, "without class"),
        (f"{HEAD},hieght\nA,8.5,49.5,50,precise,1\n", FormatError, "with 'hieght'"),
        (f"{HEAD},id\nA,8.5,49.5,50,precise,B\n", FormatError, "with 'id', 'id'"),
        (f"{HEAD}\n", FormatError, "a heading alone"),
        ("", FormatError, "without id"),
        (f"{HEAD}\nA,8.5,49.5,50\n", FormatError, r"line 2: every row must have the heading's cells"),
        (f"{HEAD}\nA,8.5,49.5,50,precise,x\n", FormatError, "every row must have the heading's cells"),
        (f"{HEAD}\nA,east,49.5,50,precise\n", FormatError, "longitude must be a number; got 'east'"),
        (f"{HEAD}\nA,nan,49.5,50,precise\n", FormatError, "longitude must be a number; got 'nan'"),
        (
            f"{HEAD}\nA,12.5,49.5,50,precise\n",
            CoordinateError,
            "A at longitude 12.5.*grid spans longitude 8.30 to 9.00",
        ),
        (f"{HEAD}\nA,49.5,8.5,50,precise\n", CoordinateError, "Remedy: swap longitude and latitude"),
        (f"{HEAD}\nA,8.5,49.5,0,precise\n", InputError, "must stand above ground, and not above 500 m; got 0"),
        (f"{HEAD}\nA,8.5,49.5,501,precise\n", InputError, "above ground, not above the sea"),
        (f"{HEAD}\nA,8.5,49.5,50,cheap\n", InputError, "got 'cheap'. Remedy: use one of precise"),
        (f"{HEAD}\n,8.5,49.5,50,precise\n", InputError, "an id must have 1 to 40 printable letters"),
        (f"{HEAD}\nA,8.5,49.5,50,precise\nA,8.6,49.5,50,precise\n", InputError, r"used once; got \['A'\]"),
        (f"{HEAD}\nA,8.5,49.5,50,precise\nB,8.5,49.5,50,precise\n", InputError, "class must be listed once"),
        (f'{HEAD}\n"A,8.5\n', FormatError, "must be CSV in UTF-8"),
        (b"id\xff\xfe", FormatError, "must be CSV in UTF-8"),
    ],
)
def test_a_bad_list_of_candidates_is_refused_with_rule_place_and_remedy(tmp_path, text, kind, message):
    path = tmp_path / "sites.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(kind, match=message) as caught:
        read_sites(path, cases.GRID)
    assert "sites.csv" in str(caught.value)
    assert "Remedy" in str(caught.value)


def test_a_raster_lies_within_the_regions_about_so_far_apart(place):
    sites = raster(place.grid, place.regions, 15_000.0, 50.0, "precise")
    lon, lat = (np.unique([getattr(site, name) for site in sites]) for name in ("lon", "lat"))
    assert len(sites) == lon.size * lat.size > 4
    np.testing.assert_allclose(np.diff(lon), 0.2, atol=1e-9)
    np.testing.assert_allclose(np.diff(lat), 0.1, atol=1e-9)
    assert np.all(place.grid.locate([s.lon for s in sites], [s.lat for s in sites]) >= 0)
    with pytest.raises(InputError, match="the spacing must be positive"):
        raster(place.grid, place.regions, 0.0, 50.0, "precise")


def test_what_does_not_fit_in_memory_is_refused_before_anything_is_traced(place):
    needed = require_design_memory(place.settings, place.grid, 4000, 30)
    assert needed > 4 * 8 * 4000**2
    with pytest.raises(ConfigError, match=r"the design must fit in memory.*give fewer candidates"):
        require_design_memory(place.settings, place.grid, 4000, 30, available=needed - 1)


def test_a_candidate_has_the_commonest_errors_and_hours_of_the_feeds_of_its_class(place):
    def feed(name, **changes):
        declared = {"id": name, "format": "gcwerks", "files": ["*"], "height": 10, "representation_error": 2.5}
        return StationSettings.model_validate(declared | changes)

    drifting = {"offset": {"sigma": 3.0, "hours": 240.0}, "representation_error": 4.0}
    stations = [
        feed("ZJ_P01", height=100, representation_error=1.5),
        feed("ZJ_C01", height=40, local_hours=(10, 18)), feed("ZJ_C02", height=50, local_hours=(10, 18)),
        feed("ZJ_M001", **drifting), feed("ZJ_M005", **drifting, local_hours=(12, 16)),
    ]  # fmt: skip
    planner = Planner(place.settings.model_copy(update={"stations": stations}), place.root)
    precise, micro, one = (planner.template(kind) for kind in ("precise", "micro", "provincial"))
    assert (precise.feed.id, precise.alike, precise.of) == ("ZJ_C01", 2, 3)
    assert (one.feed.id, one.feed.representation_error) == ("ZJ_P01", 1.5)
    # of equally common statements the first
    assert (micro.feed.id, micro.feed.offset.sigma, micro.alike) == ("ZJ_M001", 3.0, 1)
    # 08, 09 and 10 UTC: at 120 degrees east 16, 17 and 18 h by the sun
    there = planner.of_site(Site("a", 120.0, 30.0, 50.0, "precise"), precise)
    assert there["time"].values.astype("datetime64[h]").astype(str).tolist() == ["2025-05-01T08", "2025-05-01T09"]
    assert np.all(there["uncertainty"].values == 0.2)
    assert planner.of_site(Site("a", 120.0, 30.0, 50.0, "micro"), micro).sizes["obs"] == 3
    settings = planner.with_sites([Site("a", 120.0, 30.0, 50.0, "micro")], {"micro": micro}, alone=True)
    assert [(feed.height, feed.offset) for feed in settings.stations] == [(50.0, micro.feed.offset)]


def test_a_case_with_footprints_from_elsewhere_cannot_be_designed_for():
    with pytest.raises(TianyanError, match=r"the case must have a section \[transport\]"):
        place_of(Path(__file__).resolve().parents[2] / "workflows" / "tacolneston.toml")
