"""Patterns name files under the input folder, in one order, and none that is being written."""

import pytest

from pipeline.errors import InputError
from pipeline.ingest.files import expand, under_way

UNDER_WAY = ["b.csv.part", "c.csv.filepart", "d.tmp", ".e.csv.x7Fq2a", "f.csv.PART", "g.csv.crdownload"]


def write(folder, names):
    for name in names:
        (folder / name).write_text("1")


def test_a_pattern_does_not_find_files_under_way(tmp_path):
    write(tmp_path, [*UNDER_WAY, "z.csv", "a.csv", "part.csv"])
    assert [path.name for path in expand(tmp_path, "*")] == ["a.csv", "part.csv", "z.csv"]
    assert [path.name for path in under_way(tmp_path, ["*.csv", "*"])] == sorted(UNDER_WAY)


def test_a_name_in_full_finds_its_file_whatever_it_is(tmp_path):
    write(tmp_path, UNDER_WAY)
    assert expand(tmp_path, "d.tmp") == [tmp_path / "d.tmp"]
    assert under_way(tmp_path, ["d.tmp"]) == []


def test_a_pattern_that_finds_only_files_under_way_says_so(tmp_path):
    write(tmp_path, UNDER_WAY[:2])
    with pytest.raises(InputError, match=r"must name a file; got '\*'.*2 there are still under way"):
        expand(tmp_path, "*")


def test_folders_loops_and_broken_links_are_no_files(tmp_path):
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "loop.nc").symlink_to("loop.nc")
    (tmp_path / "broken.nc").symlink_to("nowhere")
    write(tmp_path, ["a.nc"])
    assert expand(tmp_path, "*.nc") == [tmp_path / "a.nc"]
    for name in ("folder.nc", "loop.nc", "broken.nc"):
        with pytest.raises(InputError, match=f"must name a file; got '{name}'"):
            expand(tmp_path, name)
