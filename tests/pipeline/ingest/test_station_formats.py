"""Each reader takes from a file what its header says, and says why a row cannot be used."""

import netCDF4
import numpy as np
import pandas as pd
import pytest
from station_files import feed, gcwerks, icos_atc, minutes, obspack, wdcgg

from pipeline.errors import CoordinateError, FormatError, InputError, RegistryError, TimeError, UnitError
from pipeline.ingest.formats import gcwerks as gcwerks_format
from pipeline.ingest.formats import icos, table
from pipeline.ingest.formats import obspack as obspack_format
from pipeline.ingest.formats import wdcgg as wdcgg_format
from pipeline.ingest.formats.samples import HOUR, MINUTE, MONTH
from pipeline.units import species

CO2, CH4 = species("co2"), species("ch4")
DAY = "2024-07-01T00:00:30"


def test_a_species_is_found_by_the_two_heading_lines(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.50m.dat", minutes(DAY, 3), [410.5, 411, 412], ch4=[1900, 1901, 1902])
    assert gcwerks_format.read(path, feed("gcwerks"), CO2).value.tolist() == [410.5, 411, 412]
    found = gcwerks_format.read(path, feed("gcwerks"), CH4)
    assert found.value.tolist() == [1900, 1901, 1902]
    assert (found.unit, found.marks, found.interval) == ("ppb", "centre", MINUTE)
    assert found.count.tolist() == [19, 19, 19]


def test_a_species_that_is_not_in_the_file_is_refused_with_those_that_are(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes(DAY, 3), [410, 411, 412])
    with pytest.raises(FormatError, match=r"column co C must be there once.*ch4 C.*co2 C"):
        gcwerks_format.read(path, feed("gcwerks"), species("co"))


def test_an_hourly_label_anywhere_in_the_hour_means_that_hour(tmp_path):
    times = [t.replace(minute=m, second=45) for t, m in zip(minutes("2024-07-01T00", 3, 60), (20, 40, 59), strict=True)]
    path = gcwerks(tmp_path / "abc.hourly.50m.dat", times, [410, 411, 412])
    found = gcwerks_format.read(path, feed("gcwerks"), CO2)
    assert found.interval == HOUR
    half = np.array(["2024-07-01T00:30", "2024-07-01T01:30", "2024-07-01T02:30"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(found.time, half)


def test_a_name_that_contradicts_the_labels_is_refused(tmp_path):
    path = gcwerks(tmp_path / "abc.hourly.dat", minutes(DAY, 5), np.full(5, 410.0))
    with pytest.raises(TimeError, match=r"a minute or an hour apart, as the file's name says; got '60 s'"):
        gcwerks_format.read(path, feed("gcwerks"), CO2)


def test_a_name_of_another_inlet_is_refused(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.100m.dat", minutes(DAY, 5), np.full(5, 410.0))
    with pytest.raises(RegistryError, match=r"inlet asked for, 50 m; got '100 m'"):
        gcwerks_format.read(path, feed("gcwerks"), CO2)


def test_gas_from_a_cylinder_is_not_air(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes(DAY, 3), [410, 411, 412], kinds=["air", "std", "air"])
    assert gcwerks_format.read(path, feed("gcwerks"), CO2).reason.tolist() == ["", "type std, not air", ""]


def test_air_through_two_ports_is_refused(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes(DAY, 3), [410, 411, 412], ports=[9, 5, 9])
    with pytest.raises(FormatError, match=r"air must come through one port; got \['5', '9'\]"):
        gcwerks_format.read(path, feed("gcwerks"), CO2)


def test_a_cut_line_is_one_counted_row_with_its_line_number(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes(DAY, 3), [410, 411, 412])
    path.write_text(path.read_text()[:-20])
    found = gcwerks_format.read(path, feed("gcwerks"), CO2)
    assert found.reason.tolist() == ["", "", "wrong number of columns"]
    assert found.notes == ("not 10 columns at line 6",)


def test_a_cell_that_is_no_number_is_one_counted_row(tmp_path):
    path = gcwerks(tmp_path / "abc.1minute.dat", minutes(DAY, 3), [410, 411, 412])
    path.write_text(path.read_text().replace("411.00", "4x1.00"))
    assert gcwerks_format.read(path, feed("gcwerks"), CO2).reason.tolist() == ["", "unreadable number", ""]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "the file must not be empty; got '0 bytes'"),
        ("\n\n", "the file must not be empty"),
        ("<!DOCTYPE html>\n<html>404</html>", "the file must be data, not a web page; got '<!doctype html>'"),
        ("a\0b", "must not hold zero bytes"),
        ("Created:\nx\n", "lines 2 and 3 must name the columns"),
    ],
)
def test_a_file_that_is_no_station_text_is_refused(tmp_path, text, rule):
    path = tmp_path / "abc.1minute.dat"
    path.write_text(text)
    with pytest.raises(FormatError, match=rule):
        gcwerks_format.read(path, feed("gcwerks"), CO2)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"the file must exist; got .*nowhere\.dat"):
        gcwerks_format.read(tmp_path / "nowhere.dat", feed("gcwerks"), CO2)


def test_icos_flags_o_and_u_are_valid_and_others_say_why(tmp_path):
    hours = minutes("2024-07-01T00", 5, 60)
    rows = zip(hours, [410, -999.99, 412, 413, 414], "OKUNO", [115, 115, 115, 115, 116], strict=True)
    found = icos.read_atc(icos_atc(tmp_path / "a.CO2", rows), feed("icos-atc"), CO2)
    assert found.reason.tolist() == ["", "flag K", "", "flag N", "scale unknown (instrument 116)"]
    assert (found.unit, found.marks, found.zone) == ("µmol.mol-¹", "start", "UTC")
    assert found.position == (119.75, 30.25)
    assert found.scale[0] == "WMO CO2 X2019"
    assert np.isnan(found.spread[1])


def test_a_cut_icos_header_is_refused(tmp_path):
    path = icos_atc(tmp_path / "a.CO2", [(t, 410, "O", 115) for t in minutes("2024-07-01T00", 3, 60)])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:3] + lines[4:]), encoding="utf-8")
    with pytest.raises(FormatError, match=r"the header must have the 12 lines it states; got 11"):
        icos.read_atc(path, feed("icos-atc"), CO2)


def test_an_icos_file_without_unit_is_refused(tmp_path):
    path = icos_atc(tmp_path / "a.CO2", [(minutes("2024-07-01", 1)[0], 410, "O", 115)], unit="")
    with pytest.raises(UnitError, match="the header must state MEASUREMENT UNIT"):
        icos.read_atc(path, feed("icos-atc"), CO2)


def test_icos_times_that_are_not_utc_are_refused(tmp_path):
    path = icos_atc(tmp_path / "a.CO2", [(minutes("2024-07-01", 1)[0], 410, "O", 115)])
    path.write_text(path.read_text(encoding="utf-8").replace("UTC +0", "UTC +1"), encoding="utf-8")
    with pytest.raises(TimeError, match=r"a\.CO2: TIME ZONE must be UTC; got 'UTC \+1'"):
        icos.read_atc(path, feed("icos-atc"), CO2)


def test_portal_labels_with_an_offset_are_not_taken_for_utc(tmp_path):
    path = tmp_path / "abc_co2.csv"
    labels = ["2024-07-01 00:00:00", "2024-07-01T01:00:00Z", "2024-07-01T02:00:00+02:00"]
    path.write_text("DateTime,co2\n" + "".join(f"{label},410.5\n" for label in labels))
    found = icos.read_portal(path, feed("icos-csv"), CO2)
    assert found.reason.tolist() == ["", "", "unreadable time"]
    np.testing.assert_array_equal(found.time[:2], HOURS[:2].astype("datetime64[ns]"))


def test_portal_rows_of_other_stations_and_inlets_say_so(tmp_path):
    path = tmp_path / "abc_co2.csv"
    path.write_text(
        "DateTime,#Site,SamplingHeight,InstrumentId,co2\n2024-07-01 00:00:00,ABC,50,1,410.5\n"
        "2024-07-01 01:00:00,ABC,10,1,411.5\n2024-07-01 02:00:00,XYZ,50,1,412.5\n"
    )
    found = icos.read_portal(path, feed("icos-csv"), CO2)
    assert found.reason.tolist() == ["", "other inlet 10 m", "other station XYZ"]
    assert found.notes == ("no flag column: every value is taken as valid",)


HOURS = np.array(["2024-07-01T00", "2024-07-01T01", "2024-07-01T02"], dtype="datetime64[s]")


def test_obspack_midpoints_are_not_taken_for_beginnings(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4, 4.11e-4, 4.12e-4], flags=["O", "K", "U"])
    found = obspack_format.read(path, feed("obspack"), CO2)
    np.testing.assert_array_equal(found.time, HOURS.astype("datetime64[ns]"))
    assert (found.marks, found.unit, found.interval) == ("start", "mol mol-1", HOUR)
    assert found.reason.tolist() == ["", "flag K", ""]


def test_obspack_times_that_contradict_their_frequency_are_refused(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4, 4.11e-4, 4.12e-4], dataset_data_frequency=2.0)
    with pytest.raises(TimeError, match=r"time, the centre, must lie 1/2 of 7200 seconds after start_time"):
        obspack_format.read(path, feed("obspack"), CO2)


def test_obspack_days_keep_their_fraction(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [410, 411, 412], unit="ppm", noaa=True)
    with netCDF4.Dataset(path, "a") as data:
        said = data["time"].comment
        data.renameVariable("time", "seconds")
        days = data.createVariable("time", "f8", ("obs",))
        days.setncatts({"units": "days since 1970-01-01", "comment": said})
        days[:] = np.asarray(data["seconds"][:]) / 86400
    np.testing.assert_array_equal(obspack_format.read(path, feed("obspack"), CO2).time, HOURS.astype("datetime64[ns]"))


def test_noaa_flags_tell_rejected_from_not_selected(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [410, 411, 412], unit="ppm", noaa=True, flags=["..P", "A..", ".X."])
    found = obspack_format.read(path, feed("obspack"), CO2)
    assert found.reason.tolist() == ["", "flag A..", ""]
    assert found.selected.tolist() == [True, True, False]


def test_obspack_of_several_inlets_gives_one(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4, 4.11e-4, 4.12e-4], heights=[50, 10, 50])
    assert obspack_format.read(path, feed("obspack"), CO2).reason.tolist() == ["", "other inlet 10 m", ""]


@pytest.mark.parametrize(
    ("attrs", "error", "rule"),
    [
        ({"dataset_platform": "aircraft"}, FormatError, "dataset_platform must be fixed; got 'aircraft'"),
        ({"dataset_parameter": "ch4"}, FormatError, "dataset_parameter must be co2; got 'ch4'"),
        ({"dataset_data_frequency_unit": "fortnight"}, TimeError, "must state the averaging interval; got '1.0 fortn"),
    ],
)
def test_an_obspack_file_of_another_kind_is_refused(tmp_path, attrs, error, rule):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4, 4.11e-4, 4.12e-4], **attrs)
    with pytest.raises(error, match=rule):
        obspack_format.read(path, feed("obspack"), CO2)


def test_a_station_that_moves_is_refused(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4] * 3, where=(np.array([119.75, 119.9, 119.75]), 30.25))
    with pytest.raises(CoordinateError, match="a fixed station must stay in one place"):
        obspack_format.read(path, feed("obspack"), CO2)


def test_a_truncated_obspack_file_is_refused(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, [4.1e-4] * 3)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(FormatError, match="it is truncated"):
        obspack_format.read(path, feed("obspack"), CO2)


def test_wdcgg_months_are_read_as_months(tmp_path):
    found = wdcgg_format.read(wdcgg(tmp_path / "w.dat", [(1990, 8, 348.93), (1990, 9, -999.99)]), feed("wdcgg"), CO2)
    assert found.interval == MONTH
    assert found.value.tolist() == [348.93, -999.99]
    assert found.position == pytest.approx((119.75, 30.25))
    assert found.scale[0] == "WMO CO2 X2007"


DECLARED = {"time": "when", "value": "co2 (ppm)", "unit": "ppm"}


def test_a_table_is_read_as_declared_and_not_otherwise(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("when;站号;co2 (ppm);qc\n02.01.2024 00:00;ABC;420.5;P\n02.01.2024 01:00;XYZ;421;P\n", "gb18030")
    columns = DECLARED | {
        "separator": ";", "encoding": "gb18030", "time_format": "%d.%m.%Y %H:%M", "station": "站号",
        "valid_flags": {"qc": ["P"]},
    }  # fmt: skip
    found = table.read(path, feed("table", table=columns), CO2)
    assert found.time[0] == np.datetime64("2024-01-02T00:00")
    assert found.reason.tolist() == ["", "other station XYZ"]
    with pytest.raises(FormatError, match=r"the text must be utf-8"):
        table.read(path, feed("table", table=columns | {"encoding": "utf-8"}), CO2)
    with pytest.raises(FormatError, match=r"column CO2 must be there once; got \['when'"):
        table.read(path, feed("table", table=columns | {"value": "CO2"}), CO2)


def test_table_rows_that_cannot_be_used_say_why(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        'when,co2 (ppm),qc\n2024-01-02T00:00,420.5,P\n2024-01-02T01:00,"1,5",P\nyesterday,421,P\n'
        "2024-01-02T03:00,421,X\n2024-01-02T04:00,421\n2024-01-02T05:00,-77,P\n"
    )
    columns = DECLARED | {"valid_flags": {"qc": ["P"]}, "fill_values": [-77]}
    found = table.read(path, feed("table", table=columns), CO2)
    assert found.reason.tolist() == [
        "", "unreadable number", "unreadable time", "qc X", "wrong number of columns", "",
    ]  # fmt: skip
    assert np.isnan(found.value[-1])
    assert found.notes == ("not 3 columns at line 6",)


def test_labels_with_an_offset_are_turned_to_utc(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("when,co2 (ppm)\n2024-01-02T08:00+08:00,420.5\n2024-01-02T01:00Z,421\n")
    found = table.read(path, feed("table", table=DECLARED), CO2)
    assert found.zone == "UTC"
    np.testing.assert_array_equal(found.time, np.array(["2024-01-02T00", "2024-01-02T01"], dtype="datetime64[ns]"))


@pytest.mark.parametrize(
    ("label", "form", "zone"),
    [
        ("2024-01-02T08:00+08", None, "UTC"),
        ("20240102T080000+0800", None, "UTC"),
        ("2024-01-02", None, None),
        ("00:00 02-01-2024", "%H:%M %d-%m-%Y", None),
        ("20240102-0000", "%Y%m%d-%H%M", None),
        ("02-01-2024 08:00 +0800", "%d-%m-%Y %H:%M %z", "UTC"),
    ],
)
def test_only_an_offset_makes_a_label_utc(tmp_path, label, form, zone):
    path = tmp_path / "a.csv"
    path.write_text(f"when,co2 (ppm)\n{label},420.5\n")
    found = table.read(path, feed("table", table=DECLARED | {"time_format": form}), CO2)
    assert (found.zone, found.time[0]) == (zone, np.datetime64("2024-01-02T00:00"))


def test_labels_with_and_without_an_offset_are_not_mixed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("when,co2 (ppm)\n2024-01-02T08:00+08:00,420.5\n,421\n2024-01-02T09:00,421\n")
    with pytest.raises(TimeError, match=r"a\.csv: when: all time labels must .*; got '2024-01-02T09:00'"):
        table.read(path, feed("table", table=DECLARED), CO2)


def test_an_open_quote_does_not_swallow_the_rows_after_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('when,co2 (ppm)\n2024-01-02T00:00,420\n2024-01-02T01:00,"421\n2024-01-02T02:00,422\n')
    with pytest.raises(FormatError, match=r"a\.csv: the text must be CSV; got 'unexpected end of data, at line 4'"):
        table.read(path, feed("table", table=DECLARED), CO2)
    path.write_text("when,co2 (ppm)\n2024-01-02T00:00," + "9" * 200_000 + "\n")
    with pytest.raises(FormatError, match=r"must be CSV; got 'field larger than field limit.*at line 2'"):
        table.read(path, feed("table", table=DECLARED), CO2)


def test_a_declared_fill_is_missing_in_either_precision(tmp_path):
    frame = pd.DataFrame({"when": ["2024-01-02T00:00", "2024-01-02T01:00"], "co2 (ppm)": np.float32([-999.99, 420])})
    frame.to_parquet(tmp_path / "a.parquet")
    found = table.read(tmp_path / "a.parquet", feed("table", table=DECLARED | {"fill_values": [-999.99]}), CO2)
    assert np.isnan(found.value).tolist() == [True, False]


def test_parquet_and_csv_of_the_same_table_agree(tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-02", periods=3, freq="h"), "co2 (ppm)": [420.5, 421, 0]})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    one, other = (table.read(tmp_path / name, feed("table", table=DECLARED), CO2) for name in ("a.parquet", "a.csv"))
    np.testing.assert_array_equal(one.time, other.time)
    np.testing.assert_array_equal(one.value, other.value)
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(FormatError, match="the file must be whole Parquet"):
        table.read(tmp_path / "a.parquet", feed("table", table=DECLARED), CO2)
