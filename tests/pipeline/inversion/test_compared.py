"""What is held out: the model says what it should be, exactly, and it moves nothing."""

from dataclasses import replace

import numpy as np
import pipeline_windows as windows
import pytest
import xarray as xr
from track_files import laboratory

from pipeline.inversion import LogRun, assemble, log_problem, passing, posterior, region_functionals, solve_log
from pipeline.inversion.compared import only_held_out
from pipeline.inversion.memory import plan, window_of
from pipeline.schema import HOUR, Flag, label
from pipeline.settings import ColumnSettings, OffsetSettings
from pipeline.units import SPECIES

#: what the model says of an observation
SAID = ("prior", "posterior", "background_prior", "background_posterior", "offset", "error")
SPECTROMETER = {"id": "TCCON", "format": "tccon", "files": ["*"], "representation_error": 0.7}


def settings(**solver):
    """The shared window with a drifting offset at BBB, an error of enhancements at AAA, a spectrometer and a van."""
    plain = windows.settings(precision="double", **solver)
    first, second = plain.stations
    stations = [
        first.model_copy(update={"enhancement_error": 0.3}),
        second.model_copy(update={"offset": OffsetSettings(sigma=3.0, hours=50.0)}),
    ]
    column = ColumnSettings.model_validate(SPECTROMETER | {"correlated_share": 0.5})
    return plain.model_copy(update={"stations": stations, "columns": [column], "mobile": [laboratory()]})


def held(observed, rows):
    """Some of the observations once more, held out, with another value."""
    twin = observed.isel(obs=rows)
    changed = {"flag": np.full(len(rows), Flag.HELD_OUT, np.uint32), "value": np.full(len(rows), 470.0)}
    return twin.assign({name: ("obs", new, observed[name].attrs) for name, new in changed.items()})


def joined(*parts):
    return label(xr.concat(parts, dim="obs", combine_attrs="override"), "observations")


def result_of(stated, observed, others):
    assembled = assemble(stated, windows.GRID, observed, *others)
    solution = windows.solved(assembled.problem)
    told = (stated, windows.GRID, windows.regions(), observed, windows.TIME, assembled, solution)
    return posterior(*told), assembled, solution


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    return observed, (rows, windows.background(rows), windows.fluxes(random))


@pytest.fixture(scope="module")
def alone(inputs):
    return result_of(settings(), *inputs)[0]


@pytest.fixture(scope="module")
def twins(inputs):
    """The result with a held-out twin of every observation, and the number of those that are not twins."""
    observed, others = inputs
    count = observed.sizes["obs"]
    return result_of(settings(), joined(observed, held(observed, np.arange(count))), others), count


def test_a_twin_of_a_used_observation_is_told_as_that_one_is(twins):
    (result, assembled, _), count = twins
    used = np.flatnonzero(result["obs_reason"].values[:count] == "")
    assert used.size == count - 2
    np.testing.assert_array_equal(assembled.compared.rows, np.delete(np.arange(count), 0) + count)
    for name in SAID:
        values = result[f"obs_{name}"].values
        np.testing.assert_allclose(values[count + used], values[used], rtol=1e-10, atol=1e-10, err_msg=name)
    offset = result["obs_offset"].values[count + used]
    assert np.abs(offset[result["obs_station"].values[used] == "BBB"]).min() > 1e-3
    assert np.abs(result["obs_posterior"] - result["obs_prior"]).values[used].max() > 0.5
    # the twin of a bad value is compared with, for its own flag is another
    assert np.isfinite(result["obs_posterior"].values[count + 3])
    assert np.isnan(result["obs_posterior"].values[[0, 3, count]]).all()


def test_what_is_held_out_changes_no_bit_of_the_solution(twins, alone):
    (result, _, _), count = twins
    first = result.isel(obs=np.arange(count))
    assert set(result["obs_reason"].values[count:]) == {"flagged held out"}
    assert set(alone.data_vars) == set(result.data_vars)
    for name in alone.data_vars:
        np.testing.assert_array_equal(first[name].values, alone[name].values, err_msg=str(name))


def test_an_observation_behind_the_gate_is_no_part_of_what_is_compared(inputs):
    observed, others = inputs
    both = joined(observed, held(observed, np.arange(observed.sizes["obs"])))
    before = assemble(settings(), windows.GRID, both, *others)
    passed = np.ones(before.time.size, bool)
    passed[[2, 11, 12]] = False
    gone = before.air.rows[~passed[before.air.at]]
    after = passing(before, passed)
    flag = both["flag"].copy()
    flag[gone] |= np.uint32(Flag.INNOVATION)
    anew = assemble(settings(), windows.GRID, both.assign(flag=flag), *others)
    found, expected = (one.compared.modelled(windows.solved(one.problem)) for one in (after, anew))
    for name in SAID:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


def single(observed, name, platform, minute, **changes):
    """One observation of AAA's noon that stands for itself: a spectrum, or a segment of a drive."""
    one = held(observed, [24])
    time = one["time"].values + minute * np.timedelta64(1, "m")
    new = {"station": np.array([name], object), "platform": np.array([platform], object), "time": time}
    new |= {key: np.array([value]) for key, value in changes.items()}
    return one.assign({key: ("obs", value, observed[key].attrs) for key, value in new.items()})


@pytest.fixture(scope="module")
def singles(inputs):
    """A spectrum, a segment and a track of enhancements beside the stations, each with a footprint of its own."""
    observed, (rows, carried, fluxes) = inputs
    size = observed.sizes["obs"]
    unit = {"prior_part": "ppm", "kernel_sum": "1"}
    whole = {"prior_part": np.zeros(size), "kernel_sum": np.ones(size)}
    observed = observed.assign({key: ("obs", value, {"units": unit[key]}) for key, value in whole.items()})
    extra = [
        single(observed, "TCCON-20240715T120700", "satellite", 7, height=8000.0, prior_part=150.0, kernel_sum=0.6),
        single(observed, "VAN-20240715T121500", "mobile", 15, height=3.0),
        single(observed, "VAN-20240715T122200", "mobile", 22, height=3.0, kernel_sum=0.0),
    ]
    both = joined(observed, *extra)
    # noon's footprint of AAA is theirs; the first observation has none
    noon = 23
    rows_of = {name: rows[name].values for name in ("time", "station", "lon", "lat", "height")}
    more = {name: np.append(rows_of[name], both[name].values[size:]) for name in rows_of}
    start, end = rows["indptr"].values[noon : noon + 2]
    entries = np.concatenate([np.arange(rows.sizes["entry"]), *[np.arange(start, end)] * 3])
    indptr = np.append(rows["indptr"].values, rows["indptr"].values[-1] + np.arange(1, 4) * (end - start))
    footprints = xr.Dataset(
        {
            **{name: ("obs", value) for name, value in more.items()},
            "indptr": ("row_edge", indptr),
            **{name: ("entry", rows[name].values[entries]) for name in ("hour", "cell", "footprint")},
        },
        attrs=rows.attrs,
    )
    footprints = label(footprints, "footprints")
    background = windows.background(footprints)
    background["background"].values[: rows.sizes["obs"]] = carried["background"].values
    others = (footprints, background, fluxes)
    return both, size, result_of(settings(), both, others), others


def test_columns_segments_and_enhancements_are_told_by_their_own_operator(singles):
    both, size, (result, assembled, solution), (_, background, _) = singles
    assert assembled.compared.rows.tolist() == [size, size + 1, size + 2]
    at = int(np.flatnonzero(assembled.air.rows == 24)[0])
    problem = solution.problem
    row = problem.footprint[[at]].toarray()[0]
    # b^ - b of a place that sees all of the air, by the sum over the problem's observations
    error = next(error for error in problem.errors if error.name == "background")
    hours = (both["time"].values[size:] - windows.TIME[0]) / HOUR
    decay = np.exp(-np.abs(hours[:, None] - error.hours[None, :]) / error.e_folding)
    moved = settings().background.sigma * decay @ (error.sigma * solution.weights)
    sees, part = np.array([0.6, 1.0, 0.0]), np.array([150.0, 0.0, 0.0])
    carried = part + sees * background["background"].values[-3:]
    seen = {name: row @ flux.sum(axis=0).ravel() for name, flux in (("prior", problem.prior), ("now", solution.flux))}
    found = {name: result[f"obs_{name}"].values[size:] for name in SAID}
    np.testing.assert_allclose(found["background_prior"], carried, rtol=1e-12)
    np.testing.assert_allclose(found["prior"], carried + seen["prior"], rtol=1e-12)
    np.testing.assert_allclose(found["background_posterior"], carried + sees * moved, rtol=1e-10)
    np.testing.assert_allclose(found["posterior"], carried + sees * moved + seen["now"], rtol=1e-10)
    np.testing.assert_array_equal(found["offset"], 0.0)
    # the whole of a retrieval's error is stated, what it shares along its track too
    np.testing.assert_allclose(found["error"], np.hypot(0.2, [0.7, 5.0, 5.0]), rtol=1e-12)
    assert np.abs(moved).min() > 1e-3
    assert abs(seen["prior"] - seen["now"]) > 1e-2


def test_an_observation_used_with_a_boundless_error_is_told_alike(singles):
    both, size, (result, _, _), others = singles
    lab = laboratory(assimilate=True, representation_error=3e4)
    stated = settings().model_copy(update={"mobile": [lab]})
    flag = both["flag"].copy()
    flag[[size + 1, size + 2]] = 0
    used = result_of(stated, both.assign(flag=flag), others)[0]
    for name in ("prior", "posterior", "background_posterior"):
        mine = slice(size + 1, size + 3)
        np.testing.assert_allclose(used[f"obs_{name}"].values[mine], result[f"obs_{name}"].values[mine], atol=1e-5)


def test_another_flag_no_footprint_or_no_background_leaves_nothing_to_compare(singles):
    both, size, _, (rows, background, fluxes) = singles
    flag = both["flag"].copy()
    flag[size + 1] |= np.uint32(Flag.INCOMPLETE)
    carried = background.copy(deep=True)
    carried["background"].values[-3] = np.nan
    lost = rows["station"].values.astype(object)
    lost[-1] = "VAN-elsewhere"
    assembled = assemble(
        settings(), windows.GRID, both.assign(flag=flag), rows.assign(station=("obs", lost)), carried, fluxes
    )
    assert assembled.compared.rows.size == 0
    assert assembled.air.reason[size:].tolist() == [
        "flagged held out", "flagged incomplete, held out", "flagged held out",
    ]  # fmt: skip
    told = assembled.compared.modelled(windows.solved(assembled.problem))
    assert {name: values.shape for name, values in told.items()} == dict.fromkeys(SAID, (0,))


def test_only_the_flag_of_what_is_held_out_counts():
    bits = np.array([0, Flag.HELD_OUT, Flag.HELD_OUT | Flag.SPIKE, Flag.HELD_OUT | Flag.INSTRUMENT, Flag.MISSING])
    assert only_held_out(bits).tolist() == [False, True, True, False, False]


def test_twins_are_told_by_the_members_with_log_normal_sectors(inputs):
    observed, (rows, carried, fluxes) = inputs
    fluxes = fluxes.copy(deep=True)
    fluxes["flux"].values[0] = np.abs(fluxes["flux"].values[0])
    plain = settings(members=48)
    stated = plain.model_copy(
        update={"sectors": [plain.sectors[0].model_copy(update={"distribution": "lognormal"}), plain.sectors[1]]}
    )
    count = observed.sizes["obs"]
    both = joined(observed, held(observed, np.arange(count)))
    assembled = assemble(stated, windows.GRID, both, rows, carried, fluxes)
    problem = assembled.problem
    functionals = region_functionals(windows.regions(), SPECIES["co2"], windows.TIME.size, problem.prior.dtype)
    log = log_problem(problem, np.array([True, False]), ["anthropogenic", "biosphere"])
    solution, found = solve_log(log, iterations=8, functionals=functionals)
    told = (stated, windows.GRID, windows.regions(), both, windows.TIME, assembled, solution)
    result = posterior(*told, log=LogRun(log, found))
    used = np.flatnonzero(result["obs_reason"].values[:count] == "")
    for name in SAID:
        values = result[f"obs_{name}"].values
        np.testing.assert_allclose(values[count + used], values[used], rtol=1e-9, atol=1e-8, err_msg=name)


def test_rows_to_compare_with_are_in_the_plan_of_memory():
    window = window_of(windows.settings(), 30_000, 100)
    more = replace(window, compared=10**6)
    before, after = plan(window), plan(more)
    # float32 values and the numbers of cells
    assert after["operator"] - before["operator"] == 8 * 10**6
    assert {name for name in before if before[name] != after[name]} == {"operator"}
