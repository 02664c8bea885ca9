"""Which hours of a window have weather, and how old the forecast is that carries them."""

import numpy as np
import pytest

from pipeline.errors import TimeError
from pipeline.ingest import forecast_leads, weather_hours
from pipeline.service.carrier import Carrier
from pipeline.settings import ForecastSettings, MeteorologySettings

START = np.datetime64("2024-07-15T00", "ns")
HOUR = np.timedelta64(1, "h")


def times(*hours):
    return np.array([START + hour * HOUR for hour in hours])


@pytest.mark.parametrize(
    ("there", "hour", "has"),
    [
        ((0, 1, 2), 1, True),
        ((0, 1, 2), 2, False),  # its end is missing
        ((0, 1, 3, 4), 1, False),  # a gap
        ((0, 1, 3, 4), 3, True),
        ((0, 3, 6), 1, True),  # every three hours: an hour lies between two of them
        ((0, 3, 6), 6, False),
        ((5,), 5, False),
        ((), 0, False),
    ],
)
def test_an_hour_has_weather_when_it_lies_in_a_stretch_without_gaps(there, hour, has):
    assert Carrier(times(*there), {}).has((START + hour * HOUR).astype("datetime64[h]")) == has


def test_footprints_made_elsewhere_bring_their_weather():
    assert Carrier(times(), {}, given=False).has(START)


def test_an_hour_is_as_old_a_forecast_as_the_older_of_its_ends():
    carrier = Carrier(times(0, 1, 2, 3), {START + 2 * HOUR: 8, START + 3 * HOUR: 9})
    assert [carrier.lead(START + hour * HOUR) for hour in range(3)] == [0, 8, 9]


@pytest.fixture
def weather(tmp_path, monkeypatch):
    """Files that hold the times in their names."""

    def put(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def held(kind, path, *stamp):
        return tuple(START + int(hour) * HOUR for hour in path.stem.split("_")[1:])

    monkeypatch.setattr("pipeline.ingest.meteorology._file_times", held)
    forecast = ForecastSettings(files=["fc/*/*"], lead_most=12)
    return tmp_path, put, MeteorologySettings(format="wrf", files=["an/*"], forecast=forecast)


def test_what_the_analysis_lacks_is_taken_of_the_newest_cycle_that_is_not_too_old(weather):
    root, put, settings = weather
    put("an/a_0_1_2", "fc/2024071418/f_1_2_3_4_5", "fc/2024071500/f_2_3_4", "fc/2024071406/f_5_6_7")
    hours = weather_hours(settings, root)
    names = {int((time - START) / HOUR): [path.parent.name for path in paths] for time, paths in hours.items()}
    # 5 is of the cycle of 18 o'clock, 11 hours old; that of 06 would be 23 hours old, which 6 and 7 are left out for
    assert names == {0: ["an"], 1: ["an"], 2: ["an"], 3: ["2024071500"], 4: ["2024071500"], 5: ["2024071418"]}
    leads = {int((time - START) / HOUR): lead for time, lead in forecast_leads(settings, root).items()}
    assert leads == {3: 3, 4: 4, 5: 11}


def test_a_path_that_tells_no_cycle_is_refused(weather):
    root, put, settings = weather
    put("an/a_0_1", "fc/newest/f_2")
    with pytest.raises(TimeError, match="the path of a forecast must tell its cycle"):
        weather_hours(settings, root)
