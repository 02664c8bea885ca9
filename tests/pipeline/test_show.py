"""What is shown of soundings and of small totals, and what is said when the background dominates."""

import dataclasses

import matplotlib.image
import numpy as np
import pipeline_windows as windows
import pytest
from rich.console import Console

from pipeline.inversion import assemble, constraint_notes, leave_out_groups, posterior
from pipeline.settings import ColumnSettings
from pipeline.show import draw, print_account
from pipeline.units import SPECIES

COLUMN = {"id": "OCO2", "format": "openmethane", "files": ["*"], "representation_error": 0.75}


def observations(random, hours=(12, 13), only=False):
    """Return the window with station BBB's rows of these hours of the day, or every row but them, as soundings."""
    observed = windows.observations(random)
    hour = observed["time"].values.astype("datetime64[h]").astype(int) % 24
    sounding = np.isin(hour, hours) & (observed["station"].values == "BBB")
    station, kind = (observed[name].values.astype(object) for name in ("station", "platform"))
    height = observed["height"].values.copy()
    for row in np.flatnonzero(sounding):
        station[row] = f"OCO2-20240715T{hour[row]:02d}00{row:02d}+28.750+119.000"
        kind[row], height[row] = "satellite", 6000.0
    changed = {"station": station, "platform": kind, "height": height}
    observed = observed.assign({name: ("obs", v, observed[name].attrs) for name, v in changed.items()})
    return observed.isel(obs=np.flatnonzero(sounding)) if only else observed


@pytest.fixture(scope="module")
def solved():
    random = np.random.default_rng(8)
    observed = observations(random)
    rows = windows.footprints(random, observed)
    settings = windows.settings().model_copy(update={"columns": [ColumnSettings.model_validate(COLUMN)]})
    inputs = observed, rows, windows.background(rows), windows.fluxes(random)
    assembled = assemble(settings, windows.GRID, *inputs)
    solution = windows.solved(assembled.problem)
    result = posterior(settings, windows.GRID, windows.regions(), observed, windows.TIME, assembled, solution)
    result.attrs.update(account="", notes="a note")
    return result, solution


def printed(result, *, full=False):
    console = Console(width=160)
    with console.capture() as capture:
        print_account(result, console, full=full)
    return capture.get()


def cells(text, title):
    """The rows of one table, as cells of text."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(title))
    end = next(at for at, line in enumerate(lines) if at > first and line.startswith("└"))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines[first:end] if line.startswith("│")]
    assert rows
    return rows


def test_soundings_of_an_instrument_are_one_row(solved):
    lines = [line for line in printed(solved[0]).splitlines() if "OCO2 columns" in line]
    assert len(lines) == 1
    assert [cell.strip() for cell in lines[0].split("│")[1:5]] == ["OCO2 columns, 2 soundings", "6000", "2", "2"]


def test_the_picture_has_a_panel_for_the_instrument(solved, tmp_path):
    result = solved[0]
    draw(result, tmp_path / "with.png")
    stations = result.isel(obs=np.flatnonzero(result["obs_platform"].values.astype(str) != "satellite"))
    draw(stations, tmp_path / "without.png")
    heights = [matplotlib.image.imread(tmp_path / f"{name}.png").shape[0] for name in ("with", "without")]
    assert heights[0] - heights[1] == pytest.approx(2.6 * 110, abs=1)


def rows_of(result, sector):
    return [line.split("│")[3].strip() for line in printed(result).splitlines() if f"│ {sector} " in line]


@pytest.mark.parametrize(
    ("total", "sigma", "unit", "shown"),
    [
        (48.39e3, 8.6e3, "kt CO2", "48.39 ± 8.60"),
        (5.123456e6, 1.234e6, "kt CO2", "5123 ± 1234"),
        (0.04839, 0.0086, "t CO2", "0.04839 ± 0.00860"),
        (3e-9, 1.5e-9, "t CO2", "3.00e-09 ± 1.50e-09"),
        (7.0, 0.0, "t CO2", "7 ± 0"),
    ],
)
def test_a_total_shows_three_digits_of_its_sigma(solved, total, sigma, unit, shown):
    result = solved[0].copy()
    for name in ("region_prior", "region_posterior"):
        result[name] = result[name] * 0 + total
        result[f"{name}_std"] = result[name] * 0 + sigma
    assert unit in printed(result)
    assert set(rows_of(result, "biosphere")) == {shown}


def groups(observed):
    return leave_out_groups(*(observed[name].values for name in ("station", "platform", "time")))


def test_a_sounding_is_left_out_with_its_whole_overpass():
    observed = observations(np.random.default_rng(8))
    group = groups(observed)
    assert set(group) == {"AAA", "BBB", "OCO2 2024-07-15T12", "OCO2 2024-07-15T13"}
    overpasses = observations(np.random.default_rng(8), only=True)
    assert len(set(groups(overpasses))) == overpasses.sizes["obs"] == 2
    one = overpasses.isel(obs=[0, 0, 0])
    assert set(groups(one)) == {"2024-07-15"}


def test_a_dominant_background_is_said_with_its_numbers(solved):
    solution = solved[1]
    flux = np.sqrt(np.mean(solution.signal_variance))
    error = solution.problem.errors[0]
    background = np.sqrt(np.mean(error.sigma**2))
    assert background == pytest.approx(1.0)
    for factor, says in ((0.5, False), (2.0, True)):
        changed = dataclasses.replace(error, sigma=error.sigma * factor * flux / background)
        problem = dataclasses.replace(solution.problem, errors=(changed,))
        notes = constraint_notes(dataclasses.replace(solution, problem=problem), SPECIES["co2"])
        assert bool(notes) == says
    assert notes == [
        f"the background dominates: errors of the prior fluxes move an observation by {flux:.3g} ppm, those of the "
        f"background by {2 * flux:.3g} ppm; the fluxes are little constrained"
    ]


def test_stations_are_listed_with_their_figures_the_most_deviant_first(solved):
    result = solved[0]
    rows = cells(printed(result), "stations, root mean square")
    chi2 = result["station_left_out_chi2"].values
    deviant = np.argsort(-np.abs(np.log(chi2)))
    assert [row[0] for row in rows] == [str(result["station_id"].values[at]) for at in deviant]
    worst = result.isel(station=int(deviant[0]))
    names = ("prior_rmse", "posterior_rmse", "left_out_rmse", "left_out_sigma", "left_out_chi2")
    assert rows[0][2:] == [str(int(worst["station_count"])), *(f"{float(worst[f'station_{n}']):.3g}" for n in names)]


def test_only_twenty_stations_are_listed_unless_in_full(solved):
    many = solved[0].isel(station=np.arange(24) % solved[0].sizes["station"])
    assert len(cells(printed(many), "stations, root mean square")) == 20
    assert len(cells(printed(many, full=True), "stations, root mean square")) == 24


def test_of_many_regions_the_first_levels_are_listed_unless_in_full(solved):
    result = solved[0]
    many = result.isel(region=np.arange(24) % result.sizes["region"])
    level = np.array(["province"] + ["city"] * 11 + ["county"] * 12, dtype=object)
    many = many.assign_coords(region_level=("region", level))
    # two sectors and their sum
    text = printed(many)
    assert len(cells(text, "regional totals")) == 3 * 12
    assert "12 smaller regions: `tianyan show STORE --full`" in text
    assert len(cells(printed(many, full=True), "regional totals")) == 3 * 24


def test_classes_are_listed_with_their_chi2(solved):
    result = solved[0]
    rows = {row[0]: row[1:] for row in cells(printed(result), "classes of observations")}
    assert set(rows) == {"city", "satellite"}
    at = result["platform_id"].values.tolist().index("city")
    assert rows["city"][1] == f"{float(result['platform_chi2'][at]):.3g}"


def held_out(result, name="OCO2", platform="satellite"):
    """The result with four hours of AAA as soundings that are held out, the first of them without a footprint."""
    changed = result.copy(deep=True)
    mine = np.flatnonzero(result["obs_station"].values == "AAA")[:4]
    station, kind, reason = (changed[f"obs_{key}"].values.astype(object) for key in ("station", "platform", "reason"))
    station[mine] = [f"{name}-{at}" for at in range(4)]
    kind[mine], reason[mine] = platform, "flagged held out"
    for key, value in (("station", station), ("platform", kind), ("reason", reason)):
        changed[f"obs_{key}"] = ("obs", value)
    for key in ("prior", "posterior", "error"):
        changed[f"obs_{key}"].values[mine] = {"prior": 400.0, "posterior": 402.0, "error": 2.0}[key]
        changed[f"obs_{key}"].values[mine[0]] = np.nan
    changed["obs_value"].values[mine] = [999.0, 401.0, 403.0, 405.0]
    return changed


def test_what_is_held_out_is_compared_by_who_measured_it(solved):
    assert "held out, observed" not in printed(solved[0])
    # 1, 3, 5 above the prior; -1, 1, 3 above the posterior
    rows = cells(printed(held_out(solved[0], "TCCON")), "held out, observed minus modelled, ppm")
    fits = ["3", "+3", f"{np.sqrt(35 / 3):.3g}", "+1", f"{np.sqrt(11 / 3):.3g}", f"{np.sqrt(11 / 3) / 2:.3g}"]
    assert rows == [["TCCON", "satellite", *fits]]


def test_the_picture_has_one_panel_more_for_what_is_only_compared_with(solved, tmp_path):
    draw(held_out(solved[0]), tmp_path / "without.png")
    draw(held_out(solved[0], "VAN", "mobile"), tmp_path / "with.png")
    heights = [matplotlib.image.imread(tmp_path / f"{name}.png").shape[0] for name in ("with", "without")]
    assert heights[0] - heights[1] == pytest.approx(2.6 * 110, abs=1)


def test_a_result_without_regions_is_shown(solved, tmp_path):
    none = solved[0].isel(region=slice(0))
    assert "regional totals" not in printed(none)
    draw(none, tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 10_000


def test_offsets_and_towers_are_shown_only_where_there_are_some(solved):
    result = solved[0].copy()
    assert "offsets of sensors" not in printed(result)
    assert "towers" not in printed(result)
    used = result["obs_reason"].values == ""
    mine = used & (result["obs_station"].values == "BBB")
    result["obs_offset"] = ("obs", np.where(mine, -1.25, 0.0), result["obs_offset"].attrs)
    assert cells(printed(result), "offsets of sensors, ppm") == [["BBB", "10", "-1.25", "-1.25", "-1.25"]]
    for name, value in (("value", 2.0), ("prior", 1.0), ("posterior", 1.5)):
        result[f"tower_obs_{name}"] = ("tower_obs", np.array([value, 90.0]), {"units": "umol m-2 s-1"})
    result["tower_obs_station"] = ("tower_obs", np.array(["TTT", "TTT"], dtype=object))
    result["tower_obs_reason"] = ("tower_obs", np.array(["", "flagged"], dtype=object))
    assert cells(printed(result), "towers, mean flux") == [["TTT", "2", "1", "2", "1", "1.5"]]
