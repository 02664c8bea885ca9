"""The view of a window holds links to what it may read and nothing else; stages add up to what they took."""

import os
import time

import pytest

from pipeline.service.stages import Stages
from pipeline.service.window import lay


def links(folder):
    return {path.relative_to(folder).as_posix(): os.readlink(path) for path in folder.rglob("*") if path.is_symlink()}


def files(folder):
    return [path for path in folder.rglob("*") if not path.is_symlink() and not path.is_dir()]


def test_a_view_is_that_of_its_window_whatever_stood_there(tmp_path):
    view, kept = tmp_path / "view", {name: tmp_path / f"spool-{name}" for name in "abc"}
    lay(view, {view / "one" / "a": kept["a"], view / "one" / "deep" / "b": kept["b"]})
    assert links(view) == {"one/a": str(kept["a"]), "one/deep/b": str(kept["b"])}
    same = os.lstat(view / "one" / "a").st_ino
    (view / "one" / "left").write_text("no link")
    (view / "empty").mkdir()
    lay(view, {view / "one" / "a": kept["a"], view / "one" / "deep" / "b": kept["c"], view / "c": kept["c"]})
    assert links(view) == {"one/a": str(kept["a"]), "one/deep/b": str(kept["c"]), "c": str(kept["c"])}
    assert os.lstat(view / "one" / "a").st_ino == same
    assert files(view) == []
    assert not (view / "empty").exists()
    lay(view, {})
    assert list(view.iterdir()) == []


@pytest.mark.parametrize("there", ["file", "link"])
def test_a_view_takes_the_place_of_what_is_no_folder_and_follows_no_link(tmp_path, there):
    view, elsewhere = tmp_path / "view", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("stays")
    if there == "file":
        view.write_text("a file")
    else:
        view.symlink_to(elsewhere)
    lay(view, {view / "a": elsewhere / "kept"})
    assert links(view) == {"a": str(elsewhere / "kept")}
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    lay(view, {view / "a" / "b": elsewhere / "kept"})
    assert links(view) == {"a/b": str(elsewhere / "kept")}


def test_each_stage_is_counted_until_the_next_begins_and_nothing_twice():
    stages, told = Stages(), []
    began = time.monotonic()
    with stages.stage("outer"):
        time.sleep(0.02)
        progress = stages.watching(lambda *what: told.append(what))
        progress("one", 0, 2)
        time.sleep(0.03)
        progress("two", 1, 2)
        progress("one", 2, 2)
        time.sleep(0.01)
    time.sleep(0.02)
    with stages.stage("outer"):
        pass
    total = time.monotonic() - began
    assert list(stages.seconds) == ["outer", "one", "two"]
    assert told == [("one", 0, 2), ("two", 1, 2), ("one", 2, 2)]
    assert stages.seconds["one"] >= 0.04 - 1e-3
    assert sum(stages.seconds.values()) <= total - 0.02 + 2e-3
