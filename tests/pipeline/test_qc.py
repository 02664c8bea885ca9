"""The report of quality control tells every test, and its picture shows every hour."""

import matplotlib.image
import numpy as np
import pytest
from qc_cases import case_text
from rich.console import Console
from station_files import gcwerks, minutes, registry

from pipeline.errors import ConfigError, InputError, RegistryError
from pipeline.ingest.versions import OF_STATIONS
from pipeline.qc import report_of_case, report_of_files, require_sources
from pipeline.quality_report import print_report
from pipeline.schema import FAIL, Flag, is_used
from pipeline.show_quality import draw_quality, kinds, taken_out

CASE = case_text(observed="2024-07-01T06:00:00Z", sector="fossil")
STATION = """
[[stations]]
id = "{}"
format = "gcwerks"
files = ["{}.1minute.dat"]
height = 50
representation_error = 1.0
"""


def day(*, spike=False, stuck=False, factor=1.0):
    """A day of minutes of quiet air, with a spike at 10:00 or a stuck spell from 15:00 to 15:19 if asked."""
    rng = np.random.default_rng(4)
    values = 420 + 3 * np.sin(np.arange(1440) / 200) + np.convolve(rng.normal(0, 0.4, 1449), np.ones(10) / 4, "valid")
    if spike:
        values[600:603] += 20
    if stuck:
        values[900:920] = 421.0
    return values * factor


def written(folder, name, **faults):
    return gcwerks(folder / f"{name}.1minute.dat", minutes("2024-07-01T00:00:30", 1440), day(**faults))


def test_every_test_of_the_station_stands_in_the_report_with_what_it_found(tmp_path):
    registry(tmp_path, station_class="external")
    path = written(tmp_path, "one", spike=True, stuck=True)
    report = report_of_files("ABC", [path], "co2", height=50, tables=[tmp_path / "table.csv"])
    console = Console(record=True, width=130)
    print_report(report, console)
    text = console.export_text()
    bits = report.rows["bits"].to_numpy()
    spikes, flat = (int(np.sum((bits & np.uint32(flag)) != 0)) for flag in (Flag.SPIKE, Flag.FLAT_LINE))
    assert 3 <= spikes < 20
    assert flat == 20
    line = next(line for line in text.splitlines() if "SD, alpha 1" in line)
    version = str(OF_STATIONS[Flag.SPIKE])
    assert line.split() == ["spike", version, "SD,", "alpha", "1", str(spikes), "not", "in", "the", "hour's", "mean"]
    assert next(line for line in text.splitlines() if "10 min within 0.005 ppm" in line).split()[-4] == "20"
    for name in ("instrument", "range fail", "range suspect", "rate", "hourly spread", "buddy"):
        assert f" {name} " in text


def test_a_case_compares_neighbours_and_tells_the_alarm_of_the_station_only(tmp_path):
    names = ["ABC", "ABD", "ABE", "ABF"]
    registry(tmp_path, rows=[{"id": name, "lon": str(119.75 + 0.1 * i)} for i, name in enumerate(names)])
    for name in names:
        written(tmp_path, name, factor=1.83 if name == "ABD" else 1.0)
    case = tmp_path / "case.toml"
    case.write_text(CASE + "".join(STATION.format(name, name) for name in names), encoding="utf-8")
    wrong, right = (report_of_case(name, case) for name in ("ABD", "ABC"))
    assert "mg m-3" in wrong.alarms[0]
    assert not is_used(wrong.flag).any()
    assert right.alarms == []
    with pytest.raises(RegistryError, match=r"must name one feed of the case.*ABC at 50 m"):
        report_of_case("ABX", case)


def test_every_hour_is_of_one_kind():
    every = np.array([0, *(int(flag) for flag in Flag), int(Flag.SPIKE | Flag.HELD_OUT)], dtype=np.uint32)
    found = kinds(every)
    np.testing.assert_array_equal(sum(mask.astype(int) for mask in found.values()), 1)
    np.testing.assert_array_equal(found["bad"], (every & np.uint32(FAIL)) != 0)
    np.testing.assert_array_equal(found["used"] | found["suspect, used"], is_used(every))


def test_the_picture_is_drawn_also_of_a_station_without_a_good_hour(tmp_path):
    registry(tmp_path, station_class="external")
    sound, stuck = written(tmp_path, "sound", spike=True), tmp_path / "stuck.1minute.dat"
    gcwerks(stuck, minutes("2024-07-01T00:00:30", 1440), np.full(1440, 420.0))
    for path in (sound, stuck):
        report = report_of_files("ABC", [path], "co2", height=50, tables=[tmp_path / "table.csv"])
        draw_quality(report, tmp_path / "qc.png")
        pixels = matplotlib.image.imread(tmp_path / "qc.png")[..., :3]
        assert pixels.shape[1] > 1000
        assert pixels.std() > 0.05


def test_files_that_do_not_describe_themselves_are_read_as_a_section_says(tmp_path):
    registry(tmp_path, station_class="external")
    values = day(spike=True, stuck=True)
    told = report_of_files(
        "ABC", [written(tmp_path, "one", spike=True, stuck=True)], "co2", height=50, tables=[tmp_path / "table.csv"]
    )
    table, section = tmp_path / "a.csv", tmp_path / "feed.toml"
    labels = np.datetime_as_string(np.datetime64("2024-07-01T00:00", "m") + np.arange(1440))
    table.write_text("when,co2\n" + "".join(f"{at},{x:.2f}\n" for at, x in zip(labels, values, strict=True)))
    text = 'format = "table"\nheight = 50\nair = "dry"\nhour_label = "start"\nquality_class = "{}"\n'
    columns = '[table]\ntime = "when"\nvalue = "co2"\nunit = "ppm"\nminutes = 1\n'
    section.write_text(text.format("external") + columns)
    found = report_of_files("ABC", [table], "co2", tables=[tmp_path / "table.csv"], section=section)
    np.testing.assert_array_equal(found.flag, told.flag)
    np.testing.assert_allclose(found.value, told.value, atol=0.01)
    assert found.tests == told.tests
    section.write_text(text.format("micro") + columns)
    micro = report_of_files("ABC", [table], "co2", tables=[tmp_path / "table.csv"], section=section)
    assert micro.tests[Flag.SPIKE].startswith("Hampel")
    with pytest.raises(ConfigError, match="says height and format itself"):
        report_of_files("ABC", [table], "co2", height=50, tables=[tmp_path / "table.csv"], section=section)


def test_samples_a_test_took_out_are_drawn_where_they_were_also_of_a_feed_by_the_hour(tmp_path):
    registry(tmp_path, station_class="external")
    path = written(tmp_path, "one", spike=True, stuck=True)
    report = report_of_files("ABC", [path], "co2", height=50, tables=[tmp_path / "table.csv"])
    time, value = taken_out(report)
    assert np.isin([421.0, report.rows["value"].max()], value).all()
    assert time[0] == np.datetime64("2024-07-01T10:00:30")  # the first minute of the spike
    table, section = tmp_path / "a.csv", tmp_path / "feed.toml"
    values = np.array([420.0, 421.5, 480.25, 420.5, 422.0])
    table.write_text("when,co2\n" + "".join(f"2024-07-01T0{i}:00,{x}\n" for i, x in enumerate(values)))
    section.write_text(
        'format = "table"\nheight = 50\nair = "dry"\nhour_label = "start"\nquality_class = "micro"\n'
        '[table]\ntime = "when"\nvalue = "co2"\nunit = "ppm"\n'
    )
    hourly = report_of_files("ABC", [table], "co2", tables=[tmp_path / "table.csv"], section=section)
    time, value = taken_out(hourly)
    assert (value.tolist(), time.tolist()) == ([480.25], [np.datetime64("2024-07-01T02:30", "ns").item()])
    draw_quality(hourly, tmp_path / "qc.png")


def test_sources_are_one_case_or_files(tmp_path):
    with pytest.raises(InputError, match="give one case, or files"):
        require_sources([tmp_path / "a.toml", tmp_path / "b.dat"])
    with pytest.raises(InputError, match="give a case, or files"):
        report_of_files("ABC", [], "co2")
