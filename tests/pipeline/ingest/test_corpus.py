"""Whatever a file holds, reading it ends in time: with rows of plain numbers or an error, and the next file is read."""

import os
import time

import numpy as np
import pytest
from column_files import column_case
from corpus import WHOLE, mutants
from ingest_cases import shared_data
from station_files import feed

from pipeline.errors import InputError
from pipeline.ingest.column_file import ColumnFile
from pipeline.ingest.formats.samples import Samples
from pipeline.ingest.rows import READERS
from pipeline.ingest.sandbox import Limits, Sandbox, is_binary
from pipeline.units import species

TABLE = {"time": "when", "value": "co2", "unit": "ppm"}
FEEDS = {
    "hdf5": feed("obspack"), "classic": feed("obspack"), "parquet": feed("table", table=TABLE),
    "text": feed("gcwerks"),
}  # fmt: skip
MUTANTS = mutants()
#: so that what hangs does not hang the tests
LIMITS = Limits(seconds=5.0, memory=1 << 30)


@pytest.fixture(scope="module")
def sandbox():
    made = Sandbox()
    yield made
    made.close()


def read(sandbox, path, kind):
    """Return what is read, in a child where the product would."""
    if kind == "columns":
        told = {"settings": column_case().columns[0].model_dump_json(), "species": "ch4", "where": "null"}
        return sandbox.read("column", path, ColumnFile, limits=LIMITS, **told).soundings
    ours = FEEDS[kind]
    if not is_binary(path):
        return READERS[ours.format](path, ours, species("co2"))
    told = {"settings": ours.model_dump_json(), "species": "co2"}
    return sandbox.read(f"station {ours.format}", path, Samples, limits=LIMITS, **told)


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_files_are_read(sandbox, tmp_path, kind):
    path = tmp_path / f"abc.1minute.{kind}"
    WHOLE[kind](path)
    assert np.isfinite(read(sandbox, path, kind).value).all()


def test_every_mutant_is_read_or_refused_and_the_next_file_is_read(sandbox, tmp_path):
    whole = {}
    for kind, write in WHOLE.items():
        path = tmp_path / f"abc.1minute.{kind}"
        write(path)
        whole[kind] = read(sandbox, path, kind)
    assert len(MUTANTS) >= 60
    refused: dict[str, str] = {}
    began = time.monotonic()
    for number, (name, kind, make) in enumerate(MUTANTS):
        path = tmp_path / f"abc.1minute.{number}"
        make(path)
        started = time.monotonic()
        try:
            found = read(sandbox, path, kind)
        except InputError as error:
            refused[name] = str(error)
        else:
            # a changed byte may be a digit, a letter or a value; of a text that is cut the beginning is as good as ever
            assert found.value.dtype == np.float64, name
            assert len(found.value) == len(found.time), name
            if "cut" not in name:
                assert len(found.value) == len(whole[kind].value), name
        assert time.monotonic() - started < LIMITS.seconds + 3, name
    # the sound ones are read as before
    for kind in WHOLE:
        again = read(sandbox, tmp_path / f"abc.1minute.{kind}", kind)
        np.testing.assert_array_equal(again.value, whole[kind].value)
    must = [name for name, kind, _ in MUTANTS if "cut" in name and kind != "text"]
    must += [
        name for name, _, _ in MUTANTS if any(word in name for word in ("page", "nothing", "alone", "noise", " as "))
    ]
    assert set(must) <= set(refused)
    assert all(text.replace("\n", "").isprintable() for text in refused.values())
    assert time.monotonic() - began < 120


def test_headers_of_noise_neither_hang_nor_crash_the_caller(sandbox, tmp_path):
    rng = np.random.default_rng(11)
    for kind in ("hdf5", "classic", "parquet"):
        path = tmp_path / f"abc.{kind}"
        WHOLE[kind](path)
        content = path.read_bytes()
        for _ in range(25):
            changed = bytearray(content)
            start = int(rng.integers(4, 600))
            changed[start : start + 16] = rng.bytes(16)
            path.write_bytes(changed)
            try:
                read(sandbox, path, kind)
            except InputError:
                continue
    WHOLE["hdf5"](path)
    assert len(read(sandbox, path, "hdf5").value) == 200


def test_folders_loops_and_missing_files_are_refused(sandbox, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "loop", "missing"):
        for kind in WHOLE:
            with pytest.raises(InputError):
                read(sandbox, tmp_path / name, kind)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    WHOLE["hdf5"](tmp_path / "a.nc")
    (tmp_path / "a.nc").chmod(0)
    with pytest.raises(InputError, match="the file must be readable"):
        is_binary(tmp_path / "a.nc")


def test_a_real_file_cut_anywhere_is_refused(sandbox, tmp_path):
    whole = (shared_data() / "columns" / "tropomi_ch4_2022-12-08.nc").read_bytes()
    path = tmp_path / "a.nc"
    for share in np.random.default_rng(5).uniform(0, 0.999, 8):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError):
            read(sandbox, path, "columns")
