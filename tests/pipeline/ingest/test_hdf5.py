"""An HDF5 file holds its own values, packed as any library can unpack, of bearable size; any other is refused."""

import h5py
import netCDF4
import numpy as np
import pytest
from hostile_files import (
    cycle,
    declared,
    external_bytes,
    external_link,
    plain,
    soft_link,
    unknown_filter,
    virtual,
)
from ingest_cases import shared_data

from pipeline.errors import FormatError
from pipeline.ingest import hdf5
from pipeline.ingest.hdf5 import check_structure


def test_plain_files_pass(tmp_path):
    check_structure(plain(tmp_path / "a.nc", 20))
    # fills pack as well as they like while they are small
    check_structure(declared(tmp_path / "b.nc", (2_000_000,)))


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (external_link, r"a\.nc: /outside must be in the file itself; got 'a link into another file'"),
        (soft_link, r"/again must be in the file itself; got 'a soft link'"),
        (external_bytes, r"a\.nc: /outside: a variable must hold its own values; got 'bytes of another file'"),
        (unknown_filter, r"/packed: a variable must be packed by filters every HDF5 has; got \[32999\]"),
    ],
)
def test_what_leads_out_of_the_file_is_refused(tmp_path, write, rule):
    with pytest.raises(FormatError, match=rule):
        check_structure(write(tmp_path / "a.nc"))


def test_a_view_of_another_file_is_refused(tmp_path):
    other = plain(tmp_path / "other.nc")
    with pytest.raises(FormatError, match="/outside: a variable must hold its own values; got 'a view of other files'"):
        check_structure(virtual(tmp_path / "a.nc", other))


def test_netcdf_s_own_library_would_have_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret of twenty b")
    with netCDF4.Dataset(external_bytes(tmp_path / "a.nc", secret)) as data:
        assert bytes(data["outside"][:].data) == secret.read_bytes()
    other = plain(tmp_path / "other.nc")
    with netCDF4.Dataset(external_link(tmp_path / "b.nc", other)) as data:
        np.testing.assert_array_equal(data["outside"][:], np.arange(5))


@pytest.mark.parametrize("shape", [(10**9,), (10**6, 10**6, 10**6), (2**40,) * 4])
def test_a_declared_size_is_not_believed(tmp_path, shape):
    with pytest.raises(FormatError, match="must not be larger than 2 GB, or 200 times the file; got"):
        check_structure(declared(tmp_path / "a.nc", shape))


def test_the_number_of_variables_and_links_is_bounded(tmp_path, monkeypatch):
    path = plain(tmp_path / "a.nc", 6)
    monkeypatch.setattr(hdf5, "MOST_VARIABLES", 6)
    with pytest.raises(FormatError, match="at most 6 variables; got 'more'"):
        # the dimension is a dataset too
        check_structure(path)
    monkeypatch.setattr(hdf5, "MOST_VARIABLES", 7)
    check_structure(path)
    monkeypatch.setattr(hdf5, "_MOST_LINKS", 3)
    with pytest.raises(FormatError, match="at most 3 links; got 'more'"):
        check_structure(path)


def test_a_group_that_holds_itself_is_looked_at_once(tmp_path):
    check_structure(cycle(tmp_path / "a.nc"))


def test_a_file_that_is_not_hdf5_inside_is_refused(tmp_path):
    path = plain(tmp_path / "a.nc")
    content = bytearray(path.read_bytes())
    content[48:-8] = bytes(len(content) - 56)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.nc: the file must be readable HDF5"):
        check_structure(path)


def test_real_files_pass():
    root = shared_data()
    found = [*sorted((root / "columns").glob("*.nc")), *sorted((root / "stations").glob("*.nc"))]
    assert len(found) >= 6
    for path in found:
        if h5py.is_hdf5(path):
            check_structure(path)
