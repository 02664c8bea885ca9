"""A small run, and a store of hours with its numbers, made once for each file of tests."""

import pytest
import query_stores as stores


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return stores.run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def hours(run, tmp_path_factory):
    return stores.hours_of(run, tmp_path_factory.mktemp("hours")).path


@pytest.fixture(scope="module", params=["run", "hours"])
def store(request, run, hours):
    return run.store if request.param == "run" else hours
