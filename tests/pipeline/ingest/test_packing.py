"""What is packed comes back bit for bit; what was not packed by us is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from pipeline.errors import FormatError
from pipeline.ingest.packing import empty, layout, pack, unpack


@dataclass(frozen=True)
class Inner:
    number: float


@dataclass(frozen=True)
class Kept:
    array: np.ndarray
    texts: np.ndarray
    step: np.timedelta64
    mark: Literal["start", "end"] | None
    place: tuple[float, float] | None
    notes: tuple[str, ...]
    count: int
    sure: bool
    more: Mapping[str, np.ndarray]
    inner: Inner


PLAIN = Kept(
    np.arange(6.0).reshape(2, 3), np.array(["a", "", "a"], dtype=object), np.timedelta64(3600, "s"), "start",
    (119.75, 30.25), ("a note",), 3, True, {"t": np.ones(2)}, Inner(0.1),
)  # fmt: skip


def through(value, change=lambda said: said):
    """Return a value after the way through bytes, as between two processes."""
    said, sent = pack(value)
    header = json.loads(json.dumps({"value": change(said), "arrays": layout(sent)}))
    came = empty(header["arrays"], 1 << 20)
    for array, source in zip(came, sent, strict=True):
        array[...] = source
    return unpack(type(value), header["value"], came)


def assert_same(one, other):
    assert type(one) is type(other)
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
        elif isinstance(a, Mapping):
            assert {name: array.tobytes() for name, array in a.items()} == {
                n: array.tobytes() for n, array in b.items()
            }
        else:
            assert a == b
            assert type(a) is type(b)


def test_every_kind_of_field_comes_back():
    assert_same(through(PLAIN), PLAIN)
    bare = replace(PLAIN, mark=None, place=None, notes=(), more={}, texts=np.array([], dtype=object))
    assert_same(through(bare), bare)


@given(array=arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_any_plain_array_comes_back_bit_for_bit(array):
    if array.dtype.kind in "biufMm":
        assert_same(through(replace(PLAIN, array=array)), replace(PLAIN, array=array))


@given(texts=st.lists(st.text(max_size=5), max_size=6))
def test_any_column_of_texts_comes_back(texts):
    column = np.array([*texts, None], dtype=object)[:-1]
    assert_same(through(replace(PLAIN, texts=column)), replace(PLAIN, texts=column))


def test_numbers_that_are_none_and_missing_times_come_back():
    odd = np.array([np.nan, np.inf, -0.0])
    assert_same(through(replace(PLAIN, array=odd, inner=Inner(1e-320))), replace(PLAIN, array=odd, inner=Inner(1e-320)))
    times = np.array(["NaT", "2024-07-01T00"], dtype="datetime64[ns]")
    assert_same(through(replace(PLAIN, array=times)), replace(PLAIN, array=times))
    turned = np.arange(6.0).reshape(2, 3)[:, ::-1].T
    assert_same(through(replace(PLAIN, array=turned)), replace(PLAIN, array=turned))


@pytest.mark.parametrize("value", [np.array([1, "a"], dtype=object), np.array([None], dtype=object)])
def test_a_column_of_other_objects_is_the_reader_s_fault(value):
    with pytest.raises(TypeError, match="a column of objects must hold texts only"):
        pack(replace(PLAIN, texts=value))
    with pytest.raises(TypeError, match="set cannot be handed over"):
        pack({1, 2})


def setting(name, value):
    def change(said):
        return {"fields": said["fields"] | {name: value}}

    return change


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda said: {"fields": {}}, "Kept must have its fields"),
        (lambda said: {"fields": said["fields"] | {"extra": 1}}, "Kept must have its fields"),
        (lambda said: said | {"class": "os.system"}, r"Kept must hold \['fields'\]"),
        (setting("array", None), "Kept.array must be <class 'numpy.ndarray'>; got 'NoneType'"),
        (setting("array", {"array": 99}), "Kept.array must refer to an array that came; got 99"),
        (setting("array", {"array": -1}), "must refer to an array that came"),
        (setting("array", {"array": True}), "must refer to an array that came"),
        (setting("texts", {"texts": ["a"], "codes": 0}), "Kept.texts must be a column of texts"),
        (setting("texts", {"texts": ["a"], "codes": 1}), "Kept.texts must refer to its texts; got 1"),
        (setting("texts", {"texts": [1, 2], "codes": 1}), "Kept.texts must be a column of texts"),
        (setting("mark", "middle"), "Kept.mark must be"),
        (setting("place", {"tuple": [1.0]}), "Kept.place must be"),
        (setting("place", {"tuple": 1.0}), "a list must be one; got 1.0"),
        (setting("notes", {"tuple": [1]}), "Kept.notes must be"),
        (setting("count", 1.5), "Kept.count must be <class 'int'>; got 'float'"),
        (setting("count", True), "Kept.count must be <class 'int'>; got 'bool'"),
        (setting("sure", 1), "Kept.sure must be <class 'bool'>"),
        (setting("more", {"map": []}), "Kept.more must map names"),
        (setting("more", {"map": {"t": 1}}), "Kept.more must be"),
        (setting("inner", 0.1), r"Kept.inner must hold \['fields'\]"),
        (setting("inner", {"pickle": "gASV"}), r"Kept.inner must hold \['fields'\]"),
        (setting("step", {"pickle": "gASV"}), "Kept.step must be a value of a known kind"),
    ],
)
def test_what_the_dataclass_does_not_declare_is_refused(change, rule):
    with pytest.raises(FormatError, match=rule):
        through(PLAIN, change)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ([{"dtype": "|O", "shape": [1]}], "of plain bytes; got '|O'"),
        ([{"dtype": "f8", "shape": [1]}], "of plain bytes; got 'f8'"),
        ([{"dtype": "nonsense", "shape": [1]}], "a dtype must be known"),
        ([{"dtype": "[('a','O')]", "shape": [1]}], "a dtype must be"),
        ([{"dtype": "<f8", "shape": [2.0]}], "a shape must be whole numbers"),
        ([{"dtype": "<f8", "shape": [1 << 40, 1 << 40]}], "must not be larger than agreed"),
        ([{"dtype": "<f8", "shape": [100_000]}, {"dtype": "<f8", "shape": [100_000]}], "not be larger than agreed"),
        ([{"dtype": "<f8"}], "each array must state dtype and shape"),
        ([{"dtype": "<f8", "shape": [1] * 33}], "a shape must have at most 32 dimensions; got 33"),
        ([{"dtype": "<f8", "shape": [0] * 100_000}], "a shape must have at most 32 dimensions; got 100000"),
        ([{"dtype": "<f8", "shape": [0, 1 << 70]}], "a shape must be possible"),
        ([{"dtype": "<f8", "shape": [0, 1 << 62, 8]}], "a shape must be possible"),
        ([{"dtype": "<U0", "shape": [1 << 62]}], "a shape must be possible"),
    ],
)
def test_a_layout_that_is_not_of_plain_bytes_is_refused(said, rule):
    with pytest.raises(FormatError, match=rule):
        empty(said, 1 << 20)


def test_a_layout_that_memory_does_not_hold_is_refused():
    # more than any address space of today's machines
    with pytest.raises(FormatError, match="a shape must be possible"):
        empty([{"dtype": "<f8", "shape": [1 << 57]}], 1 << 62)


def test_bytes_that_are_no_value_are_refused():
    said, _ = pack(replace(PLAIN, array=np.array([True])))
    for broken, rule in (
        (np.array([7], dtype=np.uint8).view(bool), "truths must be 0 or 1; got 7"),
        (np.array([0x110000], dtype=np.uint32).view("U1"), "letters must be Unicode; got 1114112"),
    ):
        with pytest.raises(FormatError, match=rule):
            unpack(Kept, said, [broken, *pack(PLAIN)[1][1:]])
