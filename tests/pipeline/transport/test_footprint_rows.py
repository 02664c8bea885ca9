"""Rows of footprints keep their entries, however they are joined, chosen, written and read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.grid import Grid, lambert_grid
from pipeline.schema import HOUR, check
from pipeline.transport import Footprint, Receptor, footprints_dataset, hour_path, join, read_hour, take, write_hour

GRID = lambert_grid(west=118, east=119, south=28, north=29, spacing=20e3)
LONLAT = Grid.from_centres("EPSG:4326", 118.0 + 0.1 * np.arange(5), 28.0 + 0.1 * np.arange(4))
START = np.datetime64("2025-05-01T03", "ns")
PARTICLES = 3
PER_ENTRY = ("hour", "cell", "footprint")
PER_ROW = ("time", "station", "lon", "height", "truncated_share", "end_lon", "end_age", "end_weight", "end_reason")


def footprint(number, count):
    random = np.random.default_rng(number)
    receptor = Receptor(START + np.timedelta64(number, "m"), 3600.0, f"S{number:04d}", 118.5, 28.5, float(number))
    return Footprint(
        receptor,
        START - HOUR * np.sort(random.integers(0, 5, count)),
        random.integers(0, GRID.size, count).astype(np.int32),
        random.exponential(size=count).astype(np.float32),
        float(random.uniform(0, 1e-3)),
        random.normal(size=(PARTICLES, 5)),
        random.integers(1, 5, PARTICLES).astype(np.int8),
        random.uniform(size=PARTICLES),
        np.zeros((2, 6)),
    )


def dataset(counts, first=0):
    out = footprints_dataset([footprint(first + i, count) for i, count in enumerate(counts)], GRID, "co2")
    out["key"] = ("obs", np.array([f"key {first + i}" for i in range(len(counts))]))
    return out


def require_row(data, row, number, count):
    expected = dataset([count], number)
    entries = slice(*data["indptr"].values[row : row + 2])
    for name in PER_ENTRY:
        np.testing.assert_array_equal(data[name].values[entries], expected[name].values)
    for name in (*PER_ROW, "key"):
        np.testing.assert_array_equal(data[name].values[row], expected[name].values[0])


COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(COUNTS, min_size=1, max_size=4))
def test_joining_keeps_every_rows_entries(parts):
    firsts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    joined = join([dataset(part, int(first)) for part, first in zip(parts, firsts[:-1], strict=True)])
    counts = [count for part in parts for count in part]
    assert joined["indptr"].values[-1] == sum(counts) == joined.sizes["entry"]
    for row, count in enumerate(counts):
        require_row(joined, row, row, count)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), counts=COUNTS)
def test_choosing_keeps_every_rows_entries(data, counts):
    rows = data.draw(st.lists(st.integers(0, len(counts) - 1), min_size=1, max_size=8))
    taken = take(dataset(counts), np.array(rows))
    assert taken.sizes["obs"] == len(rows)
    for at, row in enumerate(rows):
        require_row(taken, at, row, counts[row])


@pytest.mark.parametrize("counts", [[3, 0, 5], [0], [4]])
def test_an_hour_comes_back_from_its_file(tmp_path, counts):
    path = hour_path(tmp_path, START)
    assert path.relative_to(tmp_path).as_posix() == "2025/05/20250501T03.nc"
    write_hour(path, dataset(counts))
    found = read_hour(path, GRID)
    check(found, "footprints")
    for row, count in enumerate(counts):
        require_row(found, row, row, count)
    # written again, it is the same file
    before = path.read_bytes()
    write_hour(path, found)
    assert path.read_bytes() == before


def test_an_hour_of_another_grid_or_without_keys_is_not_there(tmp_path):
    path = hour_path(tmp_path, START)
    assert read_hour(path, GRID) is None
    write_hour(path, dataset([2, 1]))
    assert read_hour(path, LONLAT) is None
    write_hour(path, dataset([2, 1]).drop_vars("key"))
    assert read_hour(path, GRID) is None


@pytest.mark.parametrize("at", [0.02, 0.3, 0.6, 0.95])
def test_a_cut_file_is_not_there(tmp_path, at):
    path = hour_path(tmp_path, START)
    write_hour(path, dataset([40, 30, 50]))
    text = path.read_bytes()
    path.write_bytes(text[: int(at * len(text))])
    assert read_hour(path, GRID) is None
