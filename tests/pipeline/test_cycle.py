"""An hour of the cycle is a function of the case and the inputs: neighbours, order and what is kept change no bit."""

from pathlib import Path

import numpy as np
import pipeline_windows as windows
import pytest
import xarray as xr

from pipeline import case
from pipeline.case import AssembledCase, invert
from pipeline.cycle import solve_hour, window_settings
from pipeline.errors import ConfigError, TimeError
from pipeline.inversion import assemble
from pipeline.schema import HOUR, hours_between, label
from pipeline.settings import CycleSettings, input_root, read_settings, validated

FIRST, WINDOW, LAG, LEAD, BACK = np.datetime64("2024-07-15T12", "ns"), 14, 8, 6, 4
LATE = 3  # hours after which some observations come
TACOLNESTON = Path(__file__).resolve().parents[2] / "workflows" / "tacolneston.toml"
needs_data = pytest.mark.skipif(
    not (TACOLNESTON.parents[2] / "shared" / "data").is_dir(), reason="needs ../shared/data"
)


def settings(**cycle):
    found = windows.settings(members=2, seed=4)
    return found.model_copy(update={"cycle": CycleSettings(**{"window_hours": WINDOW, "lag_hours": LAG, **cycle})})


class World:
    """What there is to read at an hour; everything of an hour and station is drawn for itself."""

    def __init__(self, without=()):
        self.without = set(without)

    def stations(self, time, now):
        """Those whose observation of a time is there."""
        for number, station in enumerate(windows.STATIONS):
            at = int((time - FIRST) / HOUR)
            if not (number == 1 and at % 5 == 0 and now < time + LATE * HOUR) and (at, station) not in self.without:
                yield number, station

    def read(self, settings, grid, path, root, progress, *, scheduler=None):
        start, end = settings.case.observation_hours.bounds
        rows = [(t, *s) for t in hours_between(start, end) for s in self.stations(t, end - HOUR)]
        draws = [np.random.default_rng([number, int(t.astype(np.int64) // 10**9)]) for t, number, _ in rows]
        m = len(rows)
        station = np.array([s for _, _, s in rows], dtype=object)
        place = {
            "time": ("obs", np.array([t for t, _, _ in rows])),
            "station": ("obs", station),
            "lon": ("obs", np.array([windows.STATIONS[s][0] for s in station])),
            "lat": ("obs", np.array([windows.STATIONS[s][1] for s in station])),
            "height": ("obs", np.full(m, 10.0)),
        }
        observed = {
            "value": ("obs", np.array([400 + d.normal(0, 3) for d in draws])),
            "uncertainty": ("obs", np.full(m, 0.2)),
            "spread": ("obs", np.full(m, 0.5)),
            "count": ("obs", np.full(m, 60)),
            "flag": ("obs", np.zeros(m, dtype=np.uint32)),
            "platform": ("obs", np.full(m, "city", dtype=object)),
            "scale": ("obs", np.full(m, "WMO CO2 X2019", dtype=object)),
        }
        footprints = {
            "indptr": ("row_edge", 5 * BACK * np.arange(m + 1)),
            "hour": ("entry", np.concatenate([np.repeat(t - HOUR * np.arange(BACK), 5) for t, _, _ in rows])),
            "cell": (
                "entry",
                np.concatenate([d.choice(grid.size, 5, replace=False) for d in draws for _ in range(BACK)]),
            ),
            "footprint": ("entry", np.concatenate([d.exponential(0.15, 5 * BACK) for d in draws])),
        }
        background = {"background": ("obs", np.full(m, 399.0)), "exit_share": ("obs", np.ones(m))}
        attrs = {"species": "co2"}
        parts = [
            label(xr.Dataset({**place, **observed}, attrs=attrs), "observations"),
            label(xr.Dataset({**place, **footprints}, attrs=attrs), "footprints"),
            label(xr.Dataset({**{k: place[k] for k in ("time", "station")}, **background}, attrs=attrs), "background"),
            self.fluxes(hours_between(*settings.case.flux_hours.bounds), grid),
        ]
        assembled = assemble(settings, grid, *parts)
        return AssembledCase(parts[0], parts[3]["time"].values, assembled, [], [])

    def fluxes(self, time, grid):
        draws = [np.random.default_rng(int(t.astype(np.int64) // 10**9)) for t in time]
        flux = np.stack([d.normal([[[4.0]], [[-2.0]]], 1.0, (2, *grid.shape)) for d in draws], axis=1)
        dims = ("sector", "time", "y", "x")
        return label(
            xr.Dataset(
                {"flux": (dims, flux), "flux_std": (dims, 0.3 + 0.5 * np.abs(flux))},
                coords={"time": time, "sector": np.array(["anthropogenic", "biosphere"], dtype=object)},
                attrs={"species": "co2"},
            ),
            "fluxes",
        )


@pytest.fixture
def solved(monkeypatch):
    """Solve an hour of a world, instead of one of files."""
    monkeypatch.setattr(case, "make_regions", lambda *_: windows.regions())
    monkeypatch.setattr(case, "provenance", lambda *_: "")
    monkeypatch.setattr(case, "input_files", lambda *_: [])

    def solve(at, world=None, **options):
        monkeypatch.setattr(case, "assembled_case", (world or World()).read)
        return solve_hour(settings(), Path("case.toml"), Path(), FIRST + at * HOUR, **options)[0]

    return solve


def test_48_hours_one_after_the_other_are_48_hours_each_alone(solved, tmp_path):
    alone = [solved(at) for at in range(48)]
    for at in range(48):
        xr.testing.assert_identical(solved(at, cache=tmp_path / "in turn"), alone[at])
    # in any order, with and without what the others left
    for at in np.random.default_rng(1).permutation(48)[:8].tolist():
        xr.testing.assert_identical(solved(at, cache=tmp_path / "mixed"), alone[at])
        xr.testing.assert_identical(solved(at, cache=tmp_path / "in turn"), alone[at])
    # late observations were there, between known ones
    counts = [result.sizes["obs"] for result in alone]
    assert len(set(counts)) > 1


def test_a_late_observation_changes_the_hour_it_comes_to_as_if_it_had_always_been_there(solved, tmp_path):
    missing = World(without=[(-4, "AAA"), (-2, "BBB")])
    before = solved(0, missing, cache=tmp_path)
    after = solved(0, cache=tmp_path)
    assert after.sizes["obs"] == before.sizes["obs"] + 2
    xr.testing.assert_identical(after, solved(0))
    xr.testing.assert_identical(solved(1, cache=tmp_path), solved(1))
    xr.testing.assert_identical(solved(0, missing, cache=tmp_path), before)


def test_hours_newer_than_the_lag_are_provisional(solved):
    result = solved(3)
    time, status = result["time"].values, result["status"].values
    assert time[-1] == FIRST + 3 * HOUR
    assert time.size == WINDOW
    assert status.tolist() == ["final"] * (WINDOW - LAG) + ["provisional"] * LAG
    # the next hour makes one more final
    later = solved(4)
    assert later["status"].sel(time=time[WINDOW - LAG]) == "final"


def test_a_window_keeps_the_lead_before_its_first_observation():
    found = window_settings(settings(), FIRST).case
    assert found.flux_hours.bounds == (FIRST + HOUR - WINDOW * HOUR, FIRST + HOUR)
    assert found.observation_hours.bounds == (FIRST + HOUR - (WINDOW - LEAD) * HOUR, FIRST + HOUR)


@pytest.mark.parametrize(
    ("change", "hour", "kind", "text"),
    [
        ({"window_hours": LEAD, "lag_hours": 2}, FIRST, ConfigError, "6 hours of which 6 come before"),
        ({}, FIRST + np.timedelta64(30, "m"), TimeError, "must be whole"),
    ],
)
def test_a_window_that_cannot_be_is_refused(change, hour, kind, text):
    with pytest.raises(kind, match=text):
        window_settings(settings(**change), hour)


def test_a_case_without_the_section_is_refused():
    with pytest.raises(ConfigError, match=r"section \[cycle\]"):
        window_settings(windows.settings(), FIRST)


def test_a_lag_longer_than_the_window_is_refused():
    with pytest.raises(ConfigError, match="lag_hours 100 must not exceed window_hours 96"):
        validated(CycleSettings, {"lag_hours": 100})


@needs_data
def test_the_hour_whose_window_is_the_cases_own_is_the_case(tmp_path):
    plain = read_settings(TACOLNESTON)
    start, end = plain.case.flux_hours.bounds
    cycle = CycleSettings(window_hours=int((end - start) / HOUR), lag_hours=24)
    root = input_root(plain, TACOLNESTON)
    hourly = plain.model_copy(update={"cycle": cycle})
    whole, _ = invert(plain, TACOLNESTON, root)
    for _ in range(2):
        found, _ = solve_hour(hourly, TACOLNESTON, root, end - HOUR, cache=tmp_path)
        # the account counts the rows of the window's known hours only; every number is that of the case
        xr.testing.assert_equal(found.drop_vars("status"), whole)
