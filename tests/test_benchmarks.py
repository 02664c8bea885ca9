"""The benchmark cases run, tiny, so that they cannot rot. Nothing here is timed."""

import numpy as np

from benchmarks import hourly, transport
from benchmarks.cases import SIZES, machine, run_all, table


def test_every_case_runs_and_is_reported():
    rows = run_all(SIZES["tiny"])
    assert len({row.case for row in rows}) == 3
    assert all(row.ours > 0 and row.reference > 0 for row in rows)
    text = table(rows)
    assert all(row.case in text for row in rows)
    assert "cold start" in text
    assert "cores" in machine()


def test_the_transport_benchmark_runs_and_reports_every_figure():
    found = transport.figures(transport.LOADS["tiny"])
    assert all(np.isfinite(figure.value) and figure.value > 0 for figure in found)
    text = transport.report(found)
    assert all(figure.name in text for figure in found)
    # the one figure that is no measurement
    assert next(figure.value for figure in found if "to the bit" in figure.name) == 1


def test_the_hourly_step_comes_out_as_it_does_alone():
    text = hourly.report("tiny")
    assert "13 observations before, 25 now" in text
    assert "to the bit: True" in text
