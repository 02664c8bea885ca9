"""Every rule of a station table has a planted mistake that breaks it, and the fault names file, row, value, remedy."""

import csv

import pytest

import station_meta
from station_meta import Limits, StationMetaError

GOOD = {
    "id": "ZJ_T01",
    "name_zh": "测试站",
    "name_en": "Test tower",
    "station_class": "regional",
    "lon": "120.15",
    "lat": "30.25",
    "ground_height": "12.5",
    "inlets": "50;100",
    "species": "co2;ch4",
    "instrument": "CRDS",
    "scale": "co2:WMO CO2 X2019;ch4:WMO CH4 X2004A",
    "zone": "Asia/Shanghai",
    "hour_label": "end",
    "uncertainty": "co2:0.1;ch4:1",
    "valid_from": "2024-01-01",
    "valid_to": "2025-01-01",
    "illustrative": "true",
    "source": "made up for this test",
}


def write(path, *rows, columns=None, encoding="utf-8"):
    columns = columns or list(GOOD)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return path


def faults(tmp_path, *rows, **kwargs):
    with pytest.raises(StationMetaError) as caught:
        station_meta.load(write(tmp_path / "mine.csv", *rows), **kwargs)
    return str(caught.value)


def test_a_table_that_keeps_every_rule_has_no_fault(tmp_path):
    frame = station_meta.load(write(tmp_path / "mine.csv", GOOD))
    assert station_meta.check(frame) == []
    assert frame.index.tolist() == [("mine.csv", 2)]
    assert (frame["lon"].iloc[0], frame["illustrative"].iloc[0]) == (120.15, True)


@pytest.mark.parametrize(
    ("change", "rule", "got", "remedy"),
    [
        ({"id": "zj-1"}, "an id must be 2 to 16 of A-Z", "'zj-1'", "ZJ_R01"),
        ({"name_en": ""}, "name_en must be given", "''", "who says so"),
        ({"source": ""}, "source must be given", "''", "who says so"),
        ({"station_class": "tower"}, "the class must be known", "'tower'", "provincial, regional"),
        ({"illustrative": "yes"}, "illustrative must be true or false", "'yes'", "made up"),
        ({"lon": "120E"}, "lon must be readable", "'120E'", "write degrees"),
        ({"lat": ""}, "lat must be readable", "''", "write degrees"),
        ({"lat": "nan"}, "lat must be readable", "'nan'", "write degrees"),
        ({"ground_height": "low"}, "ground_height must be readable", "'low'", "metres above sea"),
        ({"lon": "30.25", "lat": "120.15"}, "the two look swapped", "'lon 30.25, lat 120.15'", "swap lon and lat"),
        ({"lon": "120.15", "lat": "302.5"}, r"latitude must lie in [-90, 90];", "lat 302.5", "correct it"),
        ({"lon": "358.9"}, "longitude must lie in [-180, 180]", "lon 358.9", "take 360 off"),
        (
            {"lon": "116.4", "lat": "39.9"},
            "must lie in 118 to 123.3 E, 27 to 31.3 N",
            "lon 116.4, lat 39.9",
            "external",
        ),
        ({"inlets": "50,100"}, "inlets must be readable", "'50,100'", "54;100;185"),
        ({"inlets": "-5"}, "inlets must be readable", "'-5'", "above ground"),
        ({"inlets": "50;50"}, "inlets must be readable", "'50;50'", "above ground"),
        ({"species": ""}, "species must be a list of names", "''", "co2;ch4"),
        ({"species": "CO2;ch4"}, "species must be a list of names", "'CO2;ch4'", "co2;ch4"),
        ({"scale": "co2:WMO CO2 X2019"}, "every listed species must have a scale", "ch4 in", '"ch4:unknown"'),
        (
            {"scale": "", "species": "co2", "uncertainty": ""},
            "every listed species must have a scale",
            "co2 in ''",
            '"co2:SCALE"',
        ),
        ({"scale": "WMO CO2 X2019"}, "scale must be readable", "'WMO CO2 X2019'", "write it so"),
        ({"scale": GOOD["scale"] + ";co:WMO CO X2014A"}, "its species must be listed", "'co'", "add it to species"),
        ({"uncertainty": "co2:0"}, "uncertainty must be readable", "'co2:0'", "co2:0.1;ch4:1"),
        ({"uncertainty": "co:5"}, "its species must be listed", "'co'", "add it to species"),
        ({"zone": "UTC+8"}, "the zone must be in the tz database", "'UTC+8'", "Asia/Shanghai"),
        ({"zone": "../UTC"}, "the zone must be in the tz database", "'../UTC'", "Asia/Shanghai"),
        ({"hour_label": "center"}, "what the time labels mark", "'center'", "start, centre, end"),
        ({"valid_from": "1/1/2024"}, "valid_from must be readable", "'1/1/2024'", "YYYY-MM-DD"),
        ({"valid_to": "2024-02-30"}, "valid_to must be readable", "'2024-02-30'", "YYYY-MM-DD"),
        ({"valid_to": "2024-01-01"}, "a period must end after it starts", "2024-01-01 to 2024-01-01", "not covered"),
    ],
)
def test_a_planted_mistake_is_named_with_row_rule_value_and_remedy(tmp_path, change, rule, got, remedy):
    text = faults(tmp_path, {**GOOD, "id": "ZJ_T02"}, GOOD | change)
    assert "; 1 fault(s):" in text
    assert "mine.csv row 3, " in text
    for part in (rule, got, remedy):
        assert part in text


def test_a_station_outside_the_network_may_lie_anywhere(tmp_path):
    frame = station_meta.load(
        write(tmp_path / "mine.csv", {**GOOD, "station_class": "external", "lon": "1.1", "lat": "52.5"})
    )
    assert frame["lat"].tolist() == [52.5]


def test_the_province_box_is_a_parameter(tmp_path):
    text = faults(tmp_path, GOOD, limits=Limits(west=118.0, east=119.0))
    assert "must lie in 118 to 119 E" in text


def test_what_is_unknown_may_be_empty_but_a_scale_is_never_forgotten(tmp_path):
    unknown = dict.fromkeys(
        ("name_zh", "ground_height", "inlets", "instrument", "zone", "hour_label", "uncertainty", "valid_from"), ""
    )
    path = write(tmp_path / "mine.csv", GOOD | unknown | {"valid_to": "", "scale": "co2:unknown;ch4:unknown"})
    assert station_meta.load(path)["ground_height"].isna().all()


def test_adjacent_periods_of_one_id_are_allowed_even_after_a_move(tmp_path):
    later = GOOD | {"valid_from": "2025-01-01", "valid_to": "", "lon": "120.65"}
    assert len(station_meta.load(write(tmp_path / "mine.csv", GOOD, later))) == 2


@pytest.mark.parametrize("start", ["2024-12-31", "2024-01-01", ""])
def test_overlapping_periods_of_one_id_are_refused(tmp_path, start):
    text = faults(tmp_path, GOOD, GOOD | {"valid_from": start})
    assert "mine.csv row 3, id of ZJ_T01: periods of one id must not overlap (also in mine.csv row 2)" in text
    assert f"got '{start or 'open'} to 2025-01-01'" in text
    assert "must have one place" not in text


def test_one_id_at_two_places_in_one_period_is_refused(tmp_path):
    text = faults(tmp_path, GOOD, GOOD | {"lat": "30.2555"})
    # 0.0055 degrees of a meridian of a 6371 km sphere
    assert "one id must have one place (see mine.csv row 2) to within 500 m; got '612 m apart'" in text


def test_the_same_id_in_two_files_is_refused(tmp_path):
    one = write(tmp_path / "one.csv", GOOD)
    two = write(tmp_path / "two.csv", GOOD)
    with pytest.raises(StationMetaError, match=r"two\.csv row 2, id of ZJ_T01: periods .* \(also in one\.csv row 2\)"):
        station_meta.load(one, two)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ([name for name in GOOD if name != "scale"], "every column must be there; got 'scale'"),
        ([*GOOD, "colour"], "every column must be known; got 'colour'"),
        ([*GOOD, "lat"], "a column must be there once; got 'lat'"),
    ],
)
def test_missing_unknown_and_repeated_columns_are_refused(tmp_path, columns, rule):
    path = write(tmp_path / "mine.csv", GOOD, columns=columns)
    with pytest.raises(StationMetaError) as caught:
        station_meta.load(path)
    assert f"mine.csv: {rule}" in str(caught.value)


def test_check_reports_a_missing_column_of_a_plain_frame(tmp_path):
    frame = station_meta.load(write(tmp_path / "mine.csv", GOOD)).drop(columns="zone").reset_index(drop=True)
    (problem,) = station_meta.check(frame)
    assert (problem.where, problem.got) == ("station table", "zone")


def test_every_fault_is_reported_at_once(tmp_path):
    text = faults(tmp_path, GOOD | {"zone": "BJT", "lat": "x"}, GOOD | {"id": "B", "inlets": "high"})
    assert "; 4 fault(s):" in text


def test_a_row_with_too_few_or_too_many_cells_is_refused(tmp_path):
    path = write(tmp_path / "mine.csv", GOOD)
    path.write_text(path.read_text(encoding="utf-8") + "ZJ_T02,甲\n", encoding="utf-8")
    with pytest.raises(StationMetaError, match=r"mine\.csv row 3: every row must have the heading's 18 cells; got 2"):
        station_meta.load(path)


def test_a_file_that_is_not_utf8_empty_or_absent_is_refused(tmp_path):
    foreign = write(tmp_path / "gbk.csv", GOOD, encoding="gb18030")
    with pytest.raises(StationMetaError, match=r"gbk\.csv: a station table must be CSV in UTF-8"):
        station_meta.load(foreign)
    with pytest.raises(StationMetaError, match=r"bare\.csv: .* a heading and a row"):
        station_meta.load(write(tmp_path / "bare.csv"))
    with pytest.raises(StationMetaError, match="the station table must exist"):
        station_meta.load(tmp_path / "absent.csv")


def test_a_byte_order_mark_is_read_over(tmp_path):
    assert len(station_meta.load(write(tmp_path / "mine.csv", GOOD, encoding="utf-8-sig"))) == 1
