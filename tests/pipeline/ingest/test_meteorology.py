"""The weather's front door: one answer for every format, named gaps, and a key that knows a changed file."""

import os

import arl_cases
import era5_cases
import numpy as np
import pytest
import wrf_cases

from pipeline.errors import CoordinateError, FormatError, InputError, TimeError
from pipeline.ingest import arl_meteorology, meteorology, read_meteorology, source_keys
from pipeline.settings import MeteorologySettings

HOUR = np.timedelta64(1, "h")


def wrf_file(path, hours, **changes):
    return wrf_cases.write(path, hours=hours, **changes)


def era5_file(path, hours, **changes):
    return era5_cases.write_cds(path, hours=hours, **changes)


def arl_file(path, hours, **changes):
    return arl_cases.write(path, arl_cases.weather(**changes), hours=hours)


CASES = {
    "wrf": (wrf_file, wrf_cases.START),
    "era5": (era5_file, era5_cases.START),
    "arl": (arl_file, np.datetime64("2024-06-01T00", "ns")),
}
EVERY = pytest.mark.parametrize("kind", CASES)


def case(kind, folder, groups, **settings):
    """Write one file for each group of hours and return the settings, root and first time."""
    make, start = CASES[kind]
    for number, hours in enumerate(groups):
        # names in the reverse order of time
        make(folder / f"{len(groups) - number}.dat", hours)
    return MeteorologySettings(format=kind, files=["*.dat"], **settings), folder, start


@EVERY
def test_both_ends_are_read_whatever_the_order_of_the_files(tmp_path, kind):
    settings, root, start = case(kind, tmp_path, [(0, 1), (2,), (3, 4)])
    np.testing.assert_array_equal(list(source_keys(settings, root)), start + np.arange(5) * HOUR)
    got = read_meteorology(settings, root, start + HOUR, start + 3 * HOUR)
    np.testing.assert_array_equal(got["time"], start + np.arange(1, 4) * HOUR)
    alone = read_meteorology(settings, root, start + 2 * HOUR, start + 2 * HOUR)
    for name in got.data_vars:
        assert alone[name].dims == got[name].dims
        assert alone[name].attrs == got[name].attrs
        same = got[name].isel(time=slice(1, 2)) if "time" in got[name].dims else got[name]
        np.testing.assert_array_equal(alone[name], same)
    assert set(alone.coords) == set(got.coords)


@EVERY
def test_gaps_and_missing_ends_are_named(tmp_path, kind):
    settings, root, start = case(kind, tmp_path, [(0, 1), (4, 5)])
    first = str(start.astype("M8[D]"))
    with pytest.raises(TimeError, match=rf"every time must be present; .*missing {first}T02:00, {first}T03:00'"):
        read_meteorology(settings, root, start, start + 5 * HOUR)
    with pytest.raises(TimeError, match=rf"hold {first}T00:00 to {first}T05:00; got 'missing {first}T07:00'"):
        read_meteorology(settings, root, start, start + 7 * HOUR)
    assert start + 3 * HOUR not in source_keys(settings, root)
    with pytest.raises(TimeError, match="the first time must not be after the last"):
        read_meteorology(settings, root, start + HOUR, start)


@EVERY
def test_even_steps_longer_than_an_hour_are_kept(tmp_path, kind):
    settings, root, start = case(kind, tmp_path, [(0, 3), (6, 9)])
    got = read_meteorology(settings, root, start + 3 * HOUR, start + 9 * HOUR)
    np.testing.assert_array_equal(got["time"], start + np.array([3, 6, 9]) * HOUR)
    with pytest.raises(TimeError, match="T04:00'"):
        read_meteorology(settings, root, start, start + 4 * HOUR)


def test_uneven_steps_are_refused(tmp_path):
    settings, root, start = case("arl", tmp_path, [(0, 2), (4,), (7, 9)])
    with pytest.raises(TimeError, match=r"missing 2024-06-01T06:00, 2024-06-01T08:00'"):
        read_meteorology(settings, root, start, start + 9 * HOUR)
    settings, root, start = case("arl", tmp_path, [(0, 2), (4, 6), (7, 10)])
    with pytest.raises(TimeError, match="missing 2024-06-01T01:00, 2024-06-01T03:00, 2024-06-01T05:00"):
        read_meteorology(settings, root, start, start + 10 * HOUR)


@EVERY
def test_the_key_changes_with_the_files_of_its_hour_and_the_settings_alone(tmp_path, kind):
    settings, root, start = case(kind, tmp_path, [(0, 1), (2, 3)])
    keys = [source_keys(settings, root)[start + hour * HOUR] for hour in range(4)]
    assert len(set(keys)) == 4
    assert keys == [source_keys(settings, root)[start + hour * HOUR] for hour in range(4)]
    later = root / "1.dat"
    os.utime(later, ns=(0, later.stat().st_mtime_ns + 1))
    again = [source_keys(settings, root)[start + hour * HOUR] for hour in range(4)]
    assert again[:2] == keys[:2]
    assert again[2] != keys[2]
    for change in ({"roughness": 0.5}, {"boundary_layer": "richardson"}):
        assert source_keys(settings.model_copy(update=change), root)[start] != keys[0]


def test_no_field_is_decoded_for_times_and_keys(tmp_path, monkeypatch):
    settings, root, start = case("arl", tmp_path, [(0, 1), (2,)])
    monkeypatch.setattr(arl_meteorology, "read_field", None)
    assert len(source_keys(settings, root)) == 3
    assert len(source_keys(settings, root)[start]) == 64


def test_an_archive_is_read_by_record(tmp_path, monkeypatch):
    settings, root, start = case("arl", tmp_path, [range(6)])
    read, held = [], arl_meteorology.read_field

    def counted(stream, period, number, name):
        read.append(period.time)
        return held(stream, period, number, name)

    monkeypatch.setattr(arl_meteorology, "read_field", counted)
    read_meteorology(settings, root, start + HOUR, start + 2 * HOUR)
    # 6 fields at the surface, 6 on each of 3 levels
    assert {str(time.astype("M8[h]"))[-2:]: read.count(time) for time in set(read)} == {"01": 24, "02": 24}


@EVERY
def test_roughness_and_boundary_layer_follow_the_settings(tmp_path, kind):
    make, start = CASES[kind]
    rough, layer = {"wrf": ("ZNT", "PBLH"), "era5": ("fsr", "blh"), "arl": ("RGHS", "PBLH")}[kind]
    gone = {rough: None, layer: None} if kind == "arl" else {"drop": [rough, layer]}
    make(tmp_path / "a.dat", (0,), **gone)
    bare = MeteorologySettings(format=kind, files=["a.dat"])
    with pytest.raises(FormatError, match=rf"{layer}|{rough}"):
        read_meteorology(bare, tmp_path, start, start)
    rough_only = bare.model_copy(update={"roughness": 0.3})
    with pytest.raises(FormatError, match=rf"{layer}.*(richardson|Richardson)"):
        read_meteorology(rough_only, tmp_path, start, start)
    full = rough_only.model_copy(update={"boundary_layer": "richardson"})
    got = read_meteorology(full, tmp_path, start, start)
    np.testing.assert_allclose(got["roughness"], 0.3)
    assert np.all((got["boundary_layer_height"] > 20) & (got["boundary_layer_height"] < 3000))


@pytest.mark.parametrize("kind", ["wrf", "era5"])
def test_missing_winds_name_file_time_and_field(tmp_path, kind):
    if kind == "wrf":
        wind = wrf_cases.fields()["U"]
        wind[2, 1, :3] = np.nan
        bad, told = {"U": wind}, "U: values must be finite; got '3 missing, first at level 2'"
    else:
        bad, told = {"change": {"u": era5_cases.holed}}, "u: values must be finite; got '1 of 150 missing'"
    make, start = CASES[kind]
    make(tmp_path / "a.nc", (0,))
    make(tmp_path / "b.nc", (1,), **bad)
    settings = MeteorologySettings(format=kind, files=["*.nc"])
    with pytest.raises(FormatError, match=rf"b\.nc at {start.astype('M8[D]')!s}T01(:00)?:{told}"):
        read_meteorology(settings, tmp_path, start, start + HOUR)
    # the hour before it can still be had
    assert read_meteorology(settings, tmp_path, start, start).sizes["time"] == 1


def test_a_truncated_record_is_named_when_the_archive_is_listed(tmp_path):
    settings, root, _ = case("arl", tmp_path, [(0, 1), (2, 3)])
    short = root / "1.dat"
    short.write_bytes(short.read_bytes()[:-700])
    with pytest.raises(FormatError, match=r"1\.dat:record \d+: the file must hold the \d+ bytes .*truncated"):
        source_keys(settings, root)


def test_archives_that_differ_or_overlap_are_refused(tmp_path):
    settings, root, start = case("arl", tmp_path, [(0, 1)])
    arl_file(root / "2.dat", (1, 2))
    with pytest.raises(
        TimeError, match=r"an ARL time must be in one file; got '2024-06-01T01:00 in 1\.dat and 2\.dat'"
    ):
        source_keys(settings, root)
    arl_file(root / "2.dat", (2, 3), SHGT=(31.0, 0.25))
    with pytest.raises(CoordinateError, match=r"2\.dat: the ground \(SHGT\) must be that of 1\.dat"):
        read_meteorology(settings, root, start, start + 3 * HOUR)
    grid = (*arl_cases.LAMBERT[:9], 46.0, *arl_cases.LAMBERT[10:])
    arl_cases.write(root / "2.dat", arl_cases.weather(), hours=(2,), grid=grid)
    with pytest.raises(CoordinateError, match=r"2\.dat: the file's y cells must be the domain's"):
        read_meteorology(settings, root, start, start + 2 * HOUR)


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"an input path must name a file; got '\*\.nc'"):
        source_keys(MeteorologySettings(format="wrf", files=["*.nc"]), tmp_path)
    wrf_file(tmp_path / "a.nc", ())
    with pytest.raises(TimeError, match=r"must hold at least one time; got \['a\.nc'\]"):
        source_keys(MeteorologySettings(format="wrf", files=["*.nc"]), tmp_path)


def test_a_file_named_by_two_patterns_counts_once(tmp_path):
    settings, root, start = case("arl", tmp_path, [(0, 1)])
    twice = settings.model_copy(update={"files": ["*.dat", "1.dat"]})
    assert meteorology.weather_hours(twice, root) == {start + n * HOUR: [root / "1.dat"] for n in range(2)}
