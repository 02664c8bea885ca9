"""What was derived once is as if derived now: the same numbers, and another as soon as anything it follows from is."""

import os
import sys
import time

import numpy as np
import pytest
import xarray as xr
from column_files import column_case, write_columns
from station_files import gcwerks, minutes, registry

from pipeline.derived import Derived, digest_of
from pipeline.errors import InputError
from pipeline.grid import Grid, lambert_grid, make_regions, zhejiang_regions
from pipeline.grid.overlap import kept_overlap, overlap
from pipeline.ingest import Contents, contents, rows, sandbox, sources_of
from pipeline.ingest.columns import read_columns
from pipeline.ingest.stations import read_stations
from pipeline.settings import RegionSettings, Settings


def refused(*_args, **_more):
    raise AssertionError("it was made again")


def test_a_thing_is_made_once_and_comes_back_to_the_bit(tmp_path):
    derived = Derived(tmp_path / "kept")
    made = {"a": np.array([0.1, np.nan]), "b": np.array(["x", "yy"]), "c": np.array(np.timedelta64(5, "m"))}
    derived.of("thing", "key", lambda: made)
    found = derived.of("thing", "key", refused)
    assert set(found) == set(made)
    for name, array in made.items():
        assert (found[name].dtype, found[name].tobytes()) == (array.dtype, array.tobytes())
    assert derived.of("thing", "other", lambda: {"a": np.zeros(1)})["a"].tolist() == [0.0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "pickled"])
def test_a_damaged_thing_is_made_again(tmp_path, damage):
    derived = Derived(tmp_path)
    derived.of("thing", "key", lambda: {"a": np.arange(1000.0)})
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-300])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        np.savez(path, a=np.array([object()]))
    found = derived.of("thing", "key", lambda: {"a": np.arange(1000.0) + 1})
    assert found["a"][0] == 1.0
    assert derived.of("thing", "key", refused)["a"][0] == 1.0


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert Derived(tmp_path / "file").of("thing", "key", lambda: {"a": np.ones(2)})["a"].sum() == 2.0


def test_what_was_not_used_for_days_is_removed_and_what_is_used_stays(tmp_path):
    derived = Derived(tmp_path)
    for key in ("old", "used"):
        derived.of("thing", key, lambda: {"a": np.ones(2)})
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - 30 * 86400,) * 2)
    derived.of("thing", "used", refused)
    assert derived.prune(20.0) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thing-used.npz"]


def test_digests_know_where_a_part_ends():
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of(np.zeros(2)) != digest_of(np.zeros((1, 2))) != digest_of(np.zeros(2, np.float32))


def case(**changes):
    window = {"start": "2024-07-01T00:00:00Z", "end": "2024-07-02T00:00:00Z"}
    feed = {"id": "ABC", "format": "gcwerks", "files": ["*.dat"], "height": 50, "representation_error": 1.0}
    return Settings.model_validate(
        {
            "case": {
                "name": "a", "title": "a", "species": "co2", "flux_hours": window, "observation_hours": window,
            },
            "grid": {"crs": "EPSG:4326", "x": {"first": 119, "step": 1, "count": 3},
                     "y": {"first": 29, "step": 1, "count": 3}},
            "stations": [feed | changes],
            "footprints": [{"format": "name", "files": ["f.nc"]}],
            "sectors": [{"name": "all", "sigma_fraction": 0.5, "length": 10, "hours": 5,
                         "sources": [{"file": "a.tif", "format": "geotiff", "unit": "kg m-2 s-1"}]}],
            "background": {"kind": "curtains", "file": "b.nc", "sigma": 1, "hours": 3},
            "outputs": {"store": "out.zarr"},
        }
    )  # fmt: skip


def days(folder, seed=1):
    value = 420 + np.random.default_rng(seed).normal(0, 0.3, 180)
    gcwerks(folder / "abc.1minute.1.dat", minutes("2024-07-01T00:00:30", 120), np.round(value[:120], 2))
    # the second begins within the first: one row stands twice
    gcwerks(folder / "abc.1minute.2.dat", minutes("2024-07-01T01:59:30", 60), np.round(value[119:179], 2))
    return registry(folder)


def test_observations_are_the_same_whether_files_are_read_or_were(tmp_path, monkeypatch):
    table = days(tmp_path)
    plain = read_stations(case(), tmp_path, table)
    first = read_stations(case(), tmp_path, table, cache=tmp_path / "kept")
    monkeypatch.setitem(rows.READERS, "gcwerks", refused)
    again = read_stations(case(), tmp_path, table, cache=tmp_path / "kept")
    for found in (first, again):
        xr.testing.assert_identical(found[0], plain[0])
        assert found[1:] == plain[1:]


def test_what_a_file_says_of_each_hour_is_the_same_whether_it_is_read_or_was(tmp_path, monkeypatch):
    """The digests tell whether an hour is made again: of one file they are the same in every process."""
    table, settings = days(tmp_path), case()
    monkeypatch.setattr(contents, "read_registry", lambda *_: table)
    (source,) = sources_of(settings)

    def said(cache):
        return Contents(settings, tmp_path, cache=cache).hours(tmp_path / "abc.1minute.1.dat", "a", source)

    plain = said(None)
    assert len(plain) == 2
    assert [said(tmp_path / "kept"), said(tmp_path / "kept")] == [plain, plain]


@pytest.mark.parametrize("what", ["content", "feed", "registry"])
def test_a_file_is_read_again_when_anything_its_rows_follow_from_changes(tmp_path, monkeypatch, what):
    table, settings = days(tmp_path), case()
    read_stations(settings, tmp_path, table, cache=tmp_path / "kept")
    if what == "content":
        days(tmp_path, seed=2)
    elif what == "feed":
        settings = case(representation_error=2.0)
    else:
        table = table.assign(comment="another")
    expected = read_stations(settings, tmp_path, table)[0]
    xr.testing.assert_identical(read_stations(settings, tmp_path, table, cache=tmp_path / "kept")[0], expected)
    monkeypatch.setitem(rows.READERS, "gcwerks", refused)
    read_stations(settings, tmp_path, table, cache=tmp_path / "kept")


def test_a_file_that_cannot_be_used_is_kept_nowhere(tmp_path):
    table = days(tmp_path)
    for path in tmp_path.glob("*.dat"):
        path.write_text("no header\n")
    for _ in range(2):
        _, accounts, _ = read_stations(case(), tmp_path, table, cache=tmp_path / "kept")
        assert all(one.refused is not None for one in accounts)
    assert not (tmp_path / "kept").exists()


def test_a_binary_file_is_parsed_once(tmp_path, monkeypatch):
    write_columns(tmp_path / "tropomi.nc", [0, 1, 3600], [148.63, 148.7, 148.5], [-23.68, -23.66, -23.4])
    plain = read_columns(column_case(), tmp_path)
    first = read_columns(column_case(), tmp_path, cache=tmp_path / "kept")
    sandbox.finish()
    monkeypatch.setattr(sandbox.Sandbox, "answer", refused)
    again = read_columns(column_case(), tmp_path, cache=tmp_path / "kept")
    sandbox.finish()
    for found in (first, again):
        for one, two in zip(found[:2], plain[:2], strict=True):
            xr.testing.assert_identical(one, two)
        assert found[2:] == plain[2:]


def test_shared_areas_and_regions_are_the_same_from_the_folder(tmp_path, monkeypatch):
    grid = lambert_grid(west=119, east=121, south=29, north=30, spacing=30000.0)
    source = Grid.from_centres("EPSG:4326", np.arange(118.0, 122.5, 0.5), np.arange(28.0, 31.5, 0.5))
    expected = overlap(source, grid)
    for _ in range(2):
        found = kept_overlap(source, grid, tmp_path)
        assert (found.area != expected.area).nnz == 0
        monkeypatch.setattr(sys.modules["pipeline.grid.overlap"], "overlap", refused)
    plain = zhejiang_regions(["city"], lambert_grid(west=118, east=123, south=27, north=31.5, spacing=30000.0))
    for _ in range(2):
        regions = make_regions(RegionSettings(zhejiang=["city"]), plain.grid, tmp_path, cache=tmp_path)
        assert (regions.fractions != plain.fractions).nnz == 0
        assert (regions.ids, regions.names, regions.levels) == (plain.ids, plain.names, plain.levels)
        assert regions.repaired == plain.repaired
        np.testing.assert_array_equal(regions.areas, plain.areas)
        np.testing.assert_array_equal(regions.outside_share, plain.outside_share)
        monkeypatch.setattr("pipeline.grid.build.zhejiang_regions", refused)


def test_a_fault_of_reading_is_raised_every_time(tmp_path):
    derived = Derived(tmp_path)

    def fails():
        raise InputError("a rule", got="1", remedy="mend it")

    for _ in range(2):
        with pytest.raises(InputError, match="a rule"):
            derived.of("thing", "key", fails)
    assert not any(tmp_path.iterdir())
