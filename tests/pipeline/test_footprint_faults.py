"""Bad weather and bad receptors: a named error or a counted loss, and the other receptors go on."""

import shutil
from pathlib import Path

import arl_cases
import era5_cases
import netCDF4
import numpy as np
import pytest
import weather_cases as cases

from pipeline.errors import ConfigError, FormatError, InputError, TimeError
from pipeline.footprints import made_footprints
from pipeline.grid import Grid
from pipeline.schema import HOUR
from pipeline.transport import REASONS, require_window_memory, slots_for, window_bytes

DAY = (cases.START, cases.START + 24 * HOUR)
ENDED = REASONS.index("weather ended")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return weather without fault, which no test changes."""
    folder = tmp_path_factory.mktemp("sound")
    cases.write_hours(folder, range(12))
    return folder


@pytest.fixture
def root(sound, tmp_path):
    """Return weather that a test may change."""
    return Path(shutil.copytree(sound, tmp_path / "weather"))


@pytest.fixture(scope="module")
def two_stations(sound, tmp_path_factory):
    """Return the bytes of an hour of BBB and CCC."""
    made = cases.make(sound, tmp_path_factory.mktemp("two"), cases.receptors(hours=(8,), stations=("BBB", "CCC")))
    return [path.read_bytes() for path in made.paths]


def reasons(folder, hour):
    found = cases.rows_of(folder / f"footprints/2025/05/20250501T{hour:02d}.nc")
    return {station: row["end_reason"] for (station, _), row in found.items()}


def ages(footprints):
    """Return the ages of the particles whose weather ended, s before their receptor's hour."""
    return footprints["end_age"].values[footprints["end_reason"].values == ENDED]


def test_particles_end_at_a_gap_and_are_counted(root, tmp_path):
    (root / "era5_05.nc").unlink()
    made = cases.make(root, tmp_path, cases.receptors(hours=(8,)))
    assert (made.computed, made.short, made.failures) == (3, 3, [])
    footprints, notes = made_footprints(made, cases.GRID, DAY)
    share = float(np.mean(footprints["end_reason"].values == ENDED))
    assert share > 0.2
    assert any(f"{share:.1%} weather ended" in note for note in notes)
    assert "footprints: 3 receptor(s) have less weather behind them than particles may travel" in notes
    # the weather behind the gap is not read: all stop at 6 o'clock
    np.testing.assert_allclose(ages(footprints), 2 * 3600.0, atol=1e-3)


def test_a_receptor_without_weather_fails_and_the_others_go_on(root, tmp_path):
    (root / "era5_08.nc").unlink()
    made = cases.make(root, tmp_path, cases.receptors(hours=(6, 7, 8, 10), stations=("AAA",)))
    # releases of 7 to 8 and of 8 to 9 o'clock need the weather of 8 o'clock
    assert made.failures == [
        "AAA at 2025-05-01T07:00:00: there is no weather at 2025-05-01T08:00",
        "AAA at 2025-05-01T08:00:00: there is no weather at 2025-05-01T08:00",
    ]
    assert made.computed == 2
    _, notes = made_footprints(made, cases.GRID, DAY)
    assert any("2 receptor(s) have none: AAA at 2025-05-01T07" in note for note in notes)


def test_weather_that_ends_before_the_particles_do_is_counted(sound, tmp_path):
    made = cases.make(sound, tmp_path, cases.receptors(hours=(2, 9)))
    assert (made.computed, made.short) == (6, 3)
    early = np.concatenate(list(reasons(tmp_path, 2).values()))
    assert np.mean(early == ENDED) > 0.2
    assert not np.any(np.concatenate(list(reasons(tmp_path, 9).values())) == ENDED)


@pytest.mark.parametrize("field", ["u", "t", "blh"])
def test_an_hour_with_missing_values_is_like_a_missing_hour(root, tmp_path, field):
    cases.write_hour(root, 5, change={field: era5_cases.holed})
    rows = cases.receptors(hours=(4, 5, 8), stations=("AAA", "CCC"))
    made = cases.make(root, tmp_path / "holed", rows)
    assert made.computed == 2
    assert len(made.failures) == 4
    assert all(sentence.endswith("the weather at 2025-05-01T05:00 cannot be used") for sentence in made.failures)
    assert len(made.weather) == 1
    assert "the weather at 2025-05-01T05:00 cannot be used, particles end there: era5_05.nc" in made.weather[0]
    _, notes = made_footprints(made, cases.GRID, DAY)
    assert f"footprints: {made.weather[0]}" in notes
    (root / "era5_05.nc").unlink()
    missing = cases.make(root, tmp_path / "missing", rows)
    assert cases.contents(tmp_path / "holed", "*.nc") == cases.contents(tmp_path / "missing", "*.nc")
    assert len(missing.failures) == 4


def test_a_mended_hour_makes_the_footprints_that_were_cut_short(root, tmp_path):
    cases.write_hour(root, 5, change={"u": era5_cases.holed})
    rows = cases.receptors(hours=(8,))
    cases.make(root, tmp_path / "mended", rows)
    cases.write_hour(root, 5)
    made = cases.make(root, tmp_path / "mended", rows)
    # with the three hours behind it, which nobody read before
    assert (made.computed, made.prepared, made.weather, made.short) == (3, 4, [], 0)
    cases.make(root, tmp_path / "sound", rows)
    assert cases.contents(tmp_path / "mended", "*.nc") == cases.contents(tmp_path / "sound", "*.nc")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"height": -1.0}, "its height, -1 m, is not between the ground and the lid"),
        ({"height": 4001.0}, "its height, 4001 m, is not between the ground and the lid"),
        ({"height": np.nan}, "its height, nan m, is not between the ground and the lid"),
        ({"lon": 9.06}, "it lies outside the flux grid, at 9.060 E 49.400 N"),
        ({"lat": 48.0}, "it lies outside the flux grid, at 8.550 E 48.000 N"),
    ],
)
def test_a_receptor_where_nothing_can_be_traced_is_told(sound, two_stations, tmp_path, change, why):
    rows = cases.receptors(hours=(8,))
    for name, value in change.items():
        rows[name][rows["station"].values == "AAA"] = value
    made = cases.make(sound, tmp_path, rows)
    assert made.failures == [f"AAA at 2025-05-01T08:00:00: {why}"]
    assert [path.read_bytes() for path in made.paths] == two_stations


def test_a_receptor_beyond_the_weathers_last_centre_is_told(sound, tmp_path):
    # the outermost centre lies at 9.25 E: inside the outermost cell there are no winds beyond it
    wide = Grid.from_centres("EPSG:4326", 8.3 + 0.1 * np.arange(12), 49.2 + 0.1 * np.arange(6))
    rows = cases.receptors(hours=(8,))
    rows["lon"][0] = 9.3
    made = cases.make(sound, tmp_path, rows, grid=wide)
    assert made.failures == ["AAA at 2025-05-01T08:00:00: it lies outside the weather, at 9.300 E 49.400 N"]
    assert made.computed == 2


def test_a_case_of_failures_alone_is_refused_with_their_text(sound, tmp_path):
    made = cases.make(sound, tmp_path, cases.receptors(height=-1.0))
    assert (len(made.failures), made.paths) == (6, [])
    with pytest.raises(InputError, match=r"at least one receptor must have a footprint.*height, -1 m"):
        made_footprints(made, cases.GRID, DAY)


def test_a_truncated_arl_file_is_refused_by_name(tmp_path):
    path = arl_cases.write(tmp_path / "weather.arl", arl_cases.weather())
    path.write_bytes(path.read_bytes()[:-100])
    case = cases.settings(meteorology={"format": "arl", "files": ["weather.arl"]})
    with pytest.raises(FormatError, match=r"weather\.arl.*truncated"):
        cases.make(tmp_path, tmp_path, case=case)


def test_weather_of_two_grids_is_refused(root, tmp_path):
    with netCDF4.Dataset(root / "era5_07.nc", "a") as data:
        data["longitude"][:] += 0.25
    with pytest.raises(ConfigError, match=r"all weather must be on one grid; got 'another at 2025-05-01T07:00'"):
        cases.make(root, tmp_path)


def test_weather_at_half_past_is_refused(tmp_path):
    for hour in (0.5, 1.5, 2.5):
        era5_cases.write_cds(tmp_path / f"era5_{hour}.nc", hours=(hour,))
    with pytest.raises(TimeError, match=r"multiples of their step, 1 h; got '2025-05-01T00:30'"):
        cases.make(tmp_path, tmp_path)


def test_one_weather_time_is_too_few(tmp_path):
    cases.write_hours(tmp_path, [3])
    with pytest.raises(ConfigError, match=r"the weather must hold two times; got 1"):
        cases.make(tmp_path, tmp_path)


def test_weather_that_cannot_fit_in_memory_is_refused_with_its_size():
    grid = Grid.from_centres("EPSG:4326", 100 + 0.1 * np.arange(300), 20 + 0.1 * np.arange(200))
    needed = window_bytes(grid, 12_000.0, 28)
    require_window_memory(grid, 12_000.0, 3600.0, 28, available=needed)
    rule = r"must fit in memory; got '200 x 300 cells, 42 levels, 28 times of 1 h: 1.4 GiB of 1.4 GiB'"
    with pytest.raises(ConfigError, match=rule):
        require_window_memory(grid, 12_000.0, 3600.0, 28, available=needed - 1)
    with pytest.raises(ConfigError, match=r"in each of 4 processes: 5.5 GiB of 1.4 GiB"):
        require_window_memory(grid, 12_000.0, 3600.0, 28, copies=4, available=needed)


@pytest.mark.parametrize("step", [1800.0, 3600.0, 10_800.0])
def test_slots_hold_every_stretch_of_that_length(step):
    span = 26 * 3600.0
    for begin in np.arange(0.0, 10_800.0, 450.0):
        first, last = np.floor(begin / step), np.ceil((begin + span) / step)
        assert last - first + 1 <= slots_for(span, step)
