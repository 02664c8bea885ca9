"""From station files to observations: units, times, facts, flags, and an account that adds up."""

import random

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from station_files import feed, gcwerks, icos_atc, minutes, obspack, registry, wdcgg

from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, RegistryError, TimeError, UnitError
from pipeline.ingest.inspection import inspect, sniff
from pipeline.ingest.stations import read_station, read_stations
from pipeline.schema import Flag
from pipeline.settings import Settings
from pipeline.units import species

CO2 = species("co2")
HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(6) * np.timedelta64(3600, "s")
TABLE = {"time": "when", "value": "co2", "unit": "ppm"}


def smooth(count, seed=5):
    return np.round(420 + 3 * np.sin(np.arange(count) / 60) + np.random.default_rng(seed).normal(0, 0.1, count), 2)


def case(feeds, hours=("2024-07-01T00:00:00Z", "2024-07-02T00:00:00Z")):
    window = {"start": hours[0], "end": hours[1]}
    return Settings.model_validate(
        {
            "case": {
                "name": "a", "title": "a", "species": "co2", "flux_hours": window, "observation_hours": window,
            },
            "grid": {"crs": "EPSG:4326", "x": {"first": 119, "step": 1, "count": 3},
                     "y": {"first": 29, "step": 1, "count": 3}},
            "stations": feeds,
            "footprints": [{"format": "name", "files": ["f.nc"]}],
            "sectors": [{"name": "all", "sigma_fraction": 0.5, "length": 10, "hours": 5,
                         "sources": [{"file": "a.tif", "format": "geotiff", "unit": "kg m-2 s-1"}]}],
            "background": {"kind": "curtains", "file": "b.nc", "sigma": 1, "hours": 3},
            "outputs": {"store": "out.zarr"},
        }
    )  # fmt: skip


def station(kind, files, **changes):
    return {"id": "ABC", "format": kind, "files": files, "height": 50, "representation_error": 1.0} | changes


def table_file(path, labels, values):
    path.write_text("when,co2\n" + "".join(f"{t},{v}\n" for t, v in zip(labels, values, strict=True)))
    return path


def test_minutes_become_hours_with_the_facts_of_the_registry(tmp_path):
    values = smooth(120)
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 120), values)
    found, account = read_station(path, feed("gcwerks"), CO2, registry(tmp_path))
    np.testing.assert_array_equal(found["time"], HOURS[:2].astype("datetime64[ns]"))
    np.testing.assert_allclose(found["value"], values.reshape(2, 60).mean(axis=1))
    np.testing.assert_allclose(found["spread"], values.reshape(2, 60).std(axis=1, ddof=1))
    assert found["count"].values.tolist() == [60, 60]
    assert found["uncertainty"].values.tolist() == [0.1, 0.1]
    assert found["flag"].values.tolist() == [0, 0]
    first = found.isel(obs=0)
    facts = [first[name].item() for name in ("station", "platform", "lon", "lat", "height", "scale")]
    assert facts == ["ABC", "external", 119.75, 30.25, 50.0, "WMO CO2 X2019"]
    assert found["value"].attrs["units"] == "ppm"
    assert (account.rows, account.hours, account.hours_usable) == ({"used": 120}, 2, 2)


def test_a_third_of_an_hour_adds_the_error_of_sampling(tmp_path):
    values = smooth(20)
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 20), values)
    found, _ = read_station(path, feed("gcwerks"), CO2, registry(tmp_path))
    expected = np.sqrt(0.1**2 + (1 - 20 / 60) * values.std(ddof=1) ** 2 / 20)
    assert found["uncertainty"].item() == pytest.approx(expected)
    assert found["flag"].item() == Flag.INCOMPLETE


@pytest.mark.parametrize(("marks", "halves"), [("start", 0), ("centre", 1), ("end", 2)])
def test_beijing_labels_of_any_convention_give_the_same_hours(tmp_path, marks, halves):
    values = smooth(6)
    labels = pd.DatetimeIndex(HOURS) + pd.Timedelta(hours=8) + halves * pd.Timedelta(minutes=30)
    path = table_file(tmp_path / "a.csv", labels.strftime("%Y-%m-%d %H:%M"), values)
    declared = feed("table", table=TABLE, zone="Asia/Shanghai", hour_label=marks)
    found, _ = read_station(path, declared, CO2, registry(tmp_path))
    np.testing.assert_array_equal(found["time"], HOURS.astype("datetime64[ns]"))
    np.testing.assert_allclose(found["value"], values)


def test_the_registry_says_zone_and_label_where_nothing_else_does(tmp_path):
    labels = (pd.DatetimeIndex(HOURS) + pd.Timedelta(hours=9)).strftime("%Y-%m-%d %H:%M")
    path = table_file(tmp_path / "a.csv", labels, smooth(6))
    found, _ = read_station(
        path, feed("table", table=TABLE), CO2, registry(tmp_path, zone="Asia/Shanghai", hour_label="end")
    )
    np.testing.assert_array_equal(found["time"], HOURS.astype("datetime64[ns]"))
    with pytest.raises(RegistryError, match=r"zone of the feed must be known"):
        read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path, zone=""))


def test_settings_may_not_contradict_what_a_file_states(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, smooth(6) * 1e-6)
    with pytest.raises(TimeError, match=r"zone in the settings must be what the file states, UTC; got 'Asia/Shanghai'"):
        read_station(path, feed("obspack", zone="Asia/Shanghai"), CO2, registry(tmp_path))
    with pytest.raises(TimeError, match=r"hour_label in the settings must be what the file states, start; got 'end'"):
        read_station(path, feed("obspack", hour_label="end"), CO2, registry(tmp_path))


def test_hours_labelled_off_the_hour_are_refused(tmp_path):
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), smooth(6))
    with pytest.raises(TimeError, match="hourly means must start on whole hours of UTC; got '2024-06-30T23:30"):
        read_station(path, feed("table", table=TABLE, hour_label="centre"), CO2, registry(tmp_path))


def test_the_same_air_in_every_format_is_the_same_dataset(tmp_path):
    values = smooth(6)
    facts = registry(tmp_path)
    atc = icos_atc(tmp_path / "a.CO2", [(t.item(), v, "O", 115) for t, v in zip(HOURS, values, strict=True)])
    pack = obspack(tmp_path / "a.nc", HOURS, values * 1e-6)
    text = gcwerks(tmp_path / "abc.hourly.dat", minutes("2024-07-01T00:30:45", 6, 60), values)
    plain = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), values)
    portal = tmp_path / "p.csv"
    portal.write_text("TIMESTAMP,co2\n" + "".join(f"{t}Z,{v}\n" for t, v in zip(HOURS, values, strict=True)))
    found = [
        read_station(path, feed(kind, **more), CO2, facts)[0]
        for kind, path, more in (
            ("icos-atc", atc, {}), ("obspack", pack, {}), ("gcwerks", text, {}), ("table", plain, {"table": TABLE}),
            ("icos-csv", portal, {}),
        )
    ]  # fmt: skip
    for other in found[1:]:
        for name in ("time", "value", "uncertainty", "flag", "station", "lon", "scale"):
            xr.testing.assert_allclose(found[0][name], other[name])
    assert found[0]["count"].values.tolist() == [49] * 6


@pytest.mark.parametrize("fill", ["-999.99", "-9999", "0.0", "nan", "", "1e36", "inf", "-inf", "-999"])
def test_fills_are_missing_and_counted(tmp_path, fill):
    values = [str(v) for v in smooth(6)]
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), [*values[:2], fill, *values[3:]])
    found, account = read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path))
    assert account.rows == {"used": 5, "missing value": 1}
    assert HOURS[2] not in found["time"].values
    assert np.isfinite(found["value"]).all()


def test_a_file_of_fills_only_gives_no_hours(tmp_path):
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), ["-999.99"] * 6)
    found, account = read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path))
    assert found.sizes["obs"] == 0
    assert account.rows == {"missing value": 6}


def test_a_repeated_row_counts_once_and_a_contradicted_one_not_at_all(tmp_path):
    labels = np.datetime_as_string(HOURS[[0, 1, 1, 2, 3, 3, 4]])
    path = table_file(tmp_path / "a.csv", labels, [420, 421, 421, 422, 423, 424, 425])
    found, account = read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path))
    assert account.rows == {"used": 4, "duplicate time, other value": 2, "duplicate time, same value": 1}
    assert found["flag"].values.tolist() == [0, 0, 0, Flag.DUPLICATE | Flag.MISSING, 0]
    assert np.isnan(found["value"].values[3])
    assert account.flags == {"missing": 1, "duplicate": 1}
    assert account.hours_usable == 4


def test_rows_in_any_order_give_the_same_dataset(tmp_path):
    rows = list(zip(minutes("2024-07-01T00:00:30", 180), smooth(180), strict=True))
    path = gcwerks(tmp_path / "abc.1minute.dat", *zip(*rows, strict=True))
    expected, plain = read_station(path, feed("gcwerks"), CO2, registry(tmp_path))
    random.Random(1).shuffle(rows)
    path = gcwerks(tmp_path / "abc.1minute.dat", *zip(*rows, strict=True))
    found, account = read_station(path, feed("gcwerks"), CO2, registry(tmp_path))
    xr.testing.assert_identical(found, expected)
    assert account.rows == plain.rows
    assert plain.notes == ()
    assert "labels out of order, sorted" in account.notes[0]


def test_files_in_any_order_and_twice_over_give_the_same_dataset(tmp_path):
    facts = registry(tmp_path)
    values = smooth(300)
    times = minutes("2024-07-01T00:00:30", 300)
    gcwerks(tmp_path / "one.1minute.dat", times[:130], values[:130])
    gcwerks(tmp_path / "two.1minute.dat", times[130:], values[130:])
    gcwerks(tmp_path / "two.1minute.again.dat", times[130:], values[130:])
    gcwerks(tmp_path / "all.dat", times, values)
    whole, _, _ = read_stations(case([station("gcwerks", ["all.dat"])]), tmp_path, facts)
    one, told, _ = read_stations(case([station("gcwerks", ["one*", "two*"])]), tmp_path, facts)
    other, again, _ = read_stations(case([station("gcwerks", ["two*", "two*", "one*"])]), tmp_path, facts)
    xr.testing.assert_identical(one, other)
    xr.testing.assert_identical(one, whole)
    assert told == again
    assert [account.rows for account in told] == [
        {"used": 130}, {"used": 170}, {"duplicate time, same value": 170},
    ]  # fmt: skip
    # each hour is told once, by the file of its first sample
    assert [account.hours for account in told] == [3, 2, 0]


def test_a_pattern_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"an input path must name a file; got 'none\*'"):
        read_stations(case([station("gcwerks", ["none*"])]), tmp_path, registry(tmp_path))


def test_rows_outside_the_hours_asked_for_are_counted_and_change_nothing(tmp_path):
    facts = registry(tmp_path)
    gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 1440), smooth(1440))
    whole, _, _ = read_stations(case([station("gcwerks", ["abc*"])]), tmp_path, facts)
    hours = ("2024-07-01T03:00:00Z", "2024-07-01T07:00:00Z")
    part, (account,), _ = read_stations(case([station("gcwerks", ["abc*"])], hours), tmp_path, facts)
    xr.testing.assert_identical(part, whole.isel(obs=slice(3, 7)))
    assert account.rows["outside the hours asked for"] == 1440 - 240
    assert sum(account.rows.values()) == account.rows_read == 1440


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC"])
def test_local_hours_are_those_of_the_longitude_whatever_the_labels_zone(tmp_path, zone):
    facts = registry(tmp_path, zone=zone)
    obspack(tmp_path / "a.nc", HOURS, smooth(6) * 1e-6)
    settings = case([station("obspack", ["a.nc"], local_hours=[9, 12])])
    found, _, _ = read_stations(settings, tmp_path, facts)
    flagged = (found["flag"].values & np.uint32(Flag.NOT_SELECTED_HOUR)) != 0
    # 00 UTC is 08 at 120 E
    assert flagged.tolist() == [True, False, False, False, True, True]


def test_two_stations_are_sorted_by_time_then_station_then_height(tmp_path):
    facts = registry(tmp_path, rows=[{"id": "ABC"}, {"id": "AAA", "station_class": "city", "lon": "119.9"}])
    for name in ("b10", "b50", "a50"):
        table_file(tmp_path / f"{name}.csv", np.datetime_as_string(HOURS), smooth(6))
    feeds = [
        station("table", ["b50.csv"], table=TABLE),
        station("table", ["b10.csv"], table=TABLE, height=10),
        station("table", ["a50.csv"], table=TABLE, id="AAA"),
    ]
    found, accounts, _ = read_stations(case(feeds), tmp_path, facts)
    assert found["station"].values[:3].tolist() == ["AAA", "ABC", "ABC"]
    assert found["height"].values[:3].tolist() == [50, 10, 50]
    assert found["platform"].values[:2].tolist() == ["city", "external"]
    assert (np.diff(found["time"].values.reshape(6, 3), axis=1) == np.timedelta64(0)).all()
    assert [account.source for account in accounts] == ["b50.csv", "b10.csv", "a50.csv"]


def test_a_spike_leaves_the_mean_of_a_regional_station_only(tmp_path):
    values = smooth(1440)
    values[600:603] += 30
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 1440), values)
    country, told = read_station(path, feed("gcwerks"), CO2, registry(tmp_path, station_class="regional"))
    city, kept = read_station(path, feed("gcwerks"), CO2, registry(tmp_path, station_class="city"))
    assert told.rows["spike"] >= 3
    assert kept.rows["used, flagged spike"] == told.rows["spike"]
    assert country["value"].values[10] < 424
    assert city["value"].values[10] == pytest.approx(values[600:660].mean())
    assert city["flag"].values[10] == Flag.SPIKE
    assert country["count"].values[10] == 60 - told.rows["spike"]


def test_a_provider_s_selection_is_kept_but_not_used(tmp_path):
    path = obspack(
        tmp_path / "a.nc", HOURS, smooth(6), unit="ppm", noaa=True, flags=["...", ".X.", "B..", *["..P"] * 3]
    )
    found, account = read_station(path, feed("obspack"), CO2, registry(tmp_path))
    assert account.rows == {"used": 4, "flag B..": 1, "used, flagged not selected weather": 1}
    assert found["flag"].values.tolist() == [0, Flag.NOT_SELECTED_WEATHER, 0, 0, 0]
    assert account.hours_usable == 4


def test_the_scale_a_file_states_is_taken_and_another_than_the_registry_s_is_told(tmp_path):
    facts = registry(tmp_path)
    path = obspack(tmp_path / "a.nc", HOURS, smooth(6) * 1e-6, dataset_calibration_scale="WMO CO2 X2007")
    found, account = read_station(path, feed("obspack"), CO2, facts)
    assert set(found["scale"].values) == {"WMO CO2 X2007"}
    assert "the file states WMO CO2 X2007, the station table WMO CO2 X2019: the file's is taken" in account.notes


def test_a_missing_scale_is_refused(tmp_path):
    facts = registry(tmp_path, scale="co2:unknown;ch4:unknown")
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), smooth(6))
    with pytest.raises(RegistryError, match=r"a.csv: the calibration scale must be known.*got 'no scale of co2'.*ABC"):
        read_station(path, feed("table", table=TABLE), CO2, facts)


def test_a_missing_uncertainty_is_refused_unless_the_file_states_one(tmp_path):
    facts = registry(tmp_path, uncertainty="ch4:1")
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), smooth(6))
    with pytest.raises(RegistryError, match="the uncertainty of a species must be known"):
        read_station(path, feed("table", table=TABLE), CO2, facts)
    rows = zip(np.datetime_as_string(HOURS), smooth(6), strict=True)
    path.write_text("when,co2,u\n" + "".join(f"{time},{value},0.3\n" for time, value in rows))
    found, _ = read_station(path, feed("table", table=TABLE | {"uncertainty": "u"}), CO2, facts)
    assert found["uncertainty"].values.tolist() == [0.3] * 6


@pytest.mark.parametrize(
    ("unit", "rule"), [("mg m-3", "must be a dry-air mole fraction; got 'mg m-3'"), ("", "got ''")]
)
def test_a_unit_that_is_no_mole_fraction_is_refused(tmp_path, unit, rule):
    path = obspack(tmp_path / "a.nc", HOURS, smooth(6), unit=unit)
    with pytest.raises(UnitError, match=rule):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


@pytest.mark.parametrize(("factor", "got"), [(1e-6, "0.000"), (1e3, "42")])
def test_numbers_that_contradict_the_unit_are_refused(tmp_path, factor, got):
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), smooth(6) * factor)
    with pytest.raises(UnitError, match=rf"near air, 370 to 1000; got {got}.*declare the right one"):
        read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path))


def test_swapped_coordinates_are_recognised(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, smooth(6) * 1e-6, where=(30.25, 119.75))
    with pytest.raises(CoordinateError, match=r"longitude and latitude look swapped; got 'lon 30.25, lat 119.75"):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


def test_a_file_of_another_place_is_refused(tmp_path):
    rows = [(t.item(), 420.0 + i, "O", 115) for i, t in enumerate(HOURS)]
    path = icos_atc(tmp_path / "a.CO2", rows, where=("30.255", "119.75"))
    with pytest.raises(CoordinateError, match=r"within 500 m of the registry; got 'lon 119.75, lat 30.255; registry"):
        read_station(path, feed("icos-atc"), CO2, registry(tmp_path))
    near = icos_atc(tmp_path / "b.CO2", rows, where=("30.254", "119.75"))
    assert read_station(near, feed("icos-atc"), CO2, registry(tmp_path))[1].rows == {"used": 6}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"id": "ABD"}, r"the station must be in the table; got 'ABD'.*use ABC"),
        ({"height": 30}, r"height must be one of the station's inlets; got '30 m, not in \[10.0, 50.0\]'"),
    ],
)
def test_a_feed_the_registry_does_not_know_is_refused(tmp_path, changes, rule):
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(HOURS), smooth(6))
    declared = feed("table", table=TABLE, zone="UTC", hour_label="start", **changes)
    with pytest.raises(RegistryError, match=rule):
        read_station(path, declared, CO2, registry(tmp_path))


def test_a_file_of_another_station_is_refused(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, smooth(6) * 1e-6, site_code="XYZ")
    with pytest.raises(RegistryError, match=r"all 6 are of another; got 'other station XYZ'"):
        read_station(path, feed("obspack"), CO2, registry(tmp_path))


def test_each_hour_has_the_facts_of_its_own_period(tmp_path):
    rows = [
        {"valid_to": "2024-07-01", "scale": "co2:WMO CO2 X2007;ch4:WMO CH4 X2004A"},
        {"valid_from": "2024-07-01", "valid_to": "2024-07-02"},
    ]
    times = np.datetime64("2024-06-30T21", "s") + np.arange(30) * np.timedelta64(3600, "s")
    path = table_file(tmp_path / "a.csv", np.datetime_as_string(times), smooth(30))
    found, account = read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path, rows=rows))
    assert found["scale"].values.tolist() == ["WMO CO2 X2007"] * 3 + ["WMO CO2 X2019"] * 24
    assert account.rows == {"used": 27, "outside the station's periods in the registry": 3}


def test_labels_nearer_than_the_declared_interval_are_refused(tmp_path):
    labels = [f"{t:%Y-%m-%dT%H:%M}" for t in minutes("2024-07-01", 30)]
    path = table_file(tmp_path / "a.csv", labels, smooth(30))
    with pytest.raises(TimeError, match=r"not be nearer than the averaging interval, 3600 seconds; got '60 s'"):
        read_station(path, feed("table", table=TABLE), CO2, registry(tmp_path))
    found, _ = read_station(path, feed("table", table=TABLE | {"minutes": 1}), CO2, registry(tmp_path))
    assert found["count"].item() == 30


def test_monthly_means_are_no_hourly_observations(tmp_path):
    path = wdcgg(tmp_path / "w.dat", [(2024, m, 420.0 + m) for m in range(1, 7)])
    found, account = read_station(path, feed("wdcgg"), CO2, registry(tmp_path))
    assert found.sizes["obs"] == 0
    assert account.rows == {"monthly mean": 6}


def test_a_file_can_be_looked_at_without_settings(tmp_path):
    facts = registry(tmp_path, inlets="50")
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes("2024-07-01T00:00:30", 60), smooth(60))
    assert inspect(path, CO2, facts, station="ABC")[1].rows == {"used": 60}
    with pytest.raises(ConfigError, match=r"id: String should match pattern.*got '../etc'"):
        inspect(path, CO2, facts, station="../etc", height=50)
    with pytest.raises(
        RegistryError, match=r"height must be given where a station has not one inlet; got \['10', '50'\]"
    ):
        inspect(path, CO2, registry(tmp_path), station="ABC")


def test_formats_are_recognised_by_their_first_lines(tmp_path):
    assert sniff(gcwerks(tmp_path / "a", minutes("2024-07-01", 2), [420, 421])) == "gcwerks"
    assert sniff(icos_atc(tmp_path / "b", [(HOURS[0].item(), 420, "O", 115)])) == "icos-atc"
    assert sniff(obspack(tmp_path / "c", HOURS, smooth(6))) == "obspack"
    assert sniff(wdcgg(tmp_path / "d", [(2024, 1, 420.0)])) == "wdcgg"
    (tmp_path / "e").write_text("DateTime,#Site,SamplingHeight,InstrumentId,co2\n")
    assert sniff(tmp_path / "e") == "icos-csv"
    with pytest.raises(FormatError, match=r"recognised by its first lines; got 'when,co2'.*a table needs a settings"):
        sniff(table_file(tmp_path / "f", ["2024"], [420]))
