"""Chunks read past Zarr's pipeline are what Zarr reads."""

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec

from pipeline.grid import hours_chunks
from pipeline.grid.hours_chunks import ChunkArray

SHAPE, CHUNKS = (2, 50, 9, 7), (1, 20, 4, 7)


@pytest.fixture(scope="module")
def array():
    store = zarr.storage.MemoryStore()
    codecs = (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=4, blocksize=512), Crc32cCodec())
    made = zarr.create_array(
        store, name="a", shape=SHAPE, chunks=CHUNKS, dtype="float32", fill_value=np.nan, compressors=codecs
    )
    made[:, :30] = np.random.default_rng(2).standard_normal((2, 30, 9, 7))
    return made


def keys():
    def one(n):
        places = st.lists(st.integers(0, n - 1), max_size=6).map(lambda found: np.array(found, dtype=int))
        ends = st.tuples(st.integers(0, n), st.integers(0, n), st.integers(1, 4))
        return st.one_of(places, ends.map(lambda e: slice(*e)), st.just(slice(None)))

    return st.tuples(*map(one, SHAPE))


@pytest.mark.parametrize("partial", [True, False])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=keys())
def test_what_is_read_is_what_numpy_picks_from_all_of_it(array, monkeypatch, partial, key):
    with monkeypatch.context() as patch:
        if not partial:
            patch.setattr(hours_chunks, "_GETITEM", None)
        found = ChunkArray(array.store, array).read(key)
    places = [np.arange(n)[k] for k, n in zip(key, SHAPE, strict=True)]
    np.testing.assert_array_equal(found, array[:][np.ix_(*places)])


def test_a_part_of_a_chunk_is_unpacked_where_the_build_can(array):
    assert hours_chunks._GETITEM is not None


def test_a_chunk_with_a_flipped_bit_is_refused(array):
    raw = array.store._store_dict["a/c/0/0/0/0"]
    content = bytearray(raw.to_bytes())
    content[100] ^= 4
    array.store._store_dict["a/c/0/0/0/0"] = type(raw).from_bytes(bytes(content))
    try:
        with pytest.raises(ValueError, match="checksum"):
            ChunkArray(array.store, array).read((slice(1), slice(1), slice(1), slice(1)))
    finally:
        array.store._store_dict["a/c/0/0/0/0"] = raw
