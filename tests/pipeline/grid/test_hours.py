"""The store of hours keeps what it was given, every version of it, and says so in plain xarray."""

from datetime import datetime

import hour_cases as cases
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreError
from pipeline.grid import HourStore, HourVersion
from pipeline.grid.hours_journal import Record
from pipeline.grid.hours_layout import rounded

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_rounding_errs_by_2_to_the_minus_13_at_most_and_leaves_what_it_made(values):
    values = np.array(values, np.float32)
    out = rounded(values)
    finite = np.isfinite(values)
    np.testing.assert_array_equal(out[~finite], values[~finite])
    assert np.isfinite(out[finite]).all()
    normal = finite & (np.abs(values) >= np.finfo(np.float32).tiny)
    top = np.abs(values) > np.float32(3.4e38)  # cut, not rounded to infinity
    error = np.abs(out[normal & ~top].astype(float) - values[normal & ~top])
    assert (error <= np.abs(values[normal & ~top].astype(float)) * 2.0**-13).all()
    assert rounded(out).tobytes() == out.tobytes()
    np.testing.assert_array_equal(rounded(np.zeros(3, np.float32)), 0)


def test_an_hour_comes_back_fields_rounded_and_tables_exact(tmp_path):
    store, given_ = cases.make(tmp_path / "s"), cases.noisy(5, 1)
    assert store.commit([given_], at=cases.at(0)).written
    with HourStore.open(tmp_path / "s").at() as reader:
        found = reader.dataset(cases.hour(0), cases.hour(48))
        for name in given_.data:
            expected = given_.data[name].values
            if name in cases.FIELDS:
                expected = rounded(expected)
            np.testing.assert_array_equal(found[name].isel(time=5).values, expected)
            assert np.isnan(found[name].isel(time=slice(6, None)).values).all()
        np.testing.assert_array_equal(found["state"], np.arange(48) == 5)
        np.testing.assert_array_equal(found["time"].values[5], cases.hour(5))
        assert reader.hours().tolist() == [cases.hour(5).item()]
        assert reader.manifest(cases.hour(6)) is None
        np.testing.assert_array_equal(reader.map(cases.hour(5))["lon"], 120.0)
        reader.verify(cases.hour(5))


def test_plain_xarray_opens_the_store_with_the_right_times(tmp_path):
    store = cases.make(tmp_path / "s")
    store.commit([cases.version(3, 2.5)], at=cases.at(0))
    with store.at() as reader:
        plain = xr.open_zarr(reader.store, group="hours", consolidated=False, chunks=None)
        assert plain["flux_prior"].sel(time=cases.hour(3)).values == pytest.approx(2.5)
        assert plain["flux_prior"].attrs["grid_mapping"] == "crs"
        assert set(plain["flux_prior"].coords) == {"sector", "time", "y", "x", "lon", "lat"}
        assert plain["region_name"].values.tolist() == ["浙江", "杭州", "宁波"]
        assert plain.attrs["title"] == "a test"


def test_the_same_again_is_no_version_and_another_value_is_one(tmp_path):
    store = cases.make(tmp_path / "s")
    first = store.commit([cases.version(1, 1.0, key="a"), cases.version(2, 1.0, key="a")], at=cases.at(0))
    again = store.commit([cases.version(1, 1.0, key="a")], at=cases.at(1), expected_seq=0)
    assert (again.seq, again.written, again.hours) == (first.seq, False, ())
    second = store.commit([cases.version(1, 2.0, "P2", key="b"), cases.version(2, 1.0, key="a")], at=cases.at(2))
    assert (second.seq, second.hours) == (2, (cases.hour(1),))
    with store.at() as reader:
        lines = reader.revisions(cases.hour(1))
        assert [line["revision"] for line in lines] == [1, 2]
        assert [line["status"] for line in lines] == ["P1", "P2"]
        assert len(reader.revisions(cases.hour(2))) == 1
    assert (store.read_revision(cases.hour(1), 1)["region_total"] == 1.0).all()
    assert (store.read_revision(cases.hour(1), 2)["region_total"] == 2.0).all()
    with pytest.raises(StoreError, match="the hour must have the version"):
        store.read_revision(cases.hour(1), 3)


def test_work_that_began_before_an_hour_was_written_is_refused(tmp_path):
    store = cases.make(tmp_path / "s")
    seq = store.at().seq
    store.commit([cases.version(1, 1.0)], at=cases.at(0), expected_seq=seq)
    with pytest.raises(StoreError, match="since the work on it began"):
        store.commit([cases.version(1, 2.0)], at=cases.at(1), expected_seq=seq)
    # another hour is nobody's concern
    assert store.commit([cases.version(2, 2.0)], at=cases.at(1), expected_seq=seq).written


def test_the_order_of_commits_does_not_matter_to_the_values(tmp_path):
    found = []
    for name, order in (("a", (3, 4, 5)), ("b", (5, 3, 4))):
        store = cases.make(tmp_path / name)
        for number in order:
            store.commit([cases.noisy(number, 7)], at=cases.at(number))
        found.append(store.at().dataset(cases.hour(0), cases.hour(9)).load().drop_vars("sequence"))
    xr.testing.assert_identical(*found)


def test_a_time_finds_what_was_said_then_whatever_the_clock_did(tmp_path):
    store = cases.make(tmp_path / "s")
    for value, minutes in enumerate((0, 10, 600, 20, 700)):  # the clock is ten hours ahead once
        store.commit([cases.version(1, float(value + 1))], at=cases.at(minutes))
    said = {m: store.at(cases.at(m)).seq for m in (0, 15, 30, 599, 600, 650, 700, 9000)}
    assert said == {0: 1, 15: 2, 30: 2, 599: 2, 600: 4, 650: 4, 700: 5, 9000: 5}
    (tmp_path / "s" / "journal.jsonl").unlink()
    assert store.at(cases.at(15)).seq == 2
    with pytest.raises(StoreError, match="must have a zone"):
        store.at(datetime(2024, 7, 15))
    tag = store.tag("v1")
    store.commit([cases.version(1, 9.0)], at=cases.at(800))
    assert store.at(tag="v1").snapshot == tag != store.at().snapshot
    with pytest.raises(StoreError, match="a tag never moves"):
        store.tag("v1")
    with pytest.raises(StoreError, match="the tag must exist"):
        store.at(tag="v2")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda v: HourVersion(v.hour, v.data.drop_vars("flux_prior"), v.manifest), "must have the variables"),
        (lambda v: HourVersion(v.hour, v.data.isel(region=slice(2)), v.manifest), "the dims and sizes"),
        (lambda v: HourVersion(v.hour, v.data, {**v.manifest, "status": "P9"}), "a status and a condition"),
        (lambda v: HourVersion(v.hour, v.data, {**v.manifest, "seq": 1}), "itself"),
        (lambda v: HourVersion(v.hour, v.data, {**v.manifest, "dofs": float("nan")}), "JSON without NaN"),
        (lambda v: HourVersion(cases.hour(-1), v.data, v.manifest), "must lie on the store's axis"),
        (lambda v: HourVersion(cases.hour(24 * 60), v.data, v.manifest), "must lie on the store's axis"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(tmp_path, spoil, said):
    store = cases.make(tmp_path / "s")
    before = store.at().snapshot
    with pytest.raises(StoreError, match=said):
        store.commit([cases.version(1, 1.0), spoil(cases.version(2, 1.0))], at=cases.at(0))
    assert store.at().snapshot == before


def test_another_template_another_layout_and_no_store_are_refused(tmp_path):
    store = cases.make(tmp_path / "s")
    store.require_template(cases.template())
    moved = cases.template()
    with pytest.raises(StoreError, match="grid, regions"):
        store.require_template(moved.assign_coords(x=moved["x"] + 1))
    with pytest.raises(StoreError, match="region_total: None"):
        store.require_template(moved.drop_vars("region_total"))
    with pytest.raises(StoreError, match="folder of its own"):
        cases.make(tmp_path / "s")
    with pytest.raises(StoreError, match="there must be a store"):
        HourStore.open(tmp_path / "none")
    with pytest.raises(StoreError, match="floats of one hour"):
        HourStore.create(tmp_path / "i", cases.template().assign(n=("feed", [1, 2])), start=cases.START)
    session = store._repo.icechunk.writable_session("main")
    zarr.open_group(session.store, mode="r+").attrs["layout"] = 2
    newer = store._repo.publish(session, Record(9, "", "2024-07-15T12:00:00+00:00", "main", "commit"))
    with pytest.raises(StoreError, match="reads layout 1 of the store; got 2"):
        store.at(snapshot=newer.snapshot)
    (tmp_path / "s" / "store.json").write_text('{"layout": 2}')
    with pytest.raises(StoreError, match="reads layout 1 of the store; got 2"):
        HourStore.open(tmp_path / "s")
