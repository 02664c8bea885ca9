"""Faults harm the hours they say and no other, and quality control finds what it promises in the files."""

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.osse.case_file import FAULTS as RECORD
from pipeline.osse.case_file import write_case
from pipeline.osse.detect import detect, print_detection
from pipeline.osse.faults import FAULTS, OWN, Feed, fault_names, hourly, read_record, spans, victims, with_faults
from pipeline.osse.make import _fresh
from pipeline.osse.network import sites
from pipeline.osse.observations import Air, write_feeds
from pipeline.osse.plan import Plan
from pipeline.schema import hours_between
from pipeline.settings import read_settings

HOURS = 168
ALL = sites(Plan(seed=1).observed[0], spectrometers=28, micro=80)


def sound(per_hour, seed=2):
    rng = np.random.default_rng(seed)
    return Feed(430 + rng.normal(0, 3, HOURS * per_hour), per_hour, np.zeros(HOURS, dtype=bool))


#: of the draws in which every station with a fault of clock or unit has spectrometers near, the first
DRAW = 38


def case(folder, faults, *, days=7):
    """Files of twenty stations over a week of air that piles up at night, with faults."""
    plan = Plan(seed=1, draw=DRAW, hours=24 * days, spectrometers=8, micro=12, sinks=0, columns=False, faults=faults)
    folder.mkdir(parents=True, exist_ok=True)
    _fresh(folder)
    air_sites = sites(plan.observed[0], spectrometers=plan.spectrometers, micro=plan.micro)
    path = folder / "case.toml"
    write_case(path, plan, air_sites)
    times = hours_between(*plan.observed)
    local = (np.arange(times.size) + 8) % 24
    shared = 425 + np.where(local < 7, 3.0 * (local + 5), np.where(local < 10, 36 - 12.0 * (local - 7), 0.0))
    noise = np.random.default_rng(3).normal(0, 1.0, (len(air_sites), times.size))
    steady = np.full((len(air_sites), times.size), 300.0)
    air = Air(times, shared + noise, steady, steady)
    write_feeds(folder, plan, read_settings(path), air_sites, air, np.random.default_rng(7))
    return folder


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in FAULTS for kind in ("micro", "city") if kind in FAULTS[name].classes]
)
def test_hours_that_are_not_harmed_are_as_they_were(name, kind):
    mine = [s for s in ALL if s.station.station_class == kind]
    before = sound(1 if kind == "micro" else 60)
    tried = 0
    for seed in range(60):
        site = next((s for s in mine if s.id in victims(name, ALL, seed)), None)
        if site is None:
            continue
        after, ((told, harmed),) = with_faults(before, site, [name], ALL, seed)
        tried += 1
        assert told == name
        assert harmed.any()
        apart = ~before.samples(harmed)
        np.testing.assert_array_equal(after.values[apart], before.values[apart])
    assert tried > 10


def test_a_fault_is_the_same_whatever_other_faults_there_are():
    site = next(s for s in ALL if s.id in victims("humid", ALL, 5) and s.id not in victims("stuck", ALL, 5))
    alone = with_faults(sound(1), site, ["humid"], ALL, 5)
    among = with_faults(sound(1), site, ["stuck", "humid"], ALL, 5)
    np.testing.assert_array_equal(alone[0].values, among[0].values)


def test_the_share_of_stations_that_have_a_fault_is_the_stated_one():
    for name, fault in FAULTS.items():
        may = [s.id for s in ALL if s.station.station_class in fault.classes]
        had = victims(name, ALL, 9)
        assert set(had) <= set(may)
        assert len(had) == max(1, round(fault.share * len(may)))
        assert had != victims(name, ALL, 10)


def test_spans_cover_just_the_harmed_hours():
    harmed = np.array([True, False, True, True, False, True])
    start = np.datetime64("2024-07-15T00", "ns")
    rows = pd.DataFrame(spans("stuck", "A", start, harmed))
    covered = [t for row in rows.itertuples() for t in pd.date_range(row.start, row.end, freq="h", inclusive="left")]
    assert covered == [start + np.timedelta64(i, "h") for i in np.flatnonzero(harmed)]


def test_hourly_means_leave_out_what_is_missing():
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(hourly(values, 3), [2.0, np.nan])


def test_faults_are_named_from_a_list():
    assert fault_names("all") == tuple(FAULTS)
    with pytest.raises(InputError, match=r"a known one.*'zones'.*stuck"):
        Plan(seed=1, faults=fault_names("zones"))
    with pytest.raises(InputError, match="a matched case has no faults"):
        Plan(seed=1, faults=("zone",), matched=True)


def test_a_case_without_faults_is_refused(tmp_path):
    case(tmp_path, (), days=1)
    assert not (tmp_path / RECORD).exists()
    with pytest.raises(InputError, match="must have faults"):
        detect(tmp_path)


def test_station_files_of_sound_stations_are_the_same_bytes_with_and_without(tmp_path):
    clean, harmed = case(tmp_path / "clean", (), days=1), case(tmp_path / "harmed", ("unit",), days=1)
    hit = set(read_record(harmed / RECORD).query("fault == 'unit'")["station"].str.lower())
    assert hit
    for path in sorted((clean / "stations").iterdir()):
        same = path.read_bytes() == (harmed / "stations" / path.name).read_bytes()
        assert same == (path.name.split(".")[0] not in hit)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What became of each kind by itself."""
    folder = tmp_path_factory.mktemp("faults")
    kinds = ("stuck", "zone", "unit", "fills", "humid", "outage", "conflict", "page")
    return {name: detect(case(folder, (name,))) for name in kinds}


#: share of a kind's hours that is not used, or mended, at least
LEAST = {"stuck": 0.99, "zone": 0.95, "unit": 0.99, "fills": 0.97, "humid": 0.99, "outage": 1.0, "conflict": 0.99,
         "page": 1.0}  # fmt: skip


@pytest.mark.parametrize("name", LEAST)
def test_a_fault_is_kept_out_or_mended(found, name):
    row = found[name].faults.set_index("fault").loc[name]
    assert row["hours"] > 20
    assert row["lost"] + row["mended"] >= LEAST[name] * row["hours"]
    assert row[["lost", "mended", "flagged", "unnoticed"]].sum() == row["hours"]


def test_sound_hours_are_left_alone(found):
    for name, one in found.items():
        assert one.sound > 500, name
        # air that changes by 12 ppm an hour is truly uneven within it; a lag alarm takes a week of a station
        others = sum(share for test, share in one.alarms.items() if test != "hourly spread")
        assert others < 0.005, (name, one.alarms)


def test_the_faults_an_instrument_has_by_itself_are_told_too(tmp_path, capsys):
    folder = case(tmp_path, ("page",))
    assert OWN in set(detect(folder).faults["fault"])
    print_detection(folder)
    text = capsys.readouterr().out
    assert "page" in text
    assert "100 %" in text
