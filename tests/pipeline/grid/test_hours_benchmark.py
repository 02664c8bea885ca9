"""The benchmark of the store runs, tiny, so that it cannot rot. Nothing here is timed."""

import numpy as np

from benchmarks import store


def test_the_benchmark_runs_and_reports_every_figure(tmp_path):
    size = store.SIZES["tiny"]
    found = store.figures(tmp_path / "s", size)
    assert all(np.isfinite(figure.value) for figure in found)
    text = store.report(size, found)
    assert all(figure.name in text for figure in found)
    assert text.startswith(store.machine())
