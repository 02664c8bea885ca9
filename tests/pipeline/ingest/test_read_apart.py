"""A file read in a process of its own gives, bit for bit, what it gives when read here; a hostile one an error."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pytest
from column_files import column_case, write_columns
from granule_files import write_blended, write_oco, write_s5p
from hostile_files import declared, external_bytes, external_link, unknown_filter
from ingest_cases import shared_data
from station_files import feed, obspack

from pipeline.errors import FormatError, TimeError
from pipeline.ingest import column_file, rows, sandbox
from pipeline.ingest.column_file import read_column_file
from pipeline.ingest.formats.samples import Samples
from pipeline.ingest.sandbox import is_binary, read_apart
from pipeline.units import species

CO2, CH4 = species("co2"), species("ch4")
HOURS = np.datetime64("2024-07-01T00", "s") + np.arange(6) * np.timedelta64(3600, "s")
VALUES = np.array([4.1e-4, 4.11e-4, np.nan, 4.13e-4, 4.14e-4, 4.15e-4])
LON, LAT = np.meshgrid([148.0, 148.3], [-23.8, -23.5, -23.2], indexing="ij")
BLENDED = "S5P_BLND_L2__CH4____20221207T025543_20221207T043713_26671_03_020400_20230616T092354.nc"


def assert_identical(one, other, where=""):
    """Raise unless two values are of one type and hold the same bits."""
    assert type(one) is type(other), where
    if is_dataclass(one):
        for item in fields(one):
            assert_identical(getattr(one, item.name), getattr(other, item.name), f"{where}.{item.name}")
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        same = one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()
        assert same, where
    elif isinstance(one, Mapping):
        assert list(one) == list(other), where
        for name in one:
            assert_identical(one[name], other[name], f"{where}[{name}]")
    else:
        assert one == other, where


def both(path, ours, gas):
    told = {"settings": ours.model_dump_json(), "species": gas.name}
    return rows.READERS[ours.format](path, ours, gas), read_apart(f"station {ours.format}", path, Samples, **told)


@pytest.mark.parametrize("noaa", [False, True])
def test_obspack_is_the_same(tmp_path, noaa):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, noaa=noaa, heights=[50, 10, 50, 50, 50, 50])
    assert is_binary(path)
    here, apart = both(path, feed("obspack"), CO2)
    assert_identical(apart, here)
    assert apart.reason.tolist()[1] == "other inlet 10 m"
    # as good as ours: it may be written to
    apart.value[0] = 1.0


def test_parquet_is_the_same(tmp_path):
    frame = pd.DataFrame(
        {"when": pd.date_range("2024-01-02", periods=3, freq="h"), "co2": [420.5, 421, 0], "站": "ABC"}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    ours = feed("table", table={"time": "when", "value": "co2", "unit": "ppm", "station": "站"})
    assert is_binary(tmp_path / "a.parquet")
    assert_identical(*both(tmp_path / "a.parquet", ours, CO2))


def test_real_station_files_are_the_same():
    root = shared_data() / "stations"
    for name, station, height, gas in (
        ("co2_cbw_tower-insitu_445_allvalid-207magl.nc", "CBW", 207, CO2),
        ("ch4_bao_tower-insitu_1_ccgg_all.nc", "BAO", 300, CH4),
    ):
        here, apart = both(root / name, feed("obspack", id=station, height=height), gas)
        assert_identical(apart, here)
        assert apart.value.size > 1000
    list_of = feed("receptor-nc", id="GLA", height=3)
    assert_identical(*both(root / "beaco2n_glasgow_receptors_202201.nc", list_of, CO2))


def columns(layout, **changes):
    return column_case(format=layout, **changes).columns[0]


def both_columns(path, ours, gas, where=None):
    place = column_file._WHERE.dump_json(where).decode()
    here = column_file.parse(path, settings=ours.model_dump_json(), species=gas.name, where=place)
    return here, read_column_file(path, ours, gas, where)


def test_columns_of_every_layout_are_the_same(tmp_path):
    write_columns(tmp_path / "a.nc", [0, 1, 2], [148.1, 148.2, 148.3], [-23.6, -23.5, -23.4])
    write_s5p(tmp_path / "b.nc", LON, LAT)
    write_blended(tmp_path / BLENDED, LON.ravel(), LAT.ravel())
    write_oco(tmp_path / "d.nc", LON.ravel(), LAT.ravel())
    for name, layout, gas in (
        ("a.nc", "openmethane", CH4), ("b.nc", "tropomi-l2", CH4), (BLENDED, "tropomi-blended", CH4),
        ("d.nc", "oco2-lite", CO2),
    ):  # fmt: skip
        for where in (None, (148.0, 148.25, -90.0, 90.0), column_case().grid):
            here, apart = both_columns(tmp_path / name, columns(layout), gas, where)
            assert_identical(apart, here)
        assert apart.soundings.value.size > 0, layout


def test_real_columns_are_the_same():
    root = shared_data() / "columns"
    for name, layout, gas in (
        ("tropomi_ch4_2022-12-07.nc", "openmethane", CH4), ("hw20230402_20230402.public.qc.nc", "tccon", CO2),
    ):  # fmt: skip
        here, apart = both_columns(root / name, columns(layout), gas)
        assert_identical(apart, here)
        assert apart.soundings.value.size > 50, name


def test_an_error_is_the_same(tmp_path):
    path = obspack(tmp_path / "a.nc", HOURS, VALUES, dataset_data_frequency=2.0)
    with pytest.raises(TimeError) as apart:
        read_apart("station obspack", path, Samples, settings=feed("obspack").model_dump_json(), species="co2")
    with pytest.raises(TimeError) as here:
        rows.READERS["obspack"](path, feed("obspack"), CO2)
    assert str(apart.value) == str(here.value)


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (external_link, "must be in the file itself; got 'a link into another file'"),
        (external_bytes, "must hold its own values; got 'bytes of another file'"),
        (unknown_filter, "packed by filters every HDF5 has"),
        (lambda path: declared(path, (10**9,)), "must not be larger than 2 GB, or 200 times the file"),
    ],
)
def test_what_leads_out_of_a_file_is_refused_before_a_value_is_read(tmp_path, write, rule):
    path = write(tmp_path / "a.nc")
    with pytest.raises(FormatError, match=rule):
        read_column_file(path, columns("openmethane"), CH4, None)
    with pytest.raises(FormatError, match=rule):
        read_apart("station obspack", path, Samples, settings=feed("obspack").model_dump_json(), species="co2")


def test_the_process_may_end_between_files(tmp_path):
    path, told = obspack(tmp_path / "a.nc", HOURS, VALUES), {"settings": feed("obspack").model_dump_json()}
    one = read_apart("station obspack", path, Samples, species="co2", **told)
    sandbox.finish()
    sandbox.finish()
    assert_identical(read_apart("station obspack", path, Samples, species="co2", **told), one)


def test_text_is_no_binary_file(tmp_path):
    (tmp_path / "a.csv").write_text("CDC,co2\n")
    assert not is_binary(tmp_path / "a.csv")
    assert not is_binary(tmp_path)


def test_a_network_that_is_not_cut_off_is_told(monkeypatch):
    shared = sandbox.Sandbox()
    monkeypatch.setattr(sandbox, "_SHARED", shared)
    told = []
    for shared.network_cut in (None, True, False):
        told.append(len(sandbox.network_note()))
    assert told == [0, 0, 1]
