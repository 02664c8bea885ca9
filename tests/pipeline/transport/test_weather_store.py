"""Prepared weather on disk: whole or not there, and known by its content."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.grid import Grid
from pipeline.schema import HOUR
from pipeline.transport import Prepared, WeatherStore, sweep
from pipeline.transport.weather_store import write_whole

GRID = Grid.from_centres("EPSG:4326", 8.0 + 0.25 * np.arange(4), 49.0 + 0.25 * np.arange(3))
OTHER = Grid.from_centres("EPSG:4326", 8.1 + 0.25 * np.arange(4), 49.0 + 0.25 * np.arange(3))
TIME = np.datetime64("2025-05-01T03", "ns")


def prepared(seed=1):
    random = np.random.default_rng(seed)
    shapes = ((3, 4, 5, 4), (3, 4, 8), (3, 4, 5))
    return Prepared(*(random.normal(size=shape).astype(np.float32) for shape in shapes))


@pytest.fixture
def store(tmp_path):
    return WeatherStore(tmp_path / "weather", 4000.0)


def require_same(one, two):
    for name in ("volume", "surface", "pressure"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_what_was_put_comes_back(store):
    assert (store.digest(TIME, "a"), store.grid(TIME, "a"), store.get(TIME, "a")) == (None, None, None)
    digest = store.put(TIME, "a", prepared(), GRID)
    again = WeatherStore(store.folder, 4000.0)
    assert again.digest(TIME, "a") == digest
    assert again.grid(TIME, "a") == GRID
    require_same(again.get(TIME, "a"), prepared())


def test_an_hour_of_another_source_or_preparation_is_not_there(store):
    store.put(TIME, "a", prepared(), GRID)
    assert store.get(TIME, "b") is None
    assert store.digest(TIME, "b") is None
    assert WeatherStore(store.folder, 5000.0).digest(TIME, "a") is None
    assert WeatherStore(store.folder, 4000.0, convection=True).digest(TIME, "a") is None


def test_the_digest_is_of_numbers_grid_and_time_but_not_of_the_source(store):
    one = store.put(TIME, "a", prepared(), GRID)
    assert store.put(TIME, "b", prepared(), GRID) == one
    changed = prepared()
    changed.pressure[2, 3, 4] = np.nextafter(changed.pressure[2, 3, 4], np.float32(9))
    others = [
        store.put(TIME, "a", changed, GRID),
        store.put(TIME, "a", prepared(), OTHER),
        store.put(TIME + HOUR, "a", prepared(), GRID),
    ]
    assert len({one, *others}) == 4


@pytest.mark.parametrize("suffix", ["npz", "json"])
@pytest.mark.parametrize("how", ["empty", "half", "flipped", "gone"])
def test_a_damaged_hour_is_not_there_and_can_be_put_again(store, suffix, how):
    store.put(TIME, "a", prepared(), GRID)
    path = store.folder / f"20250501T0300.{suffix}"
    text = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        text[len(text) // 4] ^= 1  # amid the numbers, not in the padding
        path.write_bytes({"empty": b"", "half": bytes(text[: len(text) // 2]), "flipped": bytes(text)}[how])
    assert WeatherStore(store.folder, 4000.0).get(TIME, "a") is None
    store.put(TIME, "a", prepared(), GRID)
    require_same(store.get(TIME, "a"), prepared())


@pytest.mark.parametrize("text", ["", "[]", '{"crs": "EPSG:4326", "x_edges": [1], "y_edges": [0, 1]}'])
def test_an_hour_whose_grid_is_damaged_is_not_there(store, text):
    store.put(TIME, "a", prepared(), GRID)
    [path] = store.folder.glob("grid-*.json")
    path.write_text(text)
    assert WeatherStore(store.folder, 4000.0).digest(TIME, "a") is None


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    write_whole(path, lambda beside: beside.write_text("old"))

    def fail(beside):
        beside.write_text("new, and")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_pruning_keeps_the_keys(store):
    digests = [store.put(TIME + hour * HOUR, "a", prepared(hour), GRID) for hour in range(4)]
    assert store.prune(TIME + 2 * HOUR) == 2
    assert [store.get(TIME + hour * HOUR, "a") is None for hour in range(4)] == [True, True, False, False]
    assert [store.digest(TIME + hour * HOUR, "a") for hour in range(4)] == digests


def test_only_what_dead_processes_of_this_machine_left_is_swept(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, node = int(child.stdout), os.uname().nodename
    names = [f".a.nc.{node}.{dead}.part", f".a.nc.{node}.{os.getpid()}.part", f".a.nc.elsewhere.{dead}.part", "a.nc"]
    (tmp_path / "2025").mkdir()
    for name in names:
        (tmp_path / "2025" / name).write_text("x")
    assert sweep(tmp_path) == 1
    assert sorted(os.listdir(tmp_path / "2025")) == sorted(names[1:])


def test_keys_are_small_and_readable(store):
    store.put(TIME, "a", prepared(), GRID)
    told = json.loads((store.folder / "20250501T0300.json").read_text())
    assert set(told) == {"source", "digest", "grid"}
