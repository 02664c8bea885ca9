"""The benchmark cases run, tiny, so that they cannot rot. Nothing here is timed."""

import numpy as np
import pytest

from benchmarks import glasgow, hourly, quality, transport
from benchmarks.cases import machine


def test_one_line_tells_the_machine():
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


def test_the_chain_of_quality_control_runs_and_every_sample_is_counted():
    size = quality.SIZES["tiny"]
    found = quality.chain(size)
    samples, refused, hours, alarms, peak = found["counts"]
    # an hour at the start is there twice
    assert samples == len(size.classes) * (size.days * quality.DAY + 60)
    assert 0 < refused < 0.2 * samples
    assert len(size.classes) * size.days * 20 < hours <= len(size.classes) * size.days * 24
    assert (alarms, peak > 0) == (0, True)
    assert all(np.isfinite(found[stage]).all() for stage in found)
    assert [name for name, _ in quality.tests_of_one(size)][-1] == "spike, Hampel"
    assert quality.parsing(2)[1] == 2 * quality.DAY


@pytest.mark.skipif(not glasgow.FILE.is_file(), reason="the nodes of Glasgow are not at hand")
def test_every_hour_of_the_glasgow_nodes_is_in_their_account():
    found = glasgow.reports()
    assert sum(one.time.size for one in found) == 5951
    lines = {line[:11]: line.split() for line in glasgow.text(found).splitlines() if line.startswith("GLASGOW_")}
    assert len(lines) == 8
    for one in found:
        told = list(map(int, lines[one.title.split()[0]][-4:]))
        numbers = [int(np.sum((one.flag & np.uint32(flag)) != 0)) for flag in glasgow.TESTS[2:]]
        assert told == numbers
    # these sensors differ by tens of ppm and none is stuck: what is flat to half a ppm is quiet air
    assert "  0.3 ppm: 0" in glasgow.text(found)
