"""Columns beside stations in one problem: each observation has the representation error of its own section."""

import numpy as np
import pipeline_windows as windows
import pytest

from pipeline.errors import SolverError
from pipeline.inversion import assemble
from pipeline.settings import ColumnSettings

COLUMNS = [
    {"id": "OCO2", "format": "openmethane", "files": ["*"], "representation_error": 0.75},
    {"id": "OCO2_ML", "format": "openmethane", "files": ["*"], "representation_error": 2.0},
]


def problem(instruments, columns=COLUMNS, platform="satellite"):
    """Return the window with its first rows turned into soundings of these instruments, and what it assembles to."""
    random = np.random.default_rng(8)
    observed = windows.observations(random)
    chosen = 6 + np.arange(len(instruments))
    station, kind = (observed[name].values.astype(object) for name in ("station", "platform"))
    height = observed["height"].values.copy()
    for row, instrument in zip(chosen, instruments, strict=True):
        station[row], kind[row], height[row] = f"{instrument}-20240715T0600{row:02d}+28.500+118.500", platform, 6000.0
    observed = observed.assign(
        {
            name: ("obs", values, observed[name].attrs)
            for name, values in (("station", station), ("platform", kind), ("height", height))
        }
    )
    rows = windows.footprints(random, observed)
    settings = windows.settings().model_copy(
        update={"columns": [ColumnSettings.model_validate(column) for column in columns]}
    )
    carried, prior = windows.background(rows), windows.fluxes(random)
    return observed, assemble(settings, windows.GRID, observed, rows, carried, prior)


def test_a_sounding_has_the_error_of_its_instrument():
    observed, assembled = problem(["OCO2", "OCO2_ML", "OCO2"])
    station = observed["station"].values[assembled.air.rows].astype(str)
    first = np.array([name.split("-")[0] for name in station])
    error = np.sqrt(assembled.problem.variance - 0.2**2)
    expected = {"AAA": 1.0, "BBB": 3.0, "OCO2": 0.75, "OCO2_ML": 2.0}
    np.testing.assert_allclose(error, [expected[name] for name in first], rtol=1e-12)
    assert (first == "OCO2").sum() == 2
    assert (first == "OCO2_ML").sum() == 1


@pytest.mark.parametrize(
    ("platform", "columns", "named"),
    [
        ("satellite", COLUMNS[1:], r"got 'OCO2-20240715T060006\+28.500\+118.500 at 6000 m \(satellite\)'"),
        # a station is looked for by its whole id and height, whatever the instruments are called
        ("mobile", COLUMNS, r"got 'OCO2-20240715T060006\+28.500\+118.500 at 6000 m \(mobile\)'"),
    ],
)
def test_an_observation_of_no_section_is_refused_by_name(platform, columns, named):
    with pytest.raises(SolverError, match=named):
        problem(["OCO2"], columns, platform)


def test_soundings_do_not_touch_the_stations_beside_them():
    _, alone = problem([])
    _, beside = problem(["OCO2"])
    kept = np.isin(beside.air.rows, alone.air.rows) & (beside.air.rows != 6)
    assert kept.sum() == alone.air.rows.size - 1
    np.testing.assert_array_equal(
        beside.problem.variance[kept], alone.problem.variance[np.isin(alone.air.rows, beside.air.rows[kept])]
    )
