"""Processes that make footprints of the same hours at the same time leave each other's rows and wait for each other."""

import threading
import time

import numpy as np
import pytest
import weather_cases as cases

from pipeline.errors import StoreError
from pipeline.footprints import made_footprints
from pipeline.transport import writing


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    cases.write_hours(folder, range(12))
    return folder


def shared():
    """Settings of a process beside which others trace."""
    case = cases.settings()
    return case.model_copy(update={"transport": case.transport.keeping(cases.START)})


def window():
    return cases.START - 48 * cases.HOUR, cases.START + 48 * cases.HOUR


def rows(footprints):
    return set(footprints["key"].values.astype(str))


def some(receptors, chosen):
    return receptors.isel(obs=np.flatnonzero(chosen))


def test_rows_that_another_asks_for_stay_and_each_reads_its_own(root, tmp_path):
    every = cases.receptors()
    first = np.arange(every.sizes["obs"]) % 2 == 0
    one = cases.make(root, tmp_path, some(every, first), case=shared())
    two = cases.make(root, tmp_path, some(every, ~first), case=shared())
    again = cases.make(root, tmp_path, some(every, first), case=shared())
    assert again.computed == 0
    mine, _ = made_footprints(one, cases.GRID, window())
    others, _ = made_footprints(two, cases.GRID, window())
    assert (mine.sizes["obs"], others.sizes["obs"]) == (first.sum(), (~first).sum())
    assert not rows(mine) & rows(others)
    # and are those that one process alone makes
    alone, _ = made_footprints(cases.make(root, tmp_path / "alone", some(every, first)), cases.GRID, window())
    for name in ("footprint", "cell", "indptr"):
        np.testing.assert_array_equal(mine[name].values, alone[name].values)


def test_rows_that_another_run_wrote_over_are_made_again_and_never_missing(root, tmp_path):
    every = cases.receptors()
    first = np.arange(every.sizes["obs"]) % 2 == 0
    made = cases.make(root, tmp_path, some(every, first))
    # this one keeps nobody else's rows
    cases.make(root, tmp_path, some(every, ~first))
    found, _ = made_footprints(made, cases.GRID, window())
    assert found.sizes["obs"] == first.sum()


def test_rows_that_are_written_over_each_time_are_an_error(root, tmp_path):
    every = cases.receptors()
    first = np.arange(every.sizes["obs"]) % 2 == 0
    made = cases.make(root, tmp_path, some(every, first))

    def again():
        cases.make(root, tmp_path, some(every, ~first))
        return made

    made.again = again
    cases.make(root, tmp_path, some(every, ~first))
    with pytest.raises(StoreError, match="others in their place, 5 times"):
        made_footprints(made, cases.GRID, window())


def test_one_process_at_a_time_writes_an_hour(tmp_path):
    order = []

    def other():
        with writing(tmp_path, cases.START):
            order.append("other")

    with writing(tmp_path, cases.START):
        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.2)
        order.append("this")
    thread.join()
    assert order == ["this", "other"]


def test_weather_that_others_still_need_stays(root, tmp_path):
    before = {path.name for path in (tmp_path / "weather").glob("*.npz")}
    assert not before
    made = cases.make(root, tmp_path, case=shared())
    there = {path.name for path in (tmp_path / "weather").glob("*.npz")}
    assert len(there) == made.prepared
    from pipeline.footprints_weather import CaseWeather

    late = cases.START + 500 * cases.HOUR
    CaseWeather(shared().transport, cases.GRID, root, tmp_path / "weather").prune(late)
    assert {path.name for path in (tmp_path / "weather").glob("*.npz")} == there
    CaseWeather(cases.settings().transport, cases.GRID, root, tmp_path / "weather").prune(late)
    assert not list((tmp_path / "weather").glob("*.npz"))
