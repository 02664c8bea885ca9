"""The report of a sink station tells every test of its half hours; a year of files its least friction velocity."""

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from ingest_cases import shared_data
from qc_cases import case_text
from rich.console import Console
from station_files import registry

from pipeline.errors import FormatError, InputError, RegistryError, TimeError
from pipeline.ingest.formats.fluxnet import FluxColumns
from pipeline.qc import report_of_case
from pipeline.qc_friction import friction_of_files, print_friction
from pipeline.quality_report import print_report
from pipeline.schema import Flag, is_used
from pipeline.show_quality import draw_quality

PLACE = {"station_class": "sink", "inlets": "50", "zone": "UTC", "hour_label": "end"}
CASE = (
    case_text(observed="2024-07-01T00:00:00Z", sector="biosphere")
    + """[[stations]]
id = "ABD"
format = "gcwerks"
files = ["x.dat"]
height = 50
representation_error = 1.0
"""
)
TOWER = """
[[sinks]]
id = "ABC"
format = "fluxnet"
files = ["tower*.csv"]
height = 50
quality = "NEE_QC"
friction_least = 0.2
representation_error = 3.0
"""


def write(path, start, columns):
    """Half hours one after the other, labelled in UTC."""
    size = len(next(iter(columns.values())))
    begin = pd.date_range(start, periods=size + 1, freq="30min").strftime("%Y%m%d%H%M")
    pd.DataFrame({"TIMESTAMP_START": begin[:-1], "TIMESTAMP_END": begin[1:], **columns}).to_csv(
        path, index=False, float_format="%.4f"
    )
    return path


def days(count=15, seed=2):
    """Half hours of a forest about 1 July: a spike at its 02:00, calm air until 01:00, filled from 10:00 to 11:00."""
    random = np.random.default_rng(seed)
    flux = 3 + random.normal(0, 0.3, 48 * count)
    friction, quality = np.full(flux.size, 0.5), np.zeros(flux.size, dtype=int)
    first = 48 * (count // 2)
    flux[first + 4] += 25
    friction[first : first + 2] = 0.1
    quality[first + 20 : first + 22] = 1
    start = pd.Timestamp("2024-07-01") - pd.Timedelta(days=count // 2)
    return start, {"NEE": flux, "NEE_QC": quality, "USTAR": friction}


def the_case(folder, tower=TOWER):
    path = folder / "case.toml"
    path.write_text(CASE + tower, encoding="utf-8")
    return path


def text_of(report, show=print_report):
    console = Console(record=True, width=130)
    show(report, console)
    return console.export_text()


def test_the_report_of_a_sink_station_tells_every_test_with_what_it_found(tmp_path):
    registry(tmp_path, **PLACE)
    start, columns = days()
    write(tmp_path / "tower.csv", start, columns)
    report = report_of_case("ABC", the_case(tmp_path))
    # of the file's 15 days, those of the case
    assert (len(report.rows), report.time.size) == (48, 24)
    assert is_used(report.flag).sum() == 21
    lines = [line.split() for line in text_of(report).partition("24 hours, 21 used")[2].splitlines() if line.strip()]

    def line(name):
        """The line of a test: threshold, samples, hours, and what follows from it."""
        return next(" ".join(words[3:]) for words in lines if " ".join(words[:2]) == name)

    assert line("low turbulence") == "friction velocity below 0.2 m s-1 2 1 bad, not used"
    assert line("gap filled") == "NEE_QC not 0 2 1 bad, not used"
    assert line("spike 1").endswith("difference, 7 sigma of 15 days 1 1 not in the hour's mean")
    assert line("range fail") == "outside -100 to 100 umol m-2 s-1 bad, not used"
    assert line("flat line") == "120 min within 0 umol m-2 s-1 bad, not used"
    draw_quality(report, tmp_path / "qc.png")
    assert matplotlib.image.imread(tmp_path / "qc.png")[..., :3].std() > 0.05


def test_a_turbulence_flag_is_told_by_day_and_night(tmp_path):
    registry(tmp_path, **PLACE)
    start, columns = days()
    write(tmp_path / "tower.csv", start, columns)
    turbulent = TOWER + 'quality_means = "turbulence"\naccepted = [0, 1]\n'
    report = report_of_case("ABC", the_case(tmp_path, turbulent))
    assert report.tests[Flag.LOW_TURBULENCE].endswith("NEE_QC not 0 or 1 by day, 0 at night")
    assert Flag.GAP_FILLED not in report.tests


def test_stations_and_sink_stations_are_found_by_name_and_a_refused_file_says_why(tmp_path):
    registry(tmp_path, **PLACE)
    (tmp_path / "tower.csv").write_text("a,b\n1,2\n")
    case = the_case(tmp_path)
    with pytest.raises(FormatError, match="the heading must hold TIMESTAMP_START"):
        report_of_case("ABC", case)
    with pytest.raises(RegistryError, match=r"must name one feed of the case.*ABD at 50 m, ABC at 50 m"):
        report_of_case("ABX", case)


def year(threshold, *, seed=1, size=17520):
    """A year of half hours at the equator: by night respiration of which calm air carries a part, half of it filled."""
    random = np.random.default_rng(seed)
    friction = 0.45 * random.weibull(2, size)
    temperature = 12 + 3 * random.normal(size=size)
    flux = 5 * np.exp(0.06 * (temperature - 12)) * np.minimum(1, friction / threshold) + random.normal(0, 1, size)
    quality = random.integers(0, 2, size)
    # what was filled knows nothing of the air, and by day there is uptake
    flux[quality == 1] = 5.0
    hour = np.arange(size) % 48 / 2
    light = np.where((hour >= 6) & (hour < 18), 500.0, 0.0)
    flux[light > 0] -= 20
    return {"NEE": flux, "NEE_QC": quality, "USTAR": friction, "TA": temperature, "SW_IN": light}


def test_a_year_of_files_tells_the_threshold_and_where_to_put_it(tmp_path):
    registry(tmp_path, **PLACE)
    columns = year(0.3)
    half = {name: (row[:9000], row[8900:]) for name, row in columns.items()}
    paths = [
        write(tmp_path / "a.csv", "2023-01-01", {name: row[0] for name, row in half.items()}),
        write(tmp_path / "b.csv", "2023-07-05T10:00", {name: row[1] for name, row in half.items()}),
    ]
    names = FluxColumns("NEE", "NEE_QC", "USTAR", temperature="TA", radiation="SW_IN")
    found = friction_of_files("ABC", paths, names, forest=True, tables=[tmp_path / "table.csv"])
    last = found.thresholds[-1]
    assert last.middle == pytest.approx(0.3, rel=0.08)
    # measured half hours of night, those in both files once, less a spike or two
    night = (columns["SW_IN"] == 0) & (columns["NEE_QC"] == 0)
    assert night.sum() - 20 < last.rows <= night.sum()
    said = text_of(found, print_friction)
    assert f"put friction_least = {last.middle:.2f} into the [[sinks]] section of ABC" in said
    assert all(season in said for season in ("Jan to Mar", "Apr to Jun", "Jul to Sep", "Oct to Dec", "year"))
    with pytest.raises(TimeError, match="takes a full year: nights 360 days apart; got '187 days'"):
        friction_of_files("ABC", paths[:1], names, forest=True, tables=[tmp_path / "table.csv"])


def test_where_no_season_has_a_plateau_the_advice_is_that_of_a_tower_without_a_year(tmp_path):
    registry(tmp_path, **PLACE)
    columns = year(0.3)
    columns["NEE"] = columns["USTAR"] ** 2
    path = write(tmp_path / "a.csv", "2023-01-01", columns)
    names = FluxColumns("NEE", "NEE_QC", "USTAR", temperature="TA")
    found = friction_of_files("ABC", [path], names, forest=False, tables=[tmp_path / "table.csv"])
    assert "no season shows a plateau: set friction_least to 0.2 or 0.3, and say so" in text_of(found, print_friction)


def test_what_is_no_file_of_a_tower_is_refused(tmp_path):
    registry(tmp_path, **PLACE)
    names = FluxColumns("NEE", "NEE_QC", "USTAR", temperature="TA")
    with pytest.raises(InputError, match="files of the tower must be given"):
        friction_of_files("ABC", [], names, forest=False)
    path = write(tmp_path / "a.csv", "2023-01-01", year(0.3, size=48))
    path.write_text(path.read_text().replace("20230", "x"))
    with pytest.raises(TimeError):
        friction_of_files("ABC", [path], names, forest=False, tables=[tmp_path / "table.csv"])


def test_a_real_year_at_hyltemossa_tells_a_forests_threshold():
    names = FluxColumns("FC_PI_1_1_1", None, "USTAR_1_1_1", temperature="TA_1_1_1", radiation="SW_IN_1_1_1")
    found = friction_of_files("SE_HTM", [shared_data() / "stations" / "SE-Htm_2017.csv"], names, forest=True)
    *seasons, last = found.thresholds
    assert [one.rows for one in seasons] == [1189, 1168, 1183, 2372]
    # most in summer, when there is most to lose; a forest's is 0.1 to 0.5 m s-1
    assert last.middle == pytest.approx(0.33, abs=0.02)
    assert 0.2 < last.low < last.middle < last.high < 0.6
    assert all(one.middle < last.middle for one in (seasons[0], seasons[1], seasons[3]))
