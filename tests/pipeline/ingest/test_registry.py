"""A user's own stations stand beside the shipped ones."""

import pytest

from pipeline.errors import InputError, RegistryError
from pipeline.ingest import load_registry
from station_meta import COLUMNS, find

ROW = {
    "id": "JFJ2", "name_zh": "少女峰", "name_en": "Jungfraujoch", "station_class": "background", "lon": "7.985",
    "lat": "46.547", "ground_height": "3570", "inlets": "10", "species": "co2", "instrument": "CRDS",
    "scale": "co2:WMO CO2 X2019", "zone": "UTC", "hour_label": "start", "uncertainty": "co2:0.1",
    "valid_from": "2017-01-01", "valid_to": "", "illustrative": "false", "source": "the station's own page",
}  # fmt: skip


def table(path, **changes):
    row = {**ROW, **changes}
    path.write_text(",".join(COLUMNS) + "\n" + ",".join(row[c] for c in COLUMNS) + "\n", encoding="utf-8")
    return path


def test_own_and_shipped_stations_are_found_together(tmp_path):
    registry = load_registry([table(tmp_path / "own.csv")])
    assert find(registry, "JFJ2", "2024-01-01").scale == {"co2": "WMO CO2 X2019"}
    assert find(registry, "TAC", "2014-07-01").lat == pytest.approx(52.5, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"lon": "30.3", "lat": "119.7"}, r"own.csv row 2.*119.7"),
        ({"scale": ""}, r"own.csv row 2.*scale"),
        ({"id": "TAC", "valid_from": "2014-01-01"}, "TAC"),
    ],
    ids=["swapped coordinates", "missing scale", "an id of the shipped table"],
)
def test_a_fault_in_an_own_table_names_its_row(tmp_path, changes, text):
    with pytest.raises(RegistryError, match=f"(?s){text}"):
        load_registry([table(tmp_path / "own.csv", **changes)])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"must exist; got .*none.csv"):
        load_registry([tmp_path / "none.csv"])
