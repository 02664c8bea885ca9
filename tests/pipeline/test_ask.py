"""Questions to a finished run: any area, any hours, the same answer as the run's own, and errors that help."""

import json
import sys

import numpy as np
import pipeline_windows as windows
import pytest
import shapely

from kernels.jit import set_threads
from pipeline import cli
from pipeline.ask import Run, posterior_of
from pipeline.cli_ask import ask
from pipeline.errors import ConfigError, GridError, InputError, TianyanError
from pipeline.grid import write_store
from pipeline.inversion import assemble, pack, posterior
from pipeline.units import SPECIES, tonnes_per_flux_unit

TONNES = tonnes_per_flux_unit(SPECIES["co2"]) * 3600
DAY = (np.datetime64("2024-07-15"), np.datetime64("2024-07-16"))
EAST = (118.625, 119.375, 27.875, 29.125)
MEMBERS = 200


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    # fields of 900 numbers are not worth a second thread
    set_threads(1)
    yield
    set_threads(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    settings = windows.settings(precision="double", members=MEMBERS)
    assembled = assemble(settings, windows.GRID, observed, rows, windows.background(rows), windows.fluxes(random))
    solution = windows.solved(assembled.problem)
    result = posterior(settings, windows.GRID, windows.regions(), observed, windows.TIME, assembled, solution)
    folder = tmp_path_factory.mktemp("ask")
    write_store(result, folder / "a.zarr", pack(solution, settings))
    write_store(result, folder / "nothing-kept.zarr")
    return folder, result


def geojson(path, *geometries):
    features = [{"type": "Feature", "properties": {}, "geometry": g} for g in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def square(west, east, south, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_a_declared_region_has_the_totals_of_the_run(run):
    folder, result = run
    answer = posterior_of(folder / "a.zarr", "EAST", DAY)
    told = result.sel(region="EAST", period="all")
    for name, found in (("prior", answer.prior), ("posterior", answer.posterior)):
        np.testing.assert_allclose(found, told[f"region_{name}"], rtol=1e-9)
    np.testing.assert_allclose(answer.sigma, told["region_posterior_std"], rtol=1e-8)
    np.testing.assert_allclose(answer.prior_sigma, told["region_prior_std"], rtol=1e-8)
    assert answer.net[1] == pytest.approx(float(told["region_net_posterior_std"]), rel=1e-8)
    assert answer.prior_net[1] == pytest.approx(float(told["region_net_prior_std"]), rel=1e-8)
    assert (answer.hours, answer.linearised, answer.outside) == (24, False, 0.0)


def test_a_box_and_a_polygon_of_the_region_have_the_same_total(run, tmp_path):
    store = run[0] / "a.zarr"
    expected = posterior_of(store, "EAST", DAY)
    path = geojson(tmp_path / "east.geojson", square(*EAST))
    words = {"start": "2024-07-15T00Z", "end": "2024-07-16T08:00+08:00"}
    for area in ({"box": ",".join(map(str, EAST))}, {"polygon": path}):
        answer = ask(store, **area, **words)
        np.testing.assert_allclose(answer.posterior, expected.posterior, rtol=1e-6)
        np.testing.assert_allclose(answer.covariance, expected.covariance, rtol=1e-6)


def test_polygons_of_a_file_are_counted_once_where_they_overlap(run, tmp_path):
    west, east, south, north = EAST
    halves = (square(west, 119.1, south, north), square(119.0, east, south, north))
    answer = ask(run[0] / "a.zarr", polygon=geojson(tmp_path / "two.geojson", *halves))
    np.testing.assert_allclose(answer.posterior, posterior_of(run[0] / "a.zarr", "EAST").posterior, rtol=1e-6)


def test_any_area_and_hours_agree_with_the_kept_ensemble(run):
    folder, result = run
    # a triangle over parts of cells, and five hours that are no reporting period
    triangle = shapely.Polygon([(118.1, 28.05), (119.2, 28.3), (118.6, 29.0)])
    period = (np.datetime64("2024-07-15T03"), np.datetime64("2024-07-15T08"))
    asked = Run(folder / "a.zarr")
    answer = asked.posterior_of(triangle, period)
    weights = asked._fractions(triangle).fractions.toarray().reshape(windows.GRID.shape) * windows.GRID.area * TONNES
    hours = (result["time"].values >= period[0]) & (result["time"].values < period[1])
    draws = (result["flux_ensemble"].values[:, :, hours].astype(float) * weights).sum(axis=(2, 3, 4))
    error = np.abs(draws.mean(axis=0) - answer.posterior) / answer.sigma
    assert np.all(error < 4 / np.sqrt(MEMBERS))
    assert np.all(np.abs(draws.std(axis=0, ddof=1) / answer.sigma - 1) < 4 / np.sqrt(2 * MEMBERS))
    net = draws.sum(axis=1).std(ddof=1)
    assert net == pytest.approx(answer.net[1], rel=4 / np.sqrt(2 * MEMBERS))
    assert answer.hours == 5


def test_hours_and_areas_add_up(run):
    asked = Run(run[0] / "a.zarr")
    middle = np.datetime64("2024-07-15T07")
    parts = [asked.posterior_of(name, p) for name in ("EAST", "WEST") for p in ((DAY[0], middle), (middle, DAY[1]))]
    whole = asked.posterior_of("ALL", DAY)
    np.testing.assert_allclose(sum(part.posterior for part in parts), whole.posterior, rtol=1e-9)
    assert np.all(whole.sigma < np.sum([part.sigma for part in parts], axis=0))


def test_what_lies_outside_the_grid_is_said(run, capsys):
    answer = ask(run[0] / "a.zarr", box="119,119.75,28,29")
    assert answer.outside == pytest.approx(0.5, abs=1e-6)
    assert "50.0% of the area lies outside the grid" in capsys.readouterr().out


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tianyan", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def test_the_command_prints_every_sector_and_the_net(run, monkeypatch, capsys):
    words = ("ask", run[0] / "a.zarr", "--region", "EAST", "--from", "2024-07-15T00Z", "--to", "2024-07-15T01Z")
    assert command(monkeypatch, *words) == 0
    printed = capsys.readouterr().out
    assert "EAST, 2024-07-15T00 to 2024-07-15T01 UTC, 1 hour" in printed
    answer = posterior_of(run[0] / "a.zarr", "EAST", (DAY[0], DAY[0] + np.timedelta64(1, "h")))
    rows = [[c.strip() for c in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows] == ["anthropogenic", "biosphere", "net"]
    assert float(rows[2][2].split("±")[1]) * (1e3 if "kt" in printed else 1) == pytest.approx(answer.net[1], rel=1e-2)


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        ({}, ConfigError, "one area must be asked for; got 'none'"),
        ({"region": "EAST", "box": "118,119,28,29"}, ConfigError, "got '--region and --box'"),
        ({"region": "MARS"}, InputError, "one of the run's; got 'MARS'. Remedy: known: WEST, EAST, ALL"),
        ({"box": "119,118,28,29"}, ConfigError, "--box: a box must be .* got '119,118,28,29'"),
        ({"box": "118,119,28"}, ConfigError, "--box: a box must be"),
        ({"box": "118,119,28,nan"}, ConfigError, "--box: a box must be"),
        ({"box": "10,11,50,51"}, GridError, "must reach into the grid.*the grid spans lon 118.00"),
        ({"region": "EAST", "start": "2024-07-15T00"}, ConfigError, "--from: a time must have a zone"),
        ({"region": "EAST", "end": "tomorrow"}, ConfigError, "--to: a time must be ISO"),
        ({"region": "EAST", "end": "2024-07-17T00Z"}, InputError, "whole hours of the window.*to 2024-07-17"),
        ({"region": "EAST", "start": "2023-07-15T00Z"}, InputError, "the window is 2024-07-14T18 to 2024-07-16T00"),
        ({"region": "EAST", "start": "2024-07-15T00:30Z"}, InputError, "whole hours of the window"),
        ({"region": "EAST", "start": "2024-07-15T05Z", "end": "2024-07-15T05Z"}, InputError, "its end after its"),
    ],
)
def test_a_bad_question_is_refused_with_rule_value_and_remedy(run, words, kind, text):
    with pytest.raises(kind, match=text) as refused:
        ask(run[0] / "a.zarr", **words)
    assert refused.value.rule
    assert refused.value.remedy


def test_a_bad_polygon_is_refused_with_its_place(run, tmp_path):
    store = run[0] / "a.zarr"
    line = {"type": "LineString", "coordinates": [[118, 28], [119, 29]]}
    flat = {"type": "Polygon", "coordinates": [[[118.0, 28.0], [119.0, 29.0], [118.0, 28.0], [118.0, 28.0]]]}
    for name, shapes, text in (
        ("none", (), "the file must hold a polygon"),
        ("line", (line,), r"line.geojson:1: every feature must be a polygon; got 'LineString'"),
        ("empty", ({"type": "Polygon", "coordinates": []},), "must have an area|must be a polygon"),
        ("flat", (flat,), "must have an area"),
        ("flats", (flat, flat), "must have an area"),
        ("far", (square(10, 11, 50, 51),), "must reach into the grid"),
        ("swapped", (square(28, 29, 118, 119),), "swapped"),
    ):
        with pytest.raises(TianyanError, match=text):
            ask(store, polygon=geojson(tmp_path / f"{name}.geojson", *shapes))
    with pytest.raises(InputError, match="must exist"):
        ask(store, polygon=tmp_path / "absent.geojson")
    (tmp_path / "text.geojson").write_text("no polygons here")
    with pytest.raises(InputError, match="must be GeoJSON"):
        ask(store, polygon=tmp_path / "text.geojson")


@pytest.mark.parametrize(
    ("area", "got"),
    [
        (shapely.Polygon(), "an empty Polygon"),
        (shapely.MultiPolygon(), "an empty MultiPolygon"),
        (shapely.Point(118.5, 28.5), "Point"),
    ],
)
def test_an_area_without_area_is_refused(run, area, got):
    with pytest.raises(InputError, match=f"area: an area that is asked for must have an area; got '{got}'"):
        posterior_of(run[0] / "a.zarr", area)


def test_a_store_that_kept_nothing_and_no_store_at_all_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"must have kept its solution.*outputs\.query = true"):
        posterior_of(run[0] / "nothing-kept.zarr", "EAST")
    with pytest.raises(InputError, match="there must be a store"):
        posterior_of(tmp_path / "none.zarr", "EAST")
