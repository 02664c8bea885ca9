"""Files cut short, of another kind, or with times that are not real dates are refused; whole ones are read."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from pipeline.errors import FormatError, InputError, TimeError
from pipeline.ingest.netcdf import check_file, decode_times, open_netcdf

MODELS = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"]


def write(path: Path, model: str, *, records: bool) -> Path:
    """Write 60 numbers as a fixed and a record variable, with odd name lengths so that padding matters."""
    with netCDF4.Dataset(path, "w", format=model) as data:
        data.title = "seven.."
        data.levels = np.array([1, 2, 3], dtype="i2")
        data.createDimension("time", None if records else 12)
        data.createDimension("x", 5)
        for name, kind in (("value", "f8"), ("flag", "i1"), ("count", "i2")):
            data.createVariable(name, kind, ("time", "x"))[:] = np.arange(1, 61).reshape(12, 5)
        data.createVariable("fixed", "f4", ("x",))[:] = np.arange(1, 6)
        data["value"].units = "ppm"
    return path


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_whole_file_is_read(tmp_path, model, records):
    with open_netcdf(write(tmp_path / "a.nc", model, records=records)) as data:
        np.testing.assert_array_equal(data["value"].values, np.arange(1, 61).reshape(12, 5))
        np.testing.assert_array_equal(data["fixed"].values, np.arange(1, 6))


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.1])
@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_truncated_file_is_refused(tmp_path, model, records, keep):
    path = write(tmp_path / "cut.nc", model, records=records)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(FormatError, match=r"cut\.nc: .*must .*fetch it again"):
        check_file(path)


@pytest.mark.parametrize("model", MODELS[:3])
def test_every_missing_data_byte_of_a_classic_file_is_noticed(tmp_path, model):
    path = write(tmp_path / "a.nc", model, records=False)
    whole = path.read_bytes()
    # the last variable is five 4-byte floats, so no padding can hide a missing byte
    for cut in (1, 2, 7, 100):
        path.write_bytes(whole[:-cut])
        with pytest.raises(
            FormatError, match=rf"{len(whole)} bytes its header promises; got '{len(whole) - cut} bytes"
        ):
            check_file(path)


def test_a_single_record_variable_is_not_padded(tmp_path):
    path = tmp_path / "single.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as data:
        data.createDimension("time", None)
        data.createDimension("x", 3)
        data.createVariable("flag", "i1", ("time", "x"))[:] = np.ones((4, 3))
    check_file(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="truncated"):
        check_file(path)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>404 not found</html>", "<!DOCTYPE html>"),
        (b"CDF\x07rubbish", "43 44 46 07"),
        (b"PK\x03\x04zip", "50 4b 03 04"),
    ],
)
def test_another_kind_of_file_is_named_by_its_first_bytes(tmp_path, content, shown):
    path = tmp_path / "page.nc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"page.nc: the file must start as netCDF.*{shown}"), open_netcdf(path):
        pass


def test_a_header_with_an_unknown_type_is_refused(tmp_path):
    path = write(tmp_path / "a.nc", "NETCDF3_CLASSIC", records=False)
    content = bytearray(path.read_bytes())
    place = content.index(b"title\x00\x00\x00") + 8
    content[place : place + 4] = (99).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(FormatError, match="type must be known"):
        check_file(path)


@pytest.mark.parametrize("model", MODELS[:3])
def test_any_byte_of_a_classic_header_may_be_wrong(tmp_path, model):
    path = write(tmp_path / "a.nc", model, records=True)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for place, value in zip(rng.integers(4, 400, 300), rng.integers(0, 256, 300), strict=True):
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            check_file(path)
        except FormatError:
            refused += 1
    # only harmless bytes (letters of names, attribute values) pass
    assert 30 < refused < 300


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"must exist; got .*none\.nc"):
        check_file(tmp_path / "none.nc")


def times(values, units, **attrs):
    return xr.DataArray(np.asarray(values), dims="time", attrs={"units": units, **attrs})


@pytest.mark.parametrize(
    ("values", "units", "calendar"),
    [
        ([0, 1, 2.5], "hours since 2014-07-01", "gregorian"),
        ([0.0, 1 / 24, 2.5 / 24], "days since 2014-07-01 00:00:00", "proleptic_gregorian"),
        ([1404172800, 1404176400, 1404181800], "seconds since 1970-01-01 00:00:00Z", "standard"),
        (np.int32([1404172800, 1404176400, 1404181800]), "seconds since 1970-01-01", "standard"),
        (np.int16([0, 60, 150]), "minutes since 2014-07-01", "standard"),
        (np.float32([0, 1, 2.5]), "hours since 2014-07-01", "standard"),
        ([8, 9, 10.5], "hours since 2014-07-01 00:00:00 +08:00", "standard"),
        # 1 January of year 1 is two days apart in the Julian and the proleptic calendar
        ([735416, 735416 + 1 / 24, 735416 + 2.5 / 24], "days since 0001-01-01", "standard"),
        ([735414, 735414 + 1 / 24, 735414 + 2.5 / 24], "days since 0001-01-01", "proleptic_gregorian"),
    ],
)
def test_one_instant_in_any_unit_is_one_instant(values, units, calendar):
    got = decode_times(times(values, units, calendar=calendar), where="a.nc:time")
    expected = np.array(["2014-07-01T00:00", "2014-07-01T01:00", "2014-07-01T02:30"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == "datetime64[ns]"


@pytest.mark.parametrize(
    ("time", "rule"),
    [
        (xr.DataArray([1.0], dims="time"), "must have units since a date"),
        (times([1.0], "hours"), "must have units since a date; got 'hours'"),
        (times([1.0], "months since 2014-01-01"), "must count days, hours, minutes or seconds"),
        (times([1.0], "days since tomorrow"), "unit must be readable; got 'days since tomorrow'"),
        (times([1.0], "days since 2014-01-01", calendar="noleap"), "calendar must be the real one; got 'noleap'"),
        (times([1.0, np.nan], "days since 2014-01-01"), "every time must be a number"),
        (times(np.float32([16252.1]), "days since 1970-01-01"), "finely enough to tell seconds apart"),
        (times([1.0], "days since 0001-01-01"), "between 1582 and 2262"),
        (times(["one"], "days since 2014-01-01"), r"every time must be a number; got \['one'\]"),
        # a fill that is not declared
        (times([16252, -9223372036854775806], "days since 1970-01-01"), "between 1582 and 2262.*'-9.22337e.18'"),
    ],
)
def test_times_that_are_not_real_dates_are_refused(time, rule):
    with pytest.raises(TimeError, match=rule):
        decode_times(time, where="a.nc:time")


def test_an_unreadable_attribute_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("x", 4)

    def fail(*_, **__):
        # netCDF4's error for a damaged attribute
        raise AttributeError("NetCDF: Can't open HDF5 attribute")

    monkeypatch.setattr(xr, "open_dataset", fail)
    with (
        pytest.raises(FormatError, match=r"a\.nc: the file must be readable netCDF.*HDF5 attribute"),
        open_netcdf(path),
    ):
        pass


def test_an_unreadable_value_names_the_file(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("x", 4000)
        data.createVariable("value", "f8", ("x",), zlib=True)[:] = np.random.default_rng(1).normal(size=4000)
    content = bytearray(path.read_bytes())
    middle = len(content) - 20000
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.nc: the file must be readable"), open_netcdf(path) as data:
        data["value"].load()
