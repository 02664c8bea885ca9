"""Drives of a mobile laboratory: which readings are air of a known place, and the segments they make."""

from pathlib import Path

import numpy as np
import pytest
from column_files import column_case
from station_files import gcwerks, minutes, registry
from track_files import METRES, drive, laboratory, write

import station_meta
from pipeline.errors import ConfigError, FormatError, RegistryError, TimeError
from pipeline.ingest.drive import read_drive
from pipeline.ingest.exhaust import background_of
from pipeline.ingest.gps import at_inlet, jumps
from pipeline.ingest.mobile import read_mobile
from pipeline.ingest.receptors import all_receptors
from pipeline.ingest.segments import segment_numbers
from pipeline.schema import Flag, check, flag_names, instruments, is_used
from pipeline.settings import MobileSettings, validated
from pipeline.units import species

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "stations"
CO2, CH4 = species("co2"), species("ch4")
RULES = station_meta.load_rules()
VAN = {
    "id": "VAN", "station_class": "mobile", "inlets": "3", "uncertainty": "co2:0.5;ch4:5", "zone": "UTC",
    "hour_label": "start",
}  # fmt: skip


def read(folder, rows, gas=CO2, *, facts=(), window=None, **changes):
    feed = laboratory(**changes)
    path = write(folder / "a.csv", rows)
    return read_drive([path], feed, gas, registry(folder, **(VAN | dict(facts))), RULES, window=window)


def reasons(found):
    return found.samples.sort_values("time")["reason"].tolist()


def test_a_drive_becomes_segments_of_a_hundred_metres(tmp_path):
    columns = drive(95)
    found = read(tmp_path, columns)
    # ten metres a second: eleven samples from 0 to 100 m, the last four of 50 m
    assert found.segments["count"].tolist() == [11] * 8 + [7]
    assert found.segments["seconds"].tolist() == [11.0] * 8 + [7.0]
    first = found.segments.iloc[0]
    assert first["value"] == np.median(columns["co2"][:11])
    assert first["spread"] == pytest.approx(np.std(columns["co2"][:11], ddof=1))
    assert first["lat"] == pytest.approx(np.mean(columns["lat"][:11]))
    assert first["middle"] == np.datetime64("2024-07-01T10:00:05")
    assert found.accounts[0].rows == {"used": 95}
    assert found.accounts[0].hours == 9


def test_a_peak_of_one_second_does_not_move_a_segment(tmp_path):
    columns = drive(30)
    before = read(tmp_path, columns).segments["value"].tolist()
    columns["co2"][15] = 900.0
    assert read(tmp_path, columns).segments["value"].tolist() == pytest.approx(before, abs=0.3)


def test_a_segment_of_less_than_five_seconds_is_incomplete(tmp_path):
    columns = drive(15)
    for assimilate, also in ((False, ["held out"]), (True, [])):
        bits = read(tmp_path, columns, assimilate=assimilate).segments["bits"]
        assert [flag_names(int(bit)) for bit in bits] == [also, ["incomplete", *also]]


def test_a_standing_vehicle_makes_one_segment_in_five_minutes():
    time = np.datetime64("2024-07-01T10:00", "ns") + np.arange(900) * np.timedelta64(1, "s")
    wander = np.random.default_rng(2).normal(0, 5 / METRES, (2, 900))
    found = segment_numbers(time, 119.75 + wander[0], 30.25 + wander[1], metres=100, seconds=300, gap=5)
    assert np.bincount(found).tolist() == [301, 301, 298]


def test_segments_end_with_the_hour_and_with_a_gap():
    seconds = np.array([3590, 3595, 3599, 3600, 3604, 3620])
    time = np.datetime64("2024-07-01T10:00", "ns") + seconds * np.timedelta64(1, "s")
    place = np.full(6, 119.75), np.full(6, 30.25)
    assert segment_numbers(time, *place, metres=100, seconds=300, gap=5).tolist() == [0, 0, 0, 1, 1, 2]


def test_the_hours_asked_for_do_not_change_a_segment(tmp_path):
    columns = drive(400, start="2024-07-01T10:57:00")
    whole = read(tmp_path, columns).segments
    window = np.datetime64("2024-07-01T11", "ns"), np.datetime64("2024-07-01T12", "ns")
    found = read(tmp_path, columns, window=window)
    late = whole[whole["time"] >= window[0]]
    assert 0 < len(late) < len(whole)
    for name in ("time", "lon", "lat", "value", "enhancement", "count"):
        assert found.segments[name].tolist() == late[name].tolist()
    assert found.accounts[0].rows == {"outside the hours asked for": 180, "used": 220}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda c: c["fix"].__setitem__(3, "0"), "position of quality 0"),
        (lambda c: c["lon"].__setitem__(3, np.nan), "no position"),
        (lambda c: (c["lon"].__setitem__(3, 30.25), c["lat"].__setitem__(3, 119.75)),
         "longitude and latitude look swapped"),
        (lambda c: c["lat"].__setitem__(3, 35.0), "position outside the box"),
        (lambda c: c["lat"].__setitem__(3, 30.27), "position jumps"),
        (lambda c: c["co2"].__setitem__(3, np.nan), "missing value"),
        (lambda c: c["co2"].__setitem__(3, 0.0), "missing value"),
        (lambda c: c["co2"].__setitem__(3, 6000.0), "range fail"),
    ],
)  # fmt: skip
def test_one_bad_row_says_why_and_costs_no_other(tmp_path, spoil, reason):
    columns = drive(20)
    spoil(columns)
    assert reasons(read(tmp_path, columns)) == [*[""] * 3, reason, *[""] * 16]


def test_of_positions_that_contradict_each_other_the_longer_track_is_believed():
    time = np.datetime64("2024-07-01T10:00", "ns") + np.arange(60) * np.timedelta64(1, "s")
    lat = 30.25 + 10 * np.arange(60) / METRES
    for bad in (slice(0, 5), slice(20, 30), slice(55, 60), slice(7, 8)):
        moved = lat.copy()
        moved[bad] += 0.5
        expected = np.zeros(60, dtype=bool)
        expected[bad] = True
        np.testing.assert_array_equal(jumps(time, np.full(60, 119.75), moved, 44.0), expected)
        mirrored = time[0] + (time[-1] - time[::-1])
        backward = jumps(mirrored, np.full(60, 119.75), moved[::-1], 44.0)
        np.testing.assert_array_equal(backward[::-1], expected)


def test_a_vehicle_that_comes_back_after_a_tunnel_is_believed():
    time = np.datetime64("2024-07-01T10:00", "ns") + np.array([0, 1, 2, 120, 121]) * np.timedelta64(1, "s")
    lat = 30.25 + np.array([0, 20, 40, 2400, 2420]) / METRES
    assert not jumps(time, np.full(5, 119.75), lat, 44.0).any()


def test_a_position_that_stays_while_the_vehicle_moves_is_frozen(tmp_path):
    columns = drive(40)
    columns["lat"][10:30] = columns["lat"][10]
    found = read(tmp_path, columns)
    assert reasons(found) == [*[""] * 11, *["position frozen while moving"] * 19, *[""] * 10]
    # one that stands, and a receiver that tells a new position every eight seconds, are not
    stands = np.minimum(np.arange(40), 10) + np.maximum(np.arange(40) - 29, 0)
    slow = {"lat": 30.25 + 10 * stands / METRES, "speed": np.full(40, 2.0)}
    coarse = {"lat": 30.25 + 2.8 * (np.arange(40) // 8 * 8) / METRES, "speed": np.full(40, 10.1)}
    for changes in (slow, coarse):
        assert reasons(read(tmp_path, columns | changes)) == [""] * 40


def test_air_is_placed_where_it_came_in(tmp_path):
    columns = drive(30)
    columns["co2"] = 420.0 + np.arange(30)
    found = read(tmp_path, columns, lag=4).samples
    assert found["reason"].tolist() == [*["no position when the air came in"] * 4, *[""] * 26]
    used = found.iloc[4:]
    # the reading of second 4 is the air of second 0
    np.testing.assert_allclose(used["lat"], columns["lat"][:26])
    assert used["time"].iloc[0] == np.datetime64("2024-07-01T10:00:00")
    assert used["value"].iloc[0] == 424.0


def test_between_two_positions_the_air_came_in_on_the_line():
    time = np.datetime64("2024-07-01T10:00", "ns") + np.array([0, 2, 4, 30]) * np.timedelta64(1, "s")
    lon, lat = np.array([119.0, 119.2, 119.4, 119.6]), np.array([30.0, 30.0, 30.1, 30.2])
    nothing = np.array([""] * 4, dtype=object)
    east, north, why = at_inlet(time, lon, lat, nothing, lag=1.0, gap=5.0)
    assert why.tolist() == ["no position when the air came in", "", "", "no position when the air came in"]
    np.testing.assert_allclose(east[1:3], [119.1, 119.3])
    np.testing.assert_allclose(north[1:3], [30.0, 30.05])
    bad = np.array(["", "x", "", ""], dtype=object)
    assert at_inlet(time, lon, lat, bad, lag=1.0, gap=5.0)[2].tolist()[1:3] == ["x", "x"]
    assert at_inlet(time, lon, lat, bad, lag=0.0, gap=5.0)[2].tolist() == ["", "x", "", ""]


def test_a_slow_vehicle_with_the_wind_from_behind_breathes_its_own_exhaust(tmp_path):
    columns = drive(20)
    columns["speed"][:10] = 8.0
    columns["wind_from"][5:15] = 135.0
    own = "own exhaust: slow, with the wind from behind"
    assert reasons(read(tmp_path, columns)) == [*[""] * 5, *[own] * 5, *[""] * 10]
    blind = {"heading": None, "wind_from": None}
    found = read(tmp_path, columns, columns=blind)
    assert reasons(found) == [""] * 20
    assert "no heading and wind: exhaust from behind is not looked for" in found.accounts[0].notes


def test_co_and_co2_that_rise_together_are_own_exhaust(tmp_path):
    columns = drive(120)
    columns["co2"][50:55] += 200
    columns["co"][50:55] += 3000
    columns["co2"][70:75] += 200  # a chimney: no CO
    columns["co"][90:95] += 3000  # a field fire's smoke without the CO2 to match
    found = read(tmp_path, columns)
    assert found.accounts[0].rows == {"used": 115, "own exhaust: CO and CO2 rise together": 5}
    assert (found.samples["enhancement"].to_numpy()[70:75] > 190).all()
    silent = read(tmp_path, columns, columns={"co": None})
    assert silent.accounts[0].rows == {"used": 120}


def test_the_background_is_the_percentile_of_the_minutes_around(tmp_path):
    rng = np.random.default_rng(5)
    seconds = np.sort(rng.choice(2000, 700, replace=False))
    time = np.datetime64("2024-07-01T10:00", "ns") + seconds * np.timedelta64(1, "s")
    value = rng.gamma(2.0, 10.0, 700)
    found = background_of(time, value, minutes=5.0, percentile=5.0)
    plain = [np.percentile(value[np.abs(seconds - t) <= 300], 5) for t in seconds]
    np.testing.assert_allclose(found, plain)
    mirrored = background_of(time[0] + (time[-1] - time[::-1]), value[::-1], minutes=5.0, percentile=5.0)
    np.testing.assert_allclose(mirrored[::-1], found)


def test_a_plume_is_above_the_background_of_its_road(tmp_path):
    columns = drive(600, speed=60.0)
    columns["co2"] = 420 + 0.02 * np.arange(600)  # air that grows along the road
    columns["co2"][300:330] += 50
    rise = read(tmp_path, columns).segments.set_index("time")["enhancement"]
    inside = (rise.index >= "2024-07-01T10:05:01") & (rise.index < "2024-07-01T10:05:24")
    assert inside.sum() >= 3
    assert rise[inside].between(48, 62).all()
    # over ten minutes the air itself grows by 12 ppm, which the background follows in part
    assert rise[~inside].between(-2, 12).iloc[2:].sum() >= len(rise) - inside.sum() - 4


def test_rows_that_cannot_be_read_are_counted(tmp_path):
    columns = drive(20)
    path = write(tmp_path / "a.csv", columns)
    text = path.read_text().splitlines()
    text[3], text[5], text[7] = text[3][:-4] + ",1,2", text[5].replace("2024", "24-"), text[7].replace("419.", "4l9.")
    path.write_text("\n".join([*text, text[2]]) + "\n")
    feed = laboratory()
    facts = registry(tmp_path, **VAN)
    told = read_drive([path], feed, CO2, facts, RULES).accounts[0]
    assert told.rows_read == 21
    assert told.rows["wrong number of columns"] == told.rows["unreadable time"] == 1
    assert told.rows["duplicate time, same value"] == 1
    path.write_text("\n".join([*text, text[2].replace(",36.0,", ",36.0,").replace("119.75", "119.76")]) + "\n")
    told = read_drive([path], feed, CO2, facts, RULES).accounts[0]
    assert told.rows["duplicate time, other value"] == 2


def test_labels_are_turned_from_their_zone(tmp_path):
    found = read(tmp_path, drive(10), zone="Asia/Shanghai")
    assert found.samples["time"].iloc[0] == np.datetime64("2024-07-01T02:00:00")
    with pytest.raises(RegistryError, match="the zone of a track's labels must be known"):
        read(tmp_path, drive(10), facts={"zone": ""})
    with pytest.raises(TimeError, match="a row must have a readable time"):
        read(tmp_path, drive(10), columns={"time_format": "%d/%m/%Y %H:%M"})


def test_a_laboratory_without_a_scale_measures_no_mole_fractions(tmp_path):
    unknown = {"scale": "co2:unknown;ch4:unknown"}
    with pytest.raises(RegistryError, match="the scale of a species must be known"):
        read(tmp_path, drive(10), facts=unknown)
    columns = drive(10, value=5.0)
    found = read(tmp_path, columns, facts=unknown, value_means="enhancement")
    assert found.accounts[0].rows == {"used": 10}
    np.testing.assert_allclose(found.samples["enhancement"], columns["co2"])


def test_facts_that_change_along_the_tracks_are_refused(tmp_path):
    path = write(tmp_path / "a.csv", drive(60, start="2024-06-30T23:59:30"))
    early, late = {"valid_to": "2024-07-01"}, {"valid_from": "2024-07-01", "uncertainty": "co2:2;ch4:5"}
    table = registry(tmp_path, rows=[VAN | early, VAN | late])
    with pytest.raises(
        RegistryError, match=r"must not change along its tracks; got 'two periods.*2024-06-30 and 2024-07"
    ):
        read_drive([path], laboratory(), CO2, table, RULES)
    table = registry(tmp_path, rows=[VAN | early, VAN | {"valid_from": "2024-07-01"}])
    assert read_drive([path], laboratory(), CO2, table, RULES).accounts[0].rows == {"used": 60}


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match="column CO2 must be there once"):
        read(tmp_path, drive(10), columns={"value": "CO2"})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"assimilate": True, "value_means": "enhancement"}, "it is not assimilated"),
        ({"box": [123, 118, 27, 31]}, "box must be west < east"),
        ({"columns": {"fix_valid": []}}, "fix and fix_valid go together"),
        ({"columns": {"wind_from": None}}, "heading and wind_from go together"),
        ({"columns": {"speed": None}}, "heading and wind_from go together, and with speed"),
    ],
)
def test_what_a_laboratory_may_declare(changes, rule):
    good = laboratory().model_dump()
    columns = good["columns"] | changes.pop("columns", {})
    with pytest.raises(ConfigError, match=rule):
        validated(MobileSettings, good | changes | {"columns": columns})


@pytest.fixture
def mobile_case(tmp_path):
    """A case of methane with a drive in its hours, and one before them."""
    write(tmp_path / "a.csv", drive(60, start="2022-12-07T03:59:40", value=1950.0, lon=148.5, lat=-23.5))
    write(tmp_path / "b.csv", drive(60, start="2022-12-06T03:00:00", value=1950.0, lon=148.5, lat=-23.5))

    def case(**changes):
        columns = {"unit": "ppb", "co": None} | changes.pop("columns", {})
        lab = laboratory(files=["a.csv", "b.csv"], box=(148.0, 149.0, -24.0, -23.0), columns=columns, **changes)
        return column_case(files=(), stations=[STATION]).model_copy(update={"mobile": [lab]})

    return tmp_path, case


STATION = {"id": "ABC", "format": "gcwerks", "files": ["abc.dat"], "height": 50, "representation_error": 5.0}


def facts_table(folder):
    return registry(folder, rows=[{}, VAN | {"lon": "120", "lat": "30"}])


def test_segments_are_observations_with_the_laboratorys_name_in_their_id(mobile_case):
    folder, case = mobile_case
    observations, receptors, accounts = read_mobile(case(), folder, facts_table(folder))
    check(observations, "observations")
    check(receptors, "receptors")
    assert observations.sizes == receptors.sizes
    assert set(instruments(observations["station"].values, observations["platform"].values)) == {"VAN"}
    assert np.unique(observations["station"].values).size == observations.sizes["obs"]
    assert not is_used(observations["flag"].values).any()
    assert np.all(observations["flag"].values & np.uint32(Flag.HELD_OUT))
    # a footprint's hour is its observation's, and no release leaves it
    start, seconds = receptors["time"].values, receptors["duration"].values
    np.testing.assert_array_equal(start.astype("datetime64[h]"), observations["time"].values.astype("datetime64[h]"))
    ends = start + (seconds * 1e9).astype("timedelta64[ns]")
    assert np.all(ends <= start.astype("datetime64[h]") + np.timedelta64(1, "h"))
    assert [told.rows for told in accounts] == [{"used": 60}, {"outside the hours asked for": 60}]


def test_segments_have_receptors_beside_stations_held_out_or_not(mobile_case):
    folder, case = mobile_case
    noise = np.random.default_rng(3).normal(0, 1, (2, 240))
    gcwerks(folder / "abc.dat", minutes("2022-12-07T02:00", 240), 420 + noise[0], ch4=1950 + noise[1])
    for assimilate in (False, True):
        observed, released, accounts, _ = all_receptors(case(assimilate=assimilate), folder, facts_table(folder))
        mobile = observed["platform"].values == "mobile"
        assert mobile.sum() == 6
        assert np.all(is_used(observed["flag"].values[mobile]) == assimilate)
        # one that is only compared with is traced too
        assert set(released["station"].values) == {"ABC", *observed["station"].values[mobile]}
        assert np.all(np.isnan(observed["enhancement"].values[~mobile]))
        assert np.all(observed["kernel_sum"].values == 1)
        assert [told.station for told in accounts] == ["ABC", "VAN", "VAN"]


def test_segments_are_put_on_the_cases_scale(mobile_case):
    folder, case = mobile_case
    table = registry(folder, rows=[{}, VAN | {"scale": "co2:WMO CO2 X2007;ch4:NOAA04"}])
    gcwerks(folder / "abc.dat", minutes("2022-12-07T02:00", 240), np.full(240, 420.0), ch4=np.arange(240) % 7 + 1950.0)
    with pytest.raises(ConfigError, match=r"VAN.*must be published, or scale_error be declared|one calibration scale"):
        all_receptors(case(assimilate=True), folder, table)
    observed = all_receptors(case(assimilate=True, scale_error=3.0), folder, table)[0]
    mobile = observed["platform"].values == "mobile"
    assert np.all(observed["flag"].values[mobile] & np.uint32(Flag.SCALE_UNCONVERTED))
    np.testing.assert_allclose(observed["uncertainty"].values[mobile], np.hypot(5.0, 3.0))


def test_an_enhancement_sees_nothing_of_the_background(mobile_case):
    folder, case = mobile_case
    observations, _, _ = read_mobile(case(value_means="enhancement"), folder, facts_table(folder))
    assert np.all(observations["kernel_sum"].values == 0)


LICOR = {
    "time": ["DATE", "TIME"], "time_format": "%d/%m/%Y %H:%M:%S", "lon": "LON", "lat": "LAT",
    "value": "Methane_Enhancement_Over_Background(ppb)", "unit": "ppb",
}  # fmt: skip


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data")
def test_the_real_track(tmp_path):
    feed = MobileSettings.model_validate(
        {
            "id": "VAN", "files": ["*"], "height": 2, "lag": 0, "box": (-5.0, -3.5, 55.5, 56.2), "columns": LICOR,
            "value_means": "enhancement", "zone": "Europe/London", "representation_error": 5.0,
        }
    )  # fmt: skip
    table = registry(tmp_path, **(VAN | {"station_class": "external", "scale": "co2:unknown;ch4:unknown"}))
    found = read_drive([FOLDER / "glasgow_licor_sample.txt"], feed, CH4, table, RULES)
    assert found.accounts[0].rows == {"used": 19}
    # British summer time: 14:35:57 is 13:35:57 UTC
    assert found.segments["time"].iloc[0] == np.datetime64("2021-08-25T13:35:57")
    # 100 m from the first second is 0.0009 degrees, between the 14th and the 15th; medians counted by hand
    assert found.segments["count"].tolist() == [14, 5]
    assert found.segments["value"].tolist() == pytest.approx([2.665, 0.85])
    assert np.all(found.segments["bits"] == np.uint32(Flag.HELD_OUT))
