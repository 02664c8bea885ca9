"""A simulated drive is read back as the air of the model's cells; exhaust, lost positions and jumps are found."""

import numpy as np
import pytest

import station_meta
from pipeline.ingest.mobile import read_mobile
from pipeline.osse.case_file import mobile_file, write_case
from pipeline.osse.drives import round_trip, write_drive
from pipeline.osse.network import laboratory, sites
from pipeline.osse.plan import Plan
from pipeline.schema import Flag, instruments
from pipeline.settings import read_settings

PLAN = Plan(seed=1, hours=24, mobile=True)
START = PLAN.observed[0]


@pytest.fixture(scope="module")
def drive():
    return round_trip(laboratory(START), START)


@pytest.fixture(scope="module")
def read(drive, tmp_path_factory):
    """(segments, receptors, account) of a drive through air that rises evenly from 430 to 440 ppm."""
    folder = tmp_path_factory.mktemp("drive")
    write_case(folder / "case.toml", PLAN, sites(START, spectrometers=1, micro=0), laboratories=[drive.site])
    air = np.linspace(430, 440, drive.receptors().sizes["obs"])
    write_drive(folder / mobile_file(drive.site), drive, air, np.random.default_rng(4))
    segments, receptors, (account,) = read_mobile(read_settings(folder / "case.toml"), folder, station_meta.load())
    return segments, receptors, account


def test_a_drive_stays_within_the_round_and_moves_at_the_speed_it_tells(drive):
    km = 111.2 * np.hypot(np.diff(drive.lat), np.diff(drive.lon) * np.cos(np.radians(drive.site.station.lat)))
    np.testing.assert_allclose(3600 * km, drive.speed[1:], atol=0.6)
    assert np.abs(drive.lat - drive.site.station.lat).max() < 0.04


def test_segments_are_the_air_of_the_cells_and_a_street_more(drive, read):
    segments, receptors, _ = read
    second = (receptors["time"].values - drive.time[0]) / np.timedelta64(1, "s")
    above = segments["value"].values - np.interp(second, [0, drive.time.size - 1], [430, 440])
    # the street adds the mean size of noise of 2 ppm; the median of a segment sees little of plumes of seconds
    assert np.median(above) == pytest.approx(1.35, abs=0.5)
    assert np.quantile(above, 0.9) < 5


def test_exhaust_lost_positions_and_jumps_are_told_in_the_account(read):
    _, _, account = read
    text = " ".join(account.rows)
    for word in ("exhaust", "quality", "jumps"):
        assert word in text
    assert sum(account.rows.values()) == account.rows_read


def test_segments_are_held_out_and_lead_back_to_their_laboratory(drive, read):
    segments, receptors, _ = read
    assert (segments["flag"].values & np.uint32(Flag.HELD_OUT)).all()
    assert set(instruments(segments["station"].values, segments["platform"].values)) == {drive.site.id}
    assert receptors.sizes["obs"] == segments.sizes["obs"] > 50


def test_a_matched_case_and_a_morning_have_no_drive():
    assert PLAN.drives
    assert not Plan(seed=1, hours=24, mobile=True, matched=True).drives
    assert not Plan(seed=1, hours=4, mobile=True).drives
