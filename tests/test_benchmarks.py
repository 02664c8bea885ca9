"""The benchmark cases run, tiny, so that they cannot rot. Nothing here is timed."""

from benchmarks.cases import SIZES, machine, run_all, table


def test_every_case_runs_and_is_reported():
    rows = run_all(SIZES["tiny"])
    assert len({row.case for row in rows}) == 3
    assert all(row.ours > 0 and row.reference > 0 for row in rows)
    text = table(rows)
    assert all(row.case in text for row in rows)
    assert "cold start" in text
    assert "cores" in machine()
